/**
 * What an end system may believe, written down a second time from the tables of RFC 6740 to 6744 as the specification of
 * this project sums them up, without a look at src/shim: whatever the shim takes for true is held against it. It follows
 * what has been accepted; that something true was dropped is not its business (sessions that die tell).
 */
import { u16, u32 } from '../../../src/wire/bytes.ts';
import * as ipv6 from '../../../src/wire/ipv6.ts';

const OPTION_NONCE = 0x8b;
const PAD1 = 0;
const LOCATOR_UPDATE = 156;
const ADVERTISEMENT = 1;
const PARAMETER_PROBLEM = 4;
const UNRECOGNIZED_OPTION = 2;
const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
const ERROR_HEADER = 8;
const SYN = 0x02;
const ACK = 0x10;
/** How long a proved correspondent must be silent before a new nonce from its Locator may be believed: it has restarted. */
const FORGOTTEN_US = 120e6;

/** What became of a packet: data of a session, data as in IPv6, taken in, dropped. */
export type Outcome = 'session' | 'plain' | 'taken' | 'dropped';

/** What is known of a correspondent. */
interface Known {
  nonce: string | null;
  locators: Set<string>;
  readonly byName: boolean;
  /** It has shown that it hears us: from then on the tables bind it. */
  proved: boolean;
  spokenTo: boolean;
  heardAt: number;
}

/** What of a packet the tables look at. */
interface Seen {
  readonly nid: string;
  readonly l64: string;
  readonly nonces: readonly string[];
  readonly protocol: number;
  /** Offset of the upper layer. */
  readonly at: number;
}

const hex = (b: Uint8Array, at: number, count: number): string =>
  Buffer.from(b.buffer, b.byteOffset + at, Math.max(0, Math.min(count, b.length - at))).toString('hex');

/** The addresses at `at` of an IPv6 header, and the options behind it. */
function seen(b: Uint8Array, o: number, address: number): Seen {
  const nonces: string[] = [];
  let protocol = b[o + ipv6.NEXT_HEADER]!;
  let at = o + ipv6.HEADER_LENGTH;
  while (protocol === ipv6.DESTINATION_OPTIONS && at + 8 <= b.length) {
    const end = Math.min(b.length, at + 8 + 8 * b[at + 1]!);
    for (let k = at + 2; k < end; k += b[k] === PAD1 ? 1 : 2 + b[k + 1]!)
      if (b[k] === OPTION_NONCE) nonces.push(hex(b, k + 2, b[k + 1]!));
    protocol = b[at]!;
    at = end;
  }
  return { l64: hex(b, o + address, 8), nid: hex(b, o + address + 8, 8), nonces, protocol, at };
}

export class Oracle {
  readonly #known = new Map<string, Known>();
  /** Our nonces by the NID they are for, the last ones. */
  readonly #ours = new Map<string, string>();
  /** Acknowledgement numbers that only who has heard our SYN knows, by NID. */
  readonly #challenges = new Set<string>();
  /** What our echo requests have carried, behind the NID they were for. */
  readonly #questions = new Set<string>();
  readonly #nid: string;
  readonly #own = new Set<string>();

  constructor(nid: string) {
    this.#nid = nid;
  }

  /** A reboot. */
  restart(): void {
    this.#known.clear();
    this.#ours.clear();
    this.#challenges.clear();
  }

  /** Names say where a node is. Hexadecimal, 16 digits each. */
  taught(nid: string, locators: readonly string[]): void {
    const known = this.#known.get(nid);
    if (known !== undefined) known.locators = new Set(locators);
    else
      this.#known.set(nid, {
        nonce: null,
        locators: new Set(locators),
        proved: false,
        byName: true,
        spokenTo: false,
        heardAt: 0,
      });
  }

  /** True for who has shown that it hears us; before that, whoever says it has this NID takes the place of the last one. */
  isProved(nid: string): boolean {
    return this.#known.get(nid)?.proved ?? false;
  }

  /** We may be reached under this Locator from now on. */
  has(l64: string): void {
    this.#own.add(l64);
  }

  /** A packet of ours leaves. */
  left(b: Uint8Array): void {
    const { nid, nonces, protocol, at } = seen(b, 0, ipv6.DST);
    if (nonces[0] !== undefined) this.#ours.set(nid, nonces[0]);
    const known = this.#known.get(nid);
    if (protocol === ipv6.ICMPV6 && b[at] === ECHO_REQUEST) this.#questions.add(nid + hex(b, at + 8, 16));
    const isUpdate = protocol === ipv6.ICMPV6 && b[at] === LOCATOR_UPDATE;
    if (known !== undefined && nonces.length > 0 && !isUpdate) known.spokenTo = true;
    if (nonces.length > 0 && protocol === ipv6.TCP && (b[at + 13]! & SYN) !== 0)
      this.#challenges.add(`${nid} ${(u32(b, at + 4) + 1) >>> 0}`);
  }

  /** A packet came and this became of it: null, or why that must not be. */
  arrived(b: Uint8Array, outcome: Outcome, now: number): string | null {
    if (outcome === 'dropped') return null;
    const packet = seen(b, 0, ipv6.SRC);
    if (packet.nid === this.#nid) return null; // our own kernel
    if (packet.nonces.length > 1) return 'two nonces in one packet';
    if (packet.protocol === ipv6.ICMPV6 && b[packet.at] === LOCATOR_UPDATE) return this.#update(b, packet, now);
    if (packet.protocol === ipv6.ICMPV6 && b[packet.at]! < 128) return this.#error(b, packet, outcome);
    return this.#data(b, packet, outcome, now);
  }

  #update(b: Uint8Array, { nid, nonces, at }: Seen, now: number): string | null {
    const known = this.#known.get(nid);
    if (known === undefined || known.nonce === null) return 'a Locator Update of nobody we talk to';
    if (nonces[0] !== known.nonce) return 'a Locator Update without the right nonce';
    known.heardAt = now;
    if (b[at + 5] !== ADVERTISEMENT) return null;
    const all = Array.from({ length: b[at + 4]! }, (_, k) => hex(b, at + 8 + 12 * k, 8));
    known.locators = new Set(all.filter((l64) => /^[23]|^f[cd]/.test(l64)));
    return null;
  }

  #error(b: Uint8Array, { nid, l64, nonces, at }: Seen, outcome: Outcome): string | null {
    const from = this.#known.get(nid);
    if (from?.proved && from.locators.has(l64) && nonces[0] !== from.nonce)
      return 'an ICMPv6 error of a correspondent without its nonce';
    const quote = at + ERROR_HEADER;
    const source = seen(b, quote, ipv6.SRC);
    if (source.nid !== this.#nid || !this.#own.has(source.l64)) return 'an error about a packet that is not ours';
    const about = seen(b, quote, ipv6.DST);
    const cut = about.nonces[0] !== undefined && about.nonces[0].length % 8 !== 0;
    if (about.nonces.length > 0 && !cut && about.nonces[0] !== this.#ours.get(about.nid))
      return 'an error that quotes another nonce than ours';
    if (outcome !== 'taken') return null;
    if (b[at] !== PARAMETER_PROBLEM || b[at + 1] !== UNRECOGNIZED_OPTION || about.nonces.length === 0)
      return 'an error that says nothing of a nonce, for proof that a node has no ILNP';
    return this.#known.get(about.nid)?.proved ? 'that a node has no ILNP which has answered with a nonce' : null;
  }

  #data(b: Uint8Array, packet: Seen, outcome: Outcome, now: number): string | null {
    const { nid, l64, nonces, protocol } = packet;
    const nonce = nonces[0] ?? null;
    const known = this.#known.get(nid);
    const isHere = known?.locators.has(l64) ?? false;
    if (outcome === 'plain') {
      // as in IPv6: nobody we have a session with, or another node that has the same NID somewhere else
      if (!known?.proved) return null;
      return 'a packet of a correspondent outside of its session';
    }
    if (outcome === 'taken') return this.#answer(b, packet, now);
    // a stranger is whoever spoke last, until one has shown that it hears us
    if (known === undefined || (!known.byName && !known.proved && !isHere && nonce !== null && nonce !== known.nonce)) {
      if (nonce === null) return 'a session with somebody who has sent no nonce';
      const entry = { nonce, locators: new Set([l64]), proved: false, byName: false, spokenTo: false, heardAt: now };
      this.#known.set(nid, entry);
      return null;
    }
    if (nonce === null) {
      if (known.nonce === null) return 'a session with somebody who has sent no nonce';
      if (!isHere) return 'a packet without a nonce from a Locator that nobody has vouched for';
      if (protocol === ipv6.ICMPV6 && known.proved) return 'ICMPv6 of a correspondent without its nonce';
    } else if (nonce !== known.nonce) {
      const answers = this.#hasHeardSyn(b, packet) || (known.nonce === null && known.spokenTo);
      if (!isHere && (!answers || known.proved)) return 'another nonce from a Locator that nobody has vouched for';
      const isAllowed = known.nonce === null || !known.proved || now - known.heardAt > FORGOTTEN_US || answers;
      if (!isAllowed) return 'a wrong nonce';
      known.nonce = nonce;
    }
    known.heardAt = now;
    if (nonce !== null && this.#hasHeardSyn(b, packet)) known.proved = true;
    return null;
  }

  /** Proof that its sender hears us: it sends back octets of an echo request of ours. */
  #answer(b: Uint8Array, { nid, l64, nonces, protocol, at }: Seen, now: number): string | null {
    const known = this.#known.get(nid);
    const isReply = protocol === ipv6.ICMPV6 && b[at] === ECHO_REPLY;
    if (known === undefined || nonces[0] === undefined || !isReply) return 'data, taken in';
    if (!this.#questions.has(nid + hex(b, at + 8, 16))) return 'an answer to what nobody has asked';
    // a stranger elsewhere has taken its place meanwhile
    if (!known.byName && !known.proved && nonces[0] !== known.nonce && !known.locators.has(l64))
      known.locators = new Set([l64]);
    known.nonce = nonces[0];
    known.proved = true;
    known.heardAt = now;
    return null;
  }

  #hasHeardSyn(b: Uint8Array, { nid, protocol, at }: Seen): boolean {
    if (protocol !== ipv6.TCP || b.length < at + 20 || (u16(b, at + 12) & ACK) === 0) return false;
    return this.#challenges.has(`${nid} ${u32(b, at + 8)}`);
  }
}
