/** Whoever changes a registry all the time, whatever happens to it. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Entry, Registry } from '../../../src/registry/registry.ts';
import { entryOf } from '../../registry/entries.ts';

/** Moves identifiers on and on, one after the other each, and remembers what was confirmed. */
export class Writers {
  readonly confirmed = new Map<number, Entry>();
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;
  readonly #entry: (lo: number, epoch: number) => Entry;
  swaps = 0;

  /** `entry`: what identifier `lo` is to be in an epoch. */
  constructor(
    registry: Registry,
    count: number,
    entry = (lo: number, epoch: number) => entryOf(lo, epoch, `site${1 + (epoch % 2)}`),
  ) {
    this.#entry = entry;
    this.#done = Promise.all(Array.from({ length: count }, (_, i) => this.#write(registry, i + 1)));
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #write(registry: Registry, lo: number): Promise<void> {
    for (let epoch = 0; !this.#stop.signal.aborted; ) {
      const next = this.#entry(lo, epoch);
      try {
        // The only writer of this one: whatever was lost on the way, the same again must be taken.
        expect(await registry.swap(epoch === 0 ? null : epoch - 1, next)).toEqual({ swapped: true });
      } catch (error) {
        expect(error).toMatchObject({ code: 'E_REGISTRY' });
        await pause(10); // who refuses at once must not be asked without end
        continue;
      }
      this.confirmed.set(lo, next);
      this.swaps++;
      epoch++;
    }
  }
}
