/** Sessions with nonces on the control plane of a border: handed from site to site, told, shown. */
import { afterEach, describe, expect, test } from 'vitest';
import { Speakers } from '../../src/border/speakers.ts';
import type { BindingConfig } from '../../src/config/site-config.ts';
import { Bindings } from '../../src/ilnp/bindings.ts';
import { type KnownPair, Pairs } from '../../src/ilnp/pairs.ts';
import { handOver } from '../../src/sites/hand-over.ts';
import { parseRequest, type Request } from '../../src/sites/messages.ts';
import { pack, unpack } from '../../src/sites/pack.ts';
import { fromSpoken } from '../../src/sites/spoken.ts';
import { addressesOf, full } from '../support/packets.ts';
import { bound, l64, nid, siteConfig } from '../support/sites.ts';

const KNOWN: KnownPair = {
  guest: nid('0:0:0:a1'),
  correspondent: nid('0:0:0:c0'),
  locator: l64('2001:db8:c::/64'),
  nonceOut: Uint8Array.of(1, 2, 3, 4),
  nonceIn: Uint8Array.from({ length: 12 }, (_, k) => k),
};
const now = (): number => Math.floor(Date.now() / 1000);
const open: Speakers[] = [];
afterEach(() => {
  for (const speakers of open.splice(0)) speakers.close();
});

/** The border of a site, with what it says. */
function site(n: number, ...bindings: readonly BindingConfig[]) {
  const config = siteConfig(n, 3, bindings);
  const pairs = new Pairs(new ArrayBuffer(Pairs.octets(16)), 1);
  const store = new Bindings(100, [1, 2]);
  for (const binding of bindings) store.put({ ...binding, epoch: 0 });
  const said: Uint8Array[] = [];
  const speakers = new Speakers({
    pairs,
    bindings: store,
    config: () => config,
    emit: (packets) => said.push(...packets),
  });
  open.push(speakers);
  speakers.uplinksAre({ ids: Uint8Array.from(config.uplinks, (_, k) => k), usable: config.uplinks.map(() => true) });
  return { speakers, pairs, store, said };
}

describe('a guest that moves', () => {
  // shows: S13, S31
  test('takes its sessions along: the new site tells their correspondents, once the guest is there', () => {
    const old = site(1, bound('a1', 'fd00:1::/64', 1, 1));
    const next = site(2, bound('a1', 'fd00:1::/64', 1, 1));
    old.pairs.learn(KNOWN, now());
    next.speakers.take(old.speakers.departed([KNOWN.guest]));
    expect(next.said).toEqual([]);
    next.store.put({ ...bound('a1', 'fd00:1::/64', 1, 2), epoch: 1 });
    next.speakers.arrived([KNOWN.guest]);

    expect(next.said.map(addressesOf)).toEqual([{ src: full('2001:db8:2::a1'), dst: full('2001:db8:c::c0') }]);
    expect(next.said[0]!.slice(44, 48)).toEqual(KNOWN.nonceOut);
    expect(next.speakers.shown()).toEqual([
      {
        guest: '0:0:0:a1',
        correspondent: '0:0:0:c0',
        locator: '2001:db8:c::/64',
        uplink: null,
        nonces: 'both',
        told: 'unacknowledged',
        idle: 0,
      },
    ]);
    expect(next.speakers.counters).toEqual({ updates_sent: 1, updates_given_up: 0 });
  });

  test('its report says what its correspondents were told, and when the first one has acknowledged', () => {
    const next = site(2, bound('a1', 'fd00:1::/64', 1, 2));
    next.pairs.learn(KNOWN, now());
    next.pairs.learn({ ...KNOWN, correspondent: nid('0:0:0:c1') }, now());
    next.speakers.arrived([KNOWN.guest], [KNOWN.guest]);
    const at = Date.now() * 1000;
    const [first] = next.pairs.all();
    next.pairs.acknowledge(first!, at);

    // two updates of 68 octets; the nonce of the other side has 12 octets, 8 more with what fills it up
    expect(next.said.map((packet) => packet.length)).toEqual([68, 68]);
    expect(next.speakers.toldOf(KNOWN.guest, at + 5000)).toEqual({
      updateOctets: 68 + 68 + 68 + 8,
      acknowledgedAt: at,
    });
    expect(next.speakers.toldOf(KNOWN.guest, at + 6000)).toEqual({ updateOctets: 0, acknowledgedAt: 0 }); // said once
  });

  test('whose sessions come later than itself is spoken for when they come', () => {
    const next = site(2, bound('a1', 'fd00:1::/64', 1, 2));
    next.speakers.arrived([KNOWN.guest]);
    next.speakers.take([KNOWN]);

    expect(next.said).toHaveLength(1);
  });

  test('is not spoken for any more where it was, and nobody is for identifiers that are not bound', () => {
    const old = site(1, bound('a1', 'fd00:1::/64', 1, 1));
    old.speakers.take([KNOWN, { ...KNOWN, guest: nid('0:0:0:77') }]);
    expect(old.said).toHaveLength(1);
    old.store.put({ ...bound('a1', 'fd00:1::/64', 1, 2), epoch: 1 });
    old.speakers.departed([KNOWN.guest]);
    old.speakers.uplinksAre({ ids: Uint8Array.of(0, 1), usable: [false, true] });

    expect(old.said).toHaveLength(1);
    expect([...old.pairs.all()]).toHaveLength(1);
  });

  test('what is handed over comes through the channel as it was, in messages of a bounded size', async () => {
    const many = Array.from({ length: 1500 }, (_, k) => ({ ...KNOWN, correspondent: { hi: 1, lo: k } }));
    const sent: Request[] = [];
    const send = async (_: string, request: Request) => {
      sent.push(parseRequest(unpack(pack(request))));
      return { kind: 'ready' as const };
    };
    await handOver('site2', many, send, { info: () => {}, warn: () => {} });

    expect(sent).toHaveLength(2);
    const got = sent.flatMap((r) => (r.kind === 'spoken' ? r.sessions.map(fromSpoken) : []));
    expect(got.map((k) => ({ ...k, nonceOut: [...k.nonceOut], nonceIn: [...k.nonceIn] }))).toEqual(
      many.map((k) => ({ ...k, nonceOut: [...k.nonceOut], nonceIn: [...k.nonceIn] })),
    );
  });

  test('a site that cannot be told is only warned of', async () => {
    const warned: object[] = [];
    const log = { info: () => {}, warn: (fields: object) => void warned.push(fields) };
    await handOver('site2', [KNOWN], () => Promise.reject(new Error('gone')), log);

    expect(warned).toEqual([{ site: 'site2', sessions: 1, reason: 'gone' }]);
  });
});
