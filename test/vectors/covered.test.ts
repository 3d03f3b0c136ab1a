/** Every published vector is the measure of a test: the one named here, which names it in turn. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const COVERED: Readonly<Record<string, readonly string[]>> = {
  'network/eui64': ['nid-eui64'],
  'wire/text': ['ilv-bytes'],
  'wire/nonce-option': [
    ...['dstopts-nonce32', 'dstopts-nonce96', 'dstopts-nonce64-padn', 'dstopts-padn-nonce96'],
    ...['dstopts-two-nonces-bad', 'dstopts-nonce-overrun-bad'],
  ],
  'wire/checksum': ['udp-zeroloc-ffff', 'rfc1624-example'],
  'wire/explain': ['mipv6-bu-nemo'],
  'wire/locator-update': [
    ...['lu-adv-1', 'lu-adv-3', 'lu-ack-1', 'lu-ack-1-samenonce', 'lu-ack-3'],
    ...['lu-adv-0-bad', 'lu-adv-short-bad', 'lu-op3-bad', 'lu-nononce-bad', 'lu-linux49-variant'],
  ],
  'wire/dns-records': ['rdata-nid', 'rdata-l32', 'rdata-l64', 'rdata-lp'],
  'names/exchange': ['dns-nid-response'],
  'names/tsig': ['dns-update-l64', 'dns-update-l64-tsig'],
  'shim/vectors': [
    ...['tcp-syn-full-inside', 'tcp-syn-full-outside', 'tcp-syn-zeroloc-outside'],
    ...['tcp-synack-full-inside', 'tcp-synack-full-outside', 'tcp-synack-zeroloc-outside'],
    ...['udp-full-inside', 'udp-full-outside', 'udp-zeroloc-outside', 'icmp6-echo-inside', 'icmp6-echo-outside'],
    ...['icmp6-paramprob-nonce', 'icmp6-ptb-outside'],
    ...['lu-adv-1', 'lu-adv-3', 'lu-ack-1', 'lu-ack-1-samenonce', 'lu-ack-3'],
    ...['lu-adv-0-bad', 'lu-adv-short-bad', 'lu-op3-bad', 'lu-nononce-bad', 'lu-linux49-variant'],
  ],
  'sbr/vectors': [
    ...['tcp-syn-full-inside', 'tcp-syn-full-outside', 'tcp-syn-zeroloc-inside', 'tcp-syn-zeroloc-outside'],
    ...['tcp-syn-full-nptv6', 'nptv6-rfc6296-example', 'hairpin-in', 'hairpin-out', 'frag-first', 'frag-second'],
    ...['udp-full-inside', 'udp-full-outside', 'udp-zeroloc-inside', 'udp-zeroloc-outside'],
    ...['icmp6-echo-inside', 'icmp6-echo-outside', 'icmp6-paramprob-nonce', 'icmp6-ptb-outside', 'icmp6-ptb-inside'],
    ...['tcp-synack-full-outside', 'tcp-synack-full-inside', 'tcp-synack-zeroloc-outside', 'tcp-synack-zeroloc-inside'],
  ],
  'sbr/on-path': ['lu-inside-local-locator', 'lu-translated-by-sbr'],
  'sbr/conformance': ['obfuscation-inside', 'obfuscation-outside', 'ip6ip6-tel'],
};

const here = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');
const published = (JSON.parse(here('ilnpv6.json')) as { readonly vectors: { readonly name: string }[] }).vectors;

test('every vector is covered, and nothing is covered that is none', () => {
  expect([...new Set(Object.values(COVERED).flat())].sort()).toEqual(published.map(({ name }) => name).sort());
});

test.each(Object.entries(COVERED))('%s names its vectors, or the pair they are one of', (file, names) => {
  const source = here(`../${file}.test.ts`);
  const isNamed = (name: string): boolean =>
    [name, name.replace(/-(?:in|out)side$/, '')].some((text) => source.includes(`'${text}'`));

  expect(names.filter((name) => !isNamed(name))).toEqual([]);
});
