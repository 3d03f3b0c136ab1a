/** Where borders ask a controller of a pair: open while the address of the pair is here. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AddressWatch } from '../pair/address-watch.ts';
import type { PeerChannel } from '../sites/peer-channel.ts';

const AGAIN_MS = 100;

export class BordersDoor {
  channel: PeerChannel | undefined;
  readonly #watch: AddressWatch;
  readonly #make: () => Promise<PeerChannel>;
  readonly #log: Logger;

  constructor(watch: AddressWatch, make: () => Promise<PeerChannel>, log: Logger) {
    this.#watch = watch;
    this.#make = make;
    this.#log = log;
  }

  /** Tries until it is open, or the address has gone. */
  async open(): Promise<void> {
    for (let isSaid = false; this.channel === undefined && this.#watch.isHere; isSaid = true) {
      try {
        const channel = await this.#make();
        await channel.start();
        this.channel = channel;
        this.#log.info({}, 'the address of the pair is here');
      } catch (error) {
        if (!isSaid)
          this.#log.warn({ reason: String(error) }, 'the address of the pair is here, but cannot be used yet');
        await pause(AGAIN_MS);
      }
    }
  }

  async close(): Promise<void> {
    await this.channel?.close();
    this.channel = undefined;
  }
}
