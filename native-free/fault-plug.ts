/**
 * Faults on the way: a packet put in comes out never, once or twice, later than its successors, or with one bit changed.
 * Everything follows from the generator, so the same seed and packets give the same faults.
 */
import type { Plug } from './memory-device.ts';
import type { SeededRandom } from './random.ts';

/** Probabilities per packet, each 0 unless given. */
export interface FaultOptions {
  readonly loss?: number;
  readonly duplication?: number;
  /** Held back until one to three others have overtaken it. */
  readonly reordering?: number;
  /** One bit is flipped. */
  readonly corruption?: number;
}

interface Held {
  readonly packet: Uint8Array;
  left: number;
}

const OVERTAKERS_MAX = 3;

export class FaultPlug implements Plug {
  lost = 0;
  duplicated = 0;
  reordered = 0;
  corrupted = 0;
  readonly #to: Plug;
  readonly #random: SeededRandom;
  readonly #options: Required<FaultOptions>;
  #held: Held[] = [];

  constructor(to: Plug, random: SeededRandom, options: FaultOptions) {
    this.#to = to;
    this.#random = random;
    const { loss = 0, duplication = 0, reordering = 0, corruption = 0 } = options;
    this.#options = { loss, duplication, reordering, corruption };
  }

  put(bytes: Uint8Array, offset: number, length: number): boolean {
    const { loss, duplication, reordering, corruption } = this.#options;
    const random = this.#random;
    if (random.chance(loss)) {
      this.lost++;
      return true; // the sender does not notice
    }
    const packet = bytes.slice(offset, offset + length); // the sender's octets stay as they are
    if (random.chance(corruption)) {
      packet[random.below(length)]! ^= 1 << random.below(8);
      this.corrupted++;
    }
    const copies = random.chance(duplication) ? 2 : 1;
    this.duplicated += copies - 1;
    let taken = true;
    for (let k = 0; k < copies; k++) {
      if (random.chance(reordering)) {
        this.#held.push({ packet, left: 1 + random.below(OVERTAKERS_MAX) });
        this.reordered++;
      } else {
        taken = this.#to.put(packet, 0, length) && taken;
        this.#overtaken();
      }
    }
    return taken;
  }

  /** Delivers everything held back, because nothing comes any more that could overtake it. */
  flush(): void {
    for (const { packet } of this.#held.splice(0)) this.#to.put(packet, 0, packet.length);
  }

  #overtaken(): void {
    for (const held of this.#held) held.left--;
    const due = this.#held.filter((held) => held.left <= 0);
    if (due.length === 0) return;
    this.#held = this.#held.filter((held) => held.left > 0);
    for (const { packet } of due) this.#to.put(packet, 0, packet.length);
  }
}
