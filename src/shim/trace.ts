/**
 * The next packets of the path in words, for whoever asks: each before and after, what was decided, and by which row of
 * the validation table. Looks at the same state as the path, before the path does; decides nothing. Cold.
 */
import { type Correspondent, l64Of } from '../ilnp/correspondent.ts';
import type { PacketBatch } from '../packet/batch.ts';
import { explainPacket, halfAt } from '../wire/explain.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { findNonce, nonceOf } from '../wire/nonce-option.ts';
import { formatIlv, formatL64, formatNid } from '../wire/text.ts';
import type { Node } from './node.ts';
import { sameOctets } from './same-octets.ts';
import * as judge from './validate.ts';
import { validate } from './validate.ts';
import { ILNP, PLAIN, TAKEN, VERDICTS } from './verdict.ts';

/** A packet as scripts see it. */
interface TracedPacket {
  readonly source: string;
  readonly destination: string;
  /** Hexadecimal; null: it has none, or several. */
  readonly nonce: string | null;
  readonly octets: number;
  readonly text: string;
}

export interface TracedDecision {
  readonly way: 'in' | 'out' | 'other';
  /** Name of the verdict. */
  readonly verdict: string;
  readonly why: string;
  readonly before: TracedPacket;
  /** null: it was not sent. */
  readonly after: TracedPacket | null;
}

interface Begun {
  readonly way: TracedDecision['way'];
  readonly state: string;
  readonly before: TracedPacket;
}

const JUDGED: Readonly<Record<number, string>> = {
  [judge.ACCEPT]: 'accepted',
  [judge.ACCEPT_PROVISIONAL]: 'accepted, answers go there for a while',
  [judge.ACCEPT_LEARN]: 'accepted, the nonce is kept',
  [judge.AS_PLAIN]: 'as plain IPv6',
  [judge.REJECT_NONCE]: 'not accepted, but for the answer to our SYN',
  [judge.REJECT_LOCATOR]: 'not accepted',
};

export class Trace {
  /** Packets that are still wanted. */
  left: number;
  readonly #decisions: TracedDecision[] = [];
  #begun: Begun | null = null;

  constructor(count: number) {
    this.left = count;
  }

  before(batch: PacketBatch, i: number, node: Node, now: number): void {
    const o = batch.offset[i]!;
    const length = batch.length[i]!;
    const before = traced(batch, i);
    if (length < ipv6.HEADER_LENGTH || batch.bytes[o]! >>> 4 !== 6) {
      this.#begun = { way: 'other', state: '', before };
      return;
    }
    const w = o >>> 2;
    const way = node.isDestination(batch.word, w) ? 'in' : node.isSource(batch.word, w) ? 'out' : 'other';
    const state = way === 'in' ? sender(batch, i, node, now) : way === 'out' ? receiver(batch, i, node, now) : '';
    this.#begun = { way, state, before };
  }

  after(batch: PacketBatch, i: number): void {
    const begun = this.#begun!;
    const verdict = batch.verdict[i]!;
    const after = verdict === ILNP || verdict === PLAIN ? traced(batch, i) : null;
    const { name, meaning } = VERDICTS[verdict]!;
    const why = begun.state === '' || verdict > TAKEN ? [begun.state, meaning] : [begun.state];
    if (begun.way === 'out' && verdict === ILNP && after!.nonce === null) why.push('no nonce: a fragment, or no room');
    const { way, before } = begun;
    this.#decisions.push({ way, verdict: name, why: why.filter((part) => part !== '').join('; '), before, after });
    this.left--;
  }

  /** What there is since the last call. */
  take(): TracedDecision[] {
    return this.#decisions.splice(0);
  }
}

/** The row of the validation table that a packet for us meets. */
function sender(batch: PacketBatch, i: number, node: Node, now: number): string {
  const o = batch.offset[i]!;
  const end = o + batch.length[i]!;
  const at = (o >>> 2) + ipv6.W_SRC_L64;
  const [l0, l1, n0, n1] = batch.word.subarray(at, at + 4) as unknown as [number, number, number, number];
  const nonce = nonceOf(batch.bytes, o, end);
  if (nonce === null && findNonce(batch.bytes, o, end) !== 0) return '';
  const c = node.ilcc.find(n0, n1);
  if (c === null)
    return `its NID is no correspondent's, ${nonce === null ? 'no nonce' : 'with a nonce: the first of one'}`;
  const isKnown = c.holds(l0, l1);
  const row = `nonce ${nonceState(c, nonce)}, Locator ${isKnown ? 'known' : 'unknown'}`;
  return `${row}, ${c.proved ? 'proved' : 'not proved'}: ${JUDGED[validate(c, isKnown, nonce, now)]}`;
}

function nonceState(c: Correspondent, nonce: Uint8Array | null): string {
  if (nonce === null) return 'absent';
  if (c.remoteNonce === null) return 'the first';
  return sameOctets(nonce, c.remoteNonce) ? 'right' : 'wrong';
}

/** What is known of the node that a packet of a program is for. */
function receiver(batch: PacketBatch, i: number, node: Node, now: number): string {
  const at = (batch.offset[i]! >>> 2) + ipv6.W_DST_L64;
  const [l0, l1, n0, n1] = batch.word.subarray(at, at + 4) as unknown as [number, number, number, number];
  const c = node.ilcc.find(n0, n1);
  if (c === null) return "its NID is no correspondent's: plain IPv6";
  const who = `correspondent ${formatNid(c.nid)}`;
  if (!c.isAt(l0, l1)) return `another node than ${who}: plain IPv6`;
  if (now < c.plainUntil) return `${who} has no ILNP: plain IPv6`;
  return `${who}, ${c.remoteNonce === null ? 'not heard yet' : 'in session'}, at ${formatL64(l64Of(c.current))}`;
}

/** Packet `i` as it is now. */
function traced(batch: PacketBatch, i: number): TracedPacket {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const octets = batch.length[i]!;
  const text = explainPacket(b, o, octets);
  if (octets < ipv6.HEADER_LENGTH) return { source: '', destination: '', nonce: null, octets, text };
  const address = (k: number): string => formatIlv(halfAt(b, o + k), halfAt(b, o + k + 8));
  const nonce = nonceOf(b, o, o + octets);
  return {
    source: address(ipv6.SRC),
    destination: address(ipv6.DST),
    nonce: nonce === null ? null : Buffer.from(nonce).toString('hex'),
    octets,
    text,
  };
}
