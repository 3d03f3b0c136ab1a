/** What an end system puts on the wire and tells its correspondents, from sessions of the seed, as tshark reads it. */
import { beforeAll, describe, expect, test } from 'vitest';
import { SeededRandom } from '../../native-free/random.ts';
import { type Correspondent, locatorOf } from '../../src/ilnp/correspondent.ts';
import { DESTINATION_OPTIONS } from '../../src/wire/ipv6.ts';
import { ACKNOWLEDGEMENT, ADVERTISEMENT, type LocatorEntry } from '../../src/wire/locator-update.ts';
import { formatIlv, type Ilv, type L64 } from '../../src/wire/text.ts';
import { EXPERIMENTAL_OPTION } from '../../src/wire/update-authentication.ts';
import { type End, endSystem, know } from '../shim/support.ts';
import { destinationOptions, echo6, ipv6, joined, tcp6, udp6, udpSegment } from '../support/packets.ts';
import { against, isSame, LIMIT, SEED, tshark } from './seen.ts';
import { dissect, type Fields } from './tshark.ts';
import { fromOctets, fromTshark, type View, withNonce } from './view.ts';

const SESSIONS = 200;
const PACKETS_EACH = 8;
const LIMITS = { strangers: 8, known: 8 };
const KEY = new Uint8Array(32).fill(7);
/** Option types as tshark writes them. */
const [PADN, NONCE] = ['0x01', '0x8b'];

interface Sent {
  readonly session: number;
  readonly octets: Uint8Array;
  readonly source: string;
  readonly destination: string;
  readonly nonce: Uint8Array;
  /** What the program gave, of what a program sends. */
  readonly given?: Uint8Array;
  /** Of a Locator Update. */
  readonly update?: { readonly operation: number; readonly locators: readonly LocatorEntry[] };
  readonly isKeyed: boolean;
}

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const text = ({ l64, nid }: Ilv): string => formatIlv(l64, nid);

/** Everything sent in the sessions of the seed. */
function sentBySessions(): Sent[] {
  const all: Sent[] = [];
  for (let session = 0; session < SESSIONS; session++) new Session(session, all).play();
  return all;
}

class Session {
  readonly #session: number;
  readonly #all: Sent[];
  readonly #r: SeededRandom;

  constructor(session: number, all: Sent[]) {
    this.#session = session;
    this.#all = all;
    this.#r = new SeededRandom(`${SEED}/session ${session}`);
  }

  play(): void {
    const r = this.#r;
    const isKeyed = r.chance(0.3);
    const [nidOfA, nidOfB] = [this.#half(0x0211_22ff), this.#half(0x0200_5eff)];
    const [atA, atB] = [this.#locator(), this.#locator()];
    const [nonceOfA, nonceOfB] = [this.#octets(r.chance(0.5) ? 4 : 12), this.#octets(r.chance(0.5) ? 4 : 12)];
    const stable = { hi: 0xfd00_0001, lo: 0 };
    const make = (nid: L64, at: L64, nonce: Uint8Array): End => {
      const more = { nonceOctets: nonce.length as 4 | 12, random: () => nonce };
      const end = endSystem(text({ l64: stable, nid }), [], LIMITS, more);
      end.shim.setLocators([{ ...locatorOf(at), preference: 10, lifetime: 1800 }], 0);
      return end;
    };
    const [a, b] = [make(nidOfA, atA, nonceOfA), make(nidOfB, atB, nonceOfB)];
    const [ilvOfA, ilvOfB] = [text({ l64: atA, nid: nidOfA }), text({ l64: atB, nid: nidOfB })];
    const meet = (c: Correspondent, nonce: Uint8Array): void => {
      c.remoteNonce = nonce;
      c.proved = true;
      c.key = isKeyed ? KEY : null;
      c.heard(1);
    };
    meet(know(a, ilvOfB), nonceOfB);
    meet(know(b, ilvOfA), nonceOfA);

    for (let k = 0; k < PACKETS_EACH; k++) {
      const given = this.#packet({ src: text({ l64: stable, nid: nidOfA }), dst: ilvOfB });
      const octets = a.pass(given);
      if (typeof octets === 'string') throw new Error(`session ${this.#session}: ${octets} of ${hex(given)}`);
      this.#add({ octets, source: ilvOfA, destination: ilvOfB, nonce: nonceOfA, given, isKeyed });
    }

    const locators = Array.from({ length: 1 + r.below(6) }, () => ({
      locator: this.#locator(),
      preference: r.below(65536),
      lifetime: 1 + r.below(65535),
    })).sort((x, y) => x.preference - y.preference);
    a.shim.setLocators(
      locators.map(({ locator, ...rest }) => ({ ...locatorOf(locator), ...rest })),
      2,
    );
    const source = text({ l64: locators[0]!.locator, nid: nidOfA });
    const told = a.sent[0]!;
    this.#add({
      ...{ octets: told, source, destination: ilvOfB, nonce: nonceOfA, isKeyed },
      update: { operation: ADVERTISEMENT, locators },
    });
    b.pass(told, 2);
    this.#add({
      ...{ octets: b.sent[0]!, source: ilvOfB, destination: source, nonce: nonceOfB, isKeyed },
      update: { operation: ACKNOWLEDGEMENT, locators },
    });
  }

  #add(sent: Omit<Sent, 'session'>): void {
    this.#all.push({ session: this.#session, ...sent });
  }

  #packet(h: { readonly src: string; readonly dst: string }): Uint8Array {
    const r = this.#r;
    const ends = { ...h, hopLimit: 1 + r.below(254) };
    const payload = this.#octets(r.below(8) === 0 ? r.below(1300) : r.below(60));
    const kind = r.below(5);
    if (kind === 0) return tcp6(ends, payload);
    if (kind === 1) return echo6(ends);
    if (kind === 2) {
      const options = destinationOptions(17, [0x1e, this.#octets(r.below(20))]); // the program has one of its own
      return ipv6(ends, DESTINATION_OPTIONS, joined(options, udpSegment(ends, payload)));
    }
    return udp6(ends, payload);
  }

  #octets(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#r.below(256));
  }

  #half(hi: number): L64 {
    return { hi, lo: this.#r.next() };
  }

  #locator(): L64 {
    return { hi: 0x2001_0db8, lo: this.#r.next() };
  }
}

describe.skipIf(tshark === null)(against, { timeout: LIMIT }, () => {
  let sent: Sent[] = [];
  let fields: Fields[] = [];
  let views: View[] = [];

  beforeAll(() => {
    sent = sentBySessions();
    fields = dissect(sent.map(({ octets }) => octets));
    views = fields.map((one) => fromTshark(one)!);
  }, LIMIT);

  test('every field is the same to both', () => {
    const differ = sent.flatMap(({ session, octets }, k) => {
      const ours = fromOctets(octets);
      return isSame(ours, views[k]) ? [] : [{ session, octets: hex(octets), ours, tshark: views[k] }];
    });

    expect(differ.slice(0, 3)).toEqual([]);
    expect(sent.length).toBe(SESSIONS * (PACKETS_EACH + 2));
  });

  test('what a program sends has other Locators and a nonce of 4 or 12 octets, and is the same otherwise', () => {
    const programs = sent.flatMap((one, k) => (one.given === undefined ? [] : [{ ...one, given: one.given, k }]));
    const before = dissect(programs.map(({ given }) => given)).map((one) => fromTshark(one)!);
    const differ = programs.flatMap(({ session, k, source, destination, nonce }, n) => {
      const now = { ...views[k]!, hopLimit: 0 };
      const should = { ...withNonce(before[n]!, nonce), source, destination, hopLimit: 0 }; // the kernels take hops
      return isSame(now, should) ? [] : [{ session, now, should }];
    });

    expect(differ.slice(0, 3)).toEqual([]);
    expect(views.filter(({ checksum }) => checksum !== 'right')).toEqual([]);
    expect(new Set(programs.map(({ nonce }) => nonce.length))).toEqual(new Set([4, 12]));
  });

  test('Locator Updates and acknowledgements say what was set, whole, from and to where they should', () => {
    const updates = sent.flatMap((one, k) => (one.update === undefined ? [] : [{ ...one, update: one.update, k }]));
    for (const { k, source, destination, nonce, update } of updates) {
      const { headers, ...view } = views[k]!;
      expect(view).toMatchObject({ source, destination, checksum: 'right', update: { ...update, fault: null } });
      expect(headers.map(({ protocol, nonces }) => ({ protocol, nonces }))).toEqual([
        { protocol: DESTINATION_OPTIONS, nonces: [hex(nonce)] },
      ]);
    }

    expect(updates.length).toBe(2 * SESSIONS);
  });

  test('with a key there is one more option, of an experimental type, 24 octets long; without there is none', () => {
    const updates = sent.flatMap((one, k) => (one.update === undefined ? [] : [{ ...one, fields: fields[k]! }]));
    for (const { isKeyed, fields: seen } of updates) {
      const types = seen['ipv6.opt.type']!.map((type) => `0x${Number(type).toString(16).padStart(2, '0')}`);
      const lengths = seen['ipv6.opt.length']!.map(Number);
      const others = types.flatMap((type, k) => (type === NONCE || type === PADN ? [] : [[Number(type), lengths[k]]]));
      expect(others).toEqual(isKeyed ? [[EXPERIMENTAL_OPTION, 24]] : []);
      expect(seen['ipv6.opt.experimental']?.length ?? 0).toBe(isKeyed ? 1 : 0);
    }

    expect(new Set(updates.map(({ isKeyed }) => isKeyed))).toEqual(new Set([true, false]));
  });
});
