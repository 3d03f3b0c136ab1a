/** What both tests begin with: the packets of the seed, what tshark sees in them, and how differences are kept. */
import { SeededRandom } from '../../native-free/random.ts';
import { type Generated, PacketSource } from './generate.ts';
import { dissect, type Fields, tsharkVersion } from './tshark.ts';
import { fromTshark, type View } from './view.ts';

export const SEED = process.env.DIFFERENTIAL_SEED ?? '6740';
export const PACKETS = 6000;
/** Milliseconds for each step, on a machine that is busy. */
export const LIMIT = 60_000;
/** Differences shown of each kind. */
const SHOWN = 5;

export const tshark = tsharkVersion();
export const against = `against tshark ${tshark ?? '(SKIPPED: not installed)'}, seed ${SEED}`;
if (tshark === null) console.warn('differential test: SKIPPED, tshark is not installed');

/** A packet with what tshark sees in it. */
export interface Seen {
  readonly number: number;
  readonly packet: Generated;
  readonly fields: Fields;
  readonly view: View;
}

/** The packets of the seed. */
export function seenPackets(): Seen[] {
  const source = new PacketSource(new SeededRandom(SEED));
  const packets = Array.from({ length: PACKETS }, () => source.next());
  const all = dissect(packets.map(({ octets }) => octets));
  return packets.map((packet, number) => ({ number, packet, fields: all[number]!, view: fromTshark(all[number]!)! }));
}

/** The first few differences, each with what it takes to look into it. */
export class Differences {
  readonly list: object[] = [];
  count = 0;

  add(number: number, { kind, wrong, octets }: Generated, what: object): void {
    this.count++;
    if (this.list.length < SHOWN)
      this.list.push({ seed: SEED, number, kind, wrong, octets: Buffer.from(octets).toString('hex'), ...what });
  }
}

export const NONE = { count: 0, list: [] };

export const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
