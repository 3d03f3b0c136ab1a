/**
 * Every parser and what it promises for arbitrary octets: a value that holds together, or its documented refusal. `parse`
 * throws whatever breaks the promise.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FRAME_MAX } from '../../native-free/capture/capture.ts';
import { MemorySink } from '../../native-free/capture/octet-sink.ts';
import { OctetSource } from '../../native-free/capture/octet-source.ts';
import { openCapture } from '../../native-free/capture/open-capture.ts';
import { PcapWriter } from '../../native-free/capture/pcap-writer.ts';
import { PcapngWriter } from '../../native-free/capture/pcapng-writer.ts';
import { replay } from '../../native-free/replay.ts';
import { parseScenario } from '../../native-free/sim/scenario.ts';
import { replayedLine } from '../../src/cli/replay.ts';
import { readBindings } from '../../src/config/bindings-file.ts';
import { loadSiteConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problem.ts';
import { rrsetOf } from '../../src/names/rrsets.ts';
import { sign, type TsigKey, verify } from '../../src/names/tsig.ts';
import { bindingsParams, moveParams, noParams, readParams } from '../../src/runtime/control-methods.ts';
import { readRequest } from '../../src/runtime/control-socket.ts';
import { type ErrorCode, IlnpError } from '../../src/runtime/errors.ts';
import { FrameReader, frame } from '../../src/sites/frame.ts';
import { parseReply, parseRequest } from '../../src/sites/messages.ts';
import { parseLine, replay as replayMove } from '../../src/sites/move-record.ts';
import { pack, unpack } from '../../src/sites/pack.ts';
import { parseSiteKey } from '../../src/sites/site-key.ts';
import { messageOctets, optOctets, questionOctets, readMessage, recordOctets } from '../../src/wire/dns-message.ts';
import { writeName } from '../../src/wire/dns-name.ts';
import { formatRdata, parseRdata, readRdata, writeRdata } from '../../src/wire/dns-records.ts';
import { explainPacket } from '../../src/wire/explain.ts';
import * as chain from '../../src/wire/extension-headers.ts';
import { headerChain } from '../../src/wire/header-chain.ts';
import * as ipv6 from '../../src/wire/ipv6.ts';
import { acknowledgementOf, readLocatorUpdate } from '../../src/wire/locator-update.ts';
import { findNonce, insertNonce, nonceOf } from '../../src/wire/nonce-option.ts';
import {
  formatIlv,
  formatL64,
  formatNid,
  formatPrefix,
  parseIlv,
  parseIpv6,
  parseL64,
  parseNid,
  parsePrefix,
} from '../../src/wire/text.ts';
import { bound, siteConfig } from '../support/sites.ts';
import { Finding } from './finding.ts';
import {
  BINDINGS,
  captureSamples,
  MESSAGES,
  MOVES,
  packetSamples,
  REQUESTS,
  SITE,
  scenarioSamples,
  YAML,
} from './samples.ts';

export interface Parser {
  readonly name: string;
  /** What arbitrary octets are made from. */
  samples(): readonly Uint8Array[];
  /** Octets that mean something to it. */
  readonly words?: readonly string[];
  /** Inputs of a round; what is slow has fewer. */
  readonly inputs: number;
  parse(octets: Uint8Array): void;
}

/** Longest line of a refusal: it ends up in a log or on a terminal. */
const LONGEST_LINE = 2000;

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (octets: Uint8Array): string => new TextDecoder().decode(octets);
const same = (one: unknown, other: unknown, what: string): void => {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a !== b) throw new Finding(`${what}: ${a?.slice(0, 80)} became ${b?.slice(0, 80)}`);
};
const sameOctets = (one: Uint8Array, other: Uint8Array | null, what: string): void =>
  same(Buffer.from(one).toString('hex'), other && Buffer.from(other).toString('hex'), what);

/** Lets the errors of these codes pass, if they can be shown to people. Null when it was refused. */
function refusing<T>(codes: readonly ErrorCode[], parse: () => T): T | null {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof IlnpError) || !codes.includes(error.code)) throw error;
    isShowable(error.message);
    return null;
  }
}

function isShowable(message: string): void {
  for (const line of message.split('\n')) {
    if (line.length > LONGEST_LINE) throw new Finding(`says a line of ${line.length} characters`);
    if (/\p{Cc}/u.test(line)) throw new Finding(`says control characters: ${JSON.stringify(line.slice(0, 80))}`);
  }
}

/** The octets twice, with different ones around them, so that whoever reads those says two things. */
function surrounded<T>(octets: Uint8Array, read: (b: Uint8Array, o: number) => T): T {
  const results = [0x00, 0xff, 0x3c].map((around, k) => {
    const o = 64 + 8 * k;
    const b = new Uint8Array(octets.length + 512).fill(around);
    b.set(octets, o);
    const result = read(b, o);
    if (!b.subarray(o, o + octets.length).every((octet, at) => octet === octets[at])) throw new Finding('wrote');
    return result;
  });
  same(results[0], results[1], 'depends on octets around it');
  same(results[0], results[2], 'depends on octets around it');
  return results[0]!;
}

function explain(octets: Uint8Array): void {
  const line = surrounded(octets, (b, o) => explainPacket(b, o, octets.length));
  if (line === '' || /\p{Cc}/u.test(line)) throw new Finding(`says ${JSON.stringify(line.slice(0, 80))}`);
  const most = 512 + 32 * octets.length; // a header of 8 octets takes at most 60 characters, in a quote again
  if (line.length > most) throw new Finding(`says ${line.length} characters about ${octets.length} octets`);
}

function headers(octets: Uint8Array): void {
  const { length } = octets;
  if (length < ipv6.HEADER_LENGTH) {
    same(nonceOf(octets, 0, length), null, 'a nonce in a packet without a header');
    same(acknowledgementOf(octets, Uint8Array.of(1, 2, 3, 4)), null, 'an acknowledgement of a packet without a header');
    return;
  }
  const { upper, list } = surrounded(octets, (b, o) => {
    const found = chain.upperLayer(b, o, o + length);
    const { headers, upper, at, isWhole } = headerChain(b, o, o + length);
    const list = { upper, at: at - o, isWhole, headers: headers.map((h) => ({ ...h, at: h.at - o })) };
    const nonce = findNonce(b, o, o + length);
    const octetsOfNonce = nonceOf(b, o, o + length);
    return { upper: found, list, nonce: nonce > 0 ? nonce - o : nonce, octetsOfNonce };
  });
  same(list.upper, chain.protocolOf(upper), 'the chain as a list ends in another protocol');
  if (list.isWhole) same(list.at, chain.offsetOf(upper), 'the chain as a list ends elsewhere');
  if (chain.offsetOf(upper) > length)
    throw new Finding(`an upper layer at octet ${chain.offsetOf(upper)} of ${length}`);
  if (list.headers.some((h) => h.at + h.length > length)) throw new Finding('a header behind the packet');

  const at = chain.offsetOf(upper);
  surrounded(octets, (b, o) => readLocatorUpdate(b, o, o + at, length - at));
  acknowledgementOf(octets, Uint8Array.of(1, 2, 3, 4));
  const nonce = Uint8Array.of(9, 8, 7, 6);
  const longer = insertNonce(octets, nonce);
  if (longer !== null) {
    sameOctets(nonce, nonceOf(longer, 0, longer.length), 'a nonce put in');
    same(headerChain(longer, 0, longer.length).upper, list.upper, 'the upper layer behind a nonce put in');
  }
}

function dns(octets: Uint8Array): void {
  const type = 104 + ((octets[0] ?? 0) & 3);
  const rdata = octets.subarray(1);
  const record = surrounded(rdata, (b, o) => readRdata(type, b, o, rdata.length));
  if (record !== null) {
    sameOctets(rdata, writeRdata(record), 'a record');
    same(record, parseRdata(type, formatRdata(record)), 'the text of a record');
  }
  const text = textOf(rdata);
  const parsed = parseRdata(type, text);
  if (parsed === null) return;
  const written = writeRdata(parsed);
  same(parsed, written && readRdata(type, written, 0, written.length), 'the octets of a record');
}

const TSIG_KEY: TsigKey = { name: 'k.', algorithm: 'hmac-sha256', secret: new Uint8Array(32) };

/** An answer with an alias and names that point back, and a signed message. */
function dnsSamples(): Uint8Array[] {
  const question = questionOctets('www.a.', 106);
  const alias = Uint8Array.of(0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 2, 0xc0, 16);
  const rdata = writeRdata({ type: 106, preference: 10, locator: { hi: 0x20010db8, lo: 0 } })!;
  const l64 = recordOctets('a.', { type: 106, ttl: 20 }, rdata);
  const answer = messageOctets(1, 0x8400, [[question], [alias, l64], [], [optOctets()]]);
  return [answer, sign(answer, TSIG_KEY, 0).octets];
}

function dnsMessage(octets: Uint8Array): void {
  const message = readMessage(octets);
  const { isVerified } = verify(octets, TSIG_KEY, new Uint8Array(31), 0);
  if (isVerified) throw new Finding('a signature with a key that nobody has');
  const name = message?.question?.name ?? 'a.';
  for (const type of [104, 106, 107]) {
    const { records, ttl } = rrsetOf(octets, name, type);
    if (records.length > octets.length / 12) throw new Finding(`${records.length} records`);
    if (!(ttl >= 0 && ttl <= 3600)) throw new Finding(`a TTL of ${ttl}`);
  }
  if (message === null) return;
  for (const { name: owner, at, length } of [...message.answers, ...message.authorities, ...message.additionals]) {
    if (at + length > octets.length) throw new Finding('a record behind the message');
    if (writeName(owner) === null) throw new Finding(`an owner that is no name: ${owner.slice(0, 80)}`);
  }
}

function addresses(octets: Uint8Array): void {
  const text = textOf(octets);
  const nid = parseNid(text);
  if (nid !== null) same(nid, parseNid(formatNid(nid)), 'a Node Identifier');
  const l64 = parseL64(text);
  if (l64 !== null) same(l64, parseL64(formatL64(l64)), 'a Locator');
  const ilv = parseIlv(text);
  if (ilv !== null) same(ilv, parseIlv(formatIlv(ilv.l64, ilv.nid)), 'an I-LV');
  const prefix = parsePrefix(text);
  if (prefix !== null) same(prefix, parsePrefix(formatPrefix(prefix)), 'a prefix');
  const address = parseIpv6(text);
  if (address !== null && address.length !== 16) throw new Finding(`an address of ${address.length} octets`);
}

const CAPTURE_SITE = siteConfig(1, 2, [bound('a1', 'fd00:1::/64', 1, 1), bound('b1', 'fd00:2::/64', 2, 1)], {
  limits: { bindings: 100, sessions: 64, holdOctets: 1 << 20, holdPackets: 100, holdMs: 1000 },
});

function capture(octets: Uint8Array): void {
  refusing(['E_CAPTURE'], () => {
    let number = 0;
    for (const frame of openCapture(OctetSource.memory(octets)).frames()) {
      if (frame.number !== ++number) throw new Finding(`frame ${frame.number} after ${number - 1}`);
      if (frame.octets.length > Math.min(FRAME_MAX, octets.length)) throw new Finding('a frame larger than its file');
    }
    if (number > octets.length / 12) throw new Finding(`${number} frames in ${octets.length} octets`);
  });
}

function replayed(octets: Uint8Array): void {
  for (const writer of [
    new PcapWriter(new MemorySink(), { nanoseconds: true }),
    new PcapngWriter(new MemorySink(), [{ name: 'ilnp0' }, { name: 'ilnp0-in' }, { name: 'ilnp0-site' }]),
  ]) {
    refusing(['E_CAPTURE'], () => {
      const reader = openCapture(OctetSource.memory(octets));
      const steps = replay({ config: CAPTURE_SITE, reader, file: 'in.pcap', writer, explain: true });
      for (;;) {
        const { done, value } = steps.next();
        if (done && value.problem !== null) throw value.problem;
        if (done) return;
        if (/\p{Cc}/u.test(replayedLine(value))) throw new Finding('says control characters');
      }
    });
  }
}

function peer(octets: Uint8Array): void {
  refusing(['E_PROTOCOL'], () => {
    const reader = new FrameReader();
    for (let at = 0, size = 1 + (octets.length % 7); at < octets.length; at += size) {
      for (const message of reader.push(octets.subarray(at, at + size))) {
        const body = Array.isArray(message) ? message[1] : message;
        refusing(['E_PROTOCOL'], () => parseRequest(body));
        refusing(['E_PROTOCOL'], () => parseReply(body));
      }
    }
  });
  refusing(['E_PROTOCOL'], () => unpack(octets));
}

function record(octets: Uint8Array): void {
  const moved = new Map();
  const open = new Map();
  const texts = textOf(octets).split('\n');
  for (const text of texts) {
    const entry = parseLine(text);
    if (typeof entry === 'string') isShowable(new IlnpError('E_STATE', entry).message);
    else replayMove(entry, moved, open);
  }
  if (moved.size + open.size > texts.length) throw new Finding('more moves than lines');
}

function control(octets: Uint8Array): void {
  const request = refusing(['E_USAGE'], () => readRequest(textOf(octets)));
  if (request === null) return;
  refusing(['E_USAGE'], () => readParams(moveParams, request.params));
  refusing(['E_USAGE'], () => readParams(bindingsParams, request.params));
  refusing(['E_USAGE'], () => readParams(noParams, request.params));
}

let folder: string | undefined;
function inFile(octets: Uint8Array): string {
  if (folder === undefined) {
    const made = mkdtempSync(join(tmpdir(), 'ilnp-fuzz-'));
    folder = made;
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  const path = join(folder, 'site.yaml');
  writeFileSync(path, octets);
  return path;
}

function bindings(octets: Uint8Array): void {
  const { bindings, problems, problem } = readBindings(textOf(octets), 'b.jsonl');
  isShowable(new ConfigError(problems).message);
  for (const index of [0, bindings.length - 1]) {
    if (index < 0 || index >= bindings.length) continue;
    isShowable(new ConfigError([problem(index, 'home', 'another')]).message);
  }
}

export const PARSERS: readonly Parser[] = [
  { name: 'explain', samples: packetSamples, inputs: 1024, parse: explain },
  { name: 'headers', samples: packetSamples, inputs: 1024, parse: headers },
  {
    name: 'dns',
    samples: () => [
      ...[
        '0000140014 4fff ff20 ee64',
        '01000a0a010200',
        '02000a20010db811401000',
        '03000a036c3634076578616d706c6503636f6d00',
      ].map((hex) => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))),
      ...[
        '\u000010 0014:4fff:ff20:ee64',
        '\u000110 10.1.2.0',
        '\u000210 2001:db8:1:0',
        '\u000310 a\\.b.\\300c.example.',
      ].map(utf8),
    ],
    words: ['.', '\\', '\\046', '\\300', ':', '::', ' ', '65535'],
    inputs: 1024,
    parse: dns,
  },
  {
    name: 'dns-message',
    samples: dnsSamples,
    words: ['\u0000', '\u00c0\u000c', '\u0000\u0001', '\u003f'],
    inputs: 1024,
    parse: dnsMessage,
  },
  {
    name: 'text',
    samples: () =>
      [
        '0:0:0:a1',
        '::a1',
        '2001:db8:1::/64',
        '0+0+0+a1',
        '2001-db8-1-0.0+0+0+a1',
        '::ffff:192.0.2.1',
        '2001:db8::/48',
        '::/0',
      ].map(utf8),
    words: [':', '::', '/', '/64', '.', '+', '-', '%', 'ffff', '0', '255', '1.2.3.4', '\u0661', 'İ'],
    inputs: 2048,
    parse: addresses,
  },
  { name: 'capture', samples: captureSamples, inputs: 512, parse: capture },
  { name: 'replay', samples: captureSamples, inputs: 64, parse: replayed },
  {
    name: 'peer',
    samples: () => [...MESSAGES.map(frame), ...MESSAGES.map(pack)],
    words: ['\u0001', '\u0090', 'kind', 'changes', '__proto__', '\u001b[2J'],
    inputs: 1024,
    parse: peer,
  },
  {
    name: 'record',
    samples: () => [...MOVES, MOVES.join('\n')].map(utf8),
    words: ['"', '{', '}', '[', ']', ',', '\n', '\\u001b', '__proto__', '1e400', '-0', 'null'],
    inputs: 1024,
    parse: record,
  },
  {
    name: 'control',
    samples: () => REQUESTS.map(utf8),
    words: ['"', '{', '}', '[', ']', ',', '\\u001b', '__proto__', 'constructor', '1e400', 'null', '"x":1,'],
    inputs: 1024,
    parse: control,
  },
  {
    name: 'config',
    samples: () => [utf8(SITE)],
    words: YAML,
    inputs: 32,
    parse: (octets) => {
      refusing(['E_CONFIG'], () => loadSiteConfig(inFile(octets)));
    },
  },
  {
    name: 'bindings',
    samples: () => [...BINDINGS, BINDINGS.join('')].map(utf8),
    words: ['"', '{', '}', ',', ':', '\\u001b', '\n', '__proto__'],
    inputs: 512,
    parse: bindings,
  },
  {
    name: 'scenario',
    samples: scenarioSamples,
    words: YAML,
    inputs: 32,
    parse: (octets) => {
      refusing(['E_CONFIG'], () => parseScenario(textOf(octets), 'scenario.yaml'));
    },
  },
  {
    name: 'key',
    samples: () => [utf8('0123456789abcdef'.repeat(4)), utf8(`${'A'.repeat(43)}=`)],
    inputs: 1024,
    parse: (octets) => {
      const key = refusing(['E_KEY'], () => parseSiteKey(textOf(octets).trim(), 'site.key'));
      if (key !== null && key.length !== 32) throw new Finding(`a key of ${key.length} octets`);
    },
  },
];
