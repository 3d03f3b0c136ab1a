/**
 * One direction of a link: a rate, a queue of octets in front of it, a delay behind it, and what goes wrong on it. What
 * is on its way when the link is cut is lost.
 */
import type { SeededRandom } from '../random.ts';
import type { Engine } from './engine.ts';
import { labelOf, type Packet } from './packet.ts';

/** What a link is like, both directions the same. */
export interface LinkConfig {
  readonly delayMs: number;
  /** Megabits a second. */
  readonly rateMbit: number;
  /** Octets that may wait, in KiB. */
  readonly queueKib: number;
  /** Largest packet in octets. */
  readonly mtu: number;
  /** Probabilities per packet. */
  readonly loss: number;
  readonly duplicate: number;
  readonly corrupt: number;
  readonly reorder: number;
  /** How much later a reordered packet may come. */
  readonly reorderMs: number;
}

/** Why a packet ended on a link. */
export type LinkDrop = 'cut' | 'queue' | 'loss' | 'mtu';

/** Sees every packet that enters a link, for captures and checks. */
export type Tap = (link: string, octets: Uint8Array, now: number) => void;

export interface LinkOptions {
  readonly engine: Engine;
  readonly name: string;
  readonly config: LinkConfig;
  readonly deliver: (packet: Packet) => void;
  readonly tap?: Tap | undefined;
}

export class Link {
  readonly name: string;
  readonly config: LinkConfig;
  readonly drops: Record<LinkDrop, number> = { cut: 0, queue: 0, loss: 0, mtu: 0 };
  packets = 0;
  octets = 0;
  duplicated = 0;
  corrupted = 0;
  /** Most octets that ever waited. */
  backlogMax = 0;
  isUp = true;
  readonly #engine: Engine;
  readonly #random: SeededRandom;
  readonly #deliver: (packet: Packet) => void;
  readonly #tap: Tap | undefined;
  /** When the sender of the link has sent all that waits. */
  #freeAt = 0;
  /** Counts cuts: a packet arrives only if it left in the same life. */
  #life = 0;

  constructor({ engine, name, config, deliver, tap }: LinkOptions) {
    this.#engine = engine;
    this.name = name;
    this.config = config;
    this.#deliver = deliver;
    this.#tap = tap;
    this.#random = engine.random(`link ${name}`);
  }

  cut(): void {
    if (this.isUp) this.#life++;
    this.isUp = false;
  }

  heal(): void {
    this.isUp = true;
  }

  /** Octets that wait to be sent. */
  get backlog(): number {
    return Math.max(0, ((this.#freeAt - this.#engine.now) * this.config.rateMbit) / 8);
  }

  send(packet: Packet): void {
    const { config } = this;
    const { now } = this.#engine;
    const length = packet.octets.length;
    if (!this.isUp) {
      this.#drop('cut', packet);
      return;
    }
    if (length > config.mtu) {
      this.#drop('mtu', packet);
      return;
    }
    const backlog = this.backlog + length;
    if (backlog > config.queueKib * 1024) {
      this.#drop('queue', packet);
      return;
    }
    if (backlog > this.backlogMax) this.backlogMax = backlog;
    this.#freeAt = Math.max(now, this.#freeAt) + (length * 8) / config.rateMbit;
    this.packets++;
    this.octets += length;
    this.#tap?.(this.name, packet.octets, now);
    this.#engine.trace.add(now, this.name, labelOf(packet.octets), packet.octets);
    if (this.#random.chance(config.loss)) {
      this.#drop('loss', packet);
      return;
    }

    // one flipped bit is always found; two may hide each other from a checksum of 16 bits
    const isHit = this.#random.chance(config.corrupt) && !packet.origin.corrupted;
    const sent = isHit ? this.#flipped(packet) : packet;
    this.#arrive(sent);
    if (this.#random.chance(config.duplicate)) {
      this.duplicated++;
      packet.origin.copies++;
      this.#arrive({ octets: sent.octets.slice(), origin: sent.origin });
    }
  }

  #arrive(packet: Packet): void {
    const { delayMs, reorder, reorderMs } = this.config;
    const late = this.#random.chance(reorder) ? this.#random.fraction() * reorderMs : 0;
    const life = this.#life;
    this.#engine.at(this.#freeAt + (delayMs + late) * 1000, () => {
      if (life === this.#life) this.#deliver(packet);
      else this.#drop('cut', packet);
    });
  }

  #flipped(packet: Packet): Packet {
    const octets = packet.octets.slice();
    octets[this.#random.below(octets.length)]! ^= 1 << this.#random.below(8);
    packet.origin.corrupted = true;
    this.corrupted++;
    return { octets, origin: packet.origin };
  }

  #drop(why: LinkDrop, packet: Packet): void {
    this.drops[why]++;
    this.#engine.trace.add(this.#engine.now, this.name, `drop ${why}`, packet.octets);
  }
}
