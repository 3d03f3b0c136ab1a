/** Two end systems and what is between them, in memory: packets go from one to the other octet for octet. */
import { Correspondent, locatorOf } from '../../src/ilnp/correspondent.ts';
import { Ilcc } from '../../src/ilnp/ilcc.ts';
import type { PacketBatch } from '../../src/packet/batch.ts';
import { Node, type NodeOptions } from '../../src/shim/node.ts';
import { Shim } from '../../src/shim/shim.ts';
import { VERDICTS } from '../../src/shim/verdict.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { icmpWithNonce } from '../../src/wire/locator-update.ts';
import { parseIlv, parseL64 } from '../../src/wire/text.ts';
import { batchOf, packetOf } from '../support/packets.ts';

export const STABLE_A = 'fd00:a::a1';
export const STABLE_B = 'fd00:b::b1';

export interface End {
  readonly shim: Shim;
  /** What it has sent besides (Locator Updates, acknowledgements). */
  readonly sent: Uint8Array[];
  /** Echo requests by which it asks for proof that somebody hears it. */
  readonly asked: Uint8Array[];
  /** Correspondents that were found to answer nowhere, as often as that was told. */
  readonly lost: Correspondent[];
  /** Puts a packet through; what came out, or the name of the verdict that kept it. */
  pass(packet: Uint8Array, now?: number): Uint8Array | string;
  passBatch(batch: PacketBatch, now?: number): void;
  count(name: string): number;
}

export const l64 = (text: string) => parseL64(text)!;

/** A shim with stable address `stable` and these Locators, lower index preferred. */
export function endSystem(
  stable: string,
  locators: readonly string[],
  limits = { strangers: 64, known: 64 },
  more: Partial<NodeOptions> = {},
): End {
  const ilv = parseIlv(stable)!;
  const sent: Uint8Array[] = [];
  const asked: Uint8Array[] = [];
  const lost: Correspondent[] = [];
  let drawn = 0;
  const node = new Node({
    nid0: native32(ilv.nid.hi) | 0,
    nid1: native32(ilv.nid.lo) | 0,
    stable: locatorOf(ilv.l64),
    mtu: 1500,
    ilcc: new Ilcc(limits, [1, 2]),
    seed: 3,
    random: (octets) => new Uint8Array(octets).fill(0xa0 + ((ilv.nid.lo + drawn++) & 0x5f)),
    emit: (packet) => void (packet[upperAt(packet)] === ECHO_REQUEST ? asked : sent).push(packet),
    lost: (c) => void lost.push(c),
    ...more,
  });
  const shim = new Shim(node);
  const end: End = {
    shim,
    sent,
    asked,
    lost,
    pass(packet, now = 1) {
      const batch = batchOf(0, [packet]);
      shim.input(batch, now);
      return batch.verdict[0]! <= 1 ? packetOf(batch) : VERDICTS[batch.verdict[0]!]!.name;
    },
    passBatch: (batch, now = 1) => shim.input(batch, now),
    count: (name) => node.counters[VERDICTS.findIndex((v) => v.name === name)]!,
  };
  move(end, locators, 0);
  return end;
}

/** The Locators of `end` are these now. */
export function move(end: End, locators: readonly string[], now = 1): void {
  const all = locators.map((text, k) => ({ ...locatorOf(l64(text)), preference: 10 + k, lifetime: 1800 }));
  end.shim.setLocators(all, now);
}

/** Tells `end` that an ILNP node is at this I-LV. */
export function know(end: End, address: string): Correspondent {
  const ilv = parseIlv(address)!;
  const { node } = end.shim;
  const c = new Correspondent(native32(ilv.nid.hi) | 0, native32(ilv.nid.lo) | 0, {
    localNonce: node.random(node.nonceOctets),
    locators: [{ ...locatorOf(ilv.l64), preference: 10, expires: Number.POSITIVE_INFINITY }],
    isConfigured: true,
  });
  node.ilcc.add(c);
  return c;
}

const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;

/** Offset of what is behind the nonce of a packet of `emit`. */
const upperAt = (packet: Uint8Array): number => 48 + 8 * packet[41]!;

/** The node that `end` has asked last sends back what it was sent, with this nonce: it is proved. */
export function answer(end: End, nonce: Uint8Array, now = 1): Uint8Array | string {
  const question = end.asked.at(-1)!;
  const message = question.slice(upperAt(question));
  message[0] = ECHO_REPLY;
  message.fill(0, 2, 4);
  const envelope = { source: question.slice(24, 40), destination: question.slice(8, 24), nonce };
  return end.pass(icmpWithNonce(message, envelope)!, now);
}
