/**
 * Moves that are prepared may be decided at any moment, so that is written down before: then nobody waits for a disk when packets
 * wait, or the guest does.
 * These are ordinary lines of the record (move-record.ts), which say what a restart in between has to do:
 *
 *   home            a decision to take it back with the epoch after the next one: {at: old site, epoch + 2, active: old site, new site}
 *   the old site    it is at the new site, since the same epoch: so it is not active here until home has said what is
 *
 * What is decided is written behind them; when nothing is, lines that put things back are. What is in a registry is decided
 * there: that waits for the disk.
 */
import type { Nid } from '../wire/text.ts';
import { type Change, MAX_EPOCH } from './messages.ts';
import type { RecordEntry } from './move-record.ts';
import type { MovesWorld } from './moves-world.ts';
import { nidKey } from './nid-key.ts';

interface Ahead {
  readonly nid: Nid;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  readonly isHome: boolean;
  /** Resolves with whether it is on disk. */
  readonly onDisk: Promise<boolean>;
  /** Ends the wait for what becomes of it. */
  readonly cancel: () => void;
}

export class WrittenAhead {
  readonly #world: Pick<MovesWorld, 'site' | 'bindings' | 'record' | 'registry' | 'clock'>;
  readonly #isUnsettled: (nid: Nid) => boolean;
  readonly #known = new Map<string, Ahead>();
  #closed = false;

  /** `isUnsettled`: what the disk says of it, or will say, is not what the tables say. */
  constructor(
    world: Pick<MovesWorld, 'site' | 'bindings' | 'record' | 'registry' | 'clock'>,
    isUnsettled: (nid: Nid) => boolean,
  ) {
    this.#world = world;
    this.#isUnsettled = isUnsettled;
  }

  /**
   * A guest may move to `to` in the next `ms`, after which nothing comes of it. Resolves when that is on disk, or cannot be: a
   * decision that comes sooner waits for it, or for its own line.
   */
  async write(nid: Nid, to: string, ms: number): Promise<void> {
    const { bindings, clock, record, registry, site } = this.#world;
    const binding = bindings.get(nid);
    if (binding === undefined || binding.at === to || registry?.has(nid)) return;
    const { at: from, epoch } = binding;
    if (this.#closed || epoch + 2 > MAX_EPOCH || this.#isUnsettled(nid)) return;
    const isHome = binding.home === site;
    if (!isHome && from !== site) return;
    const known = this.#known.get(nidKey(nid));
    if (known?.to === to && known.epoch === epoch) return void (await known.onDisk);
    known?.cancel();
    const left: RecordEntry[] = from === site ? [{ nid, at: to, epoch }] : [];
    const onDisk = record
      .append(isHome ? [{ nid, at: from, epoch: epoch + 2, active: [from, to] }, ...left] : left)
      .then(
        () => true,
        () => false,
      );
    const cancel = clock.after(ms, () => this.callOff(nid));
    this.#known.set(nidKey(nid), { nid, from, to, epoch, isHome, onDisk, cancel });
    await onDisk;
  }

  /** Nothing comes of it. Not waited for: a restart before it is on disk asks home, or is home and tells everybody. */
  callOff(nid: Nid): void {
    const known = this.#known.get(nidKey(nid));
    if (known === undefined) return;
    this.#known.delete(nidKey(nid));
    known.cancel();
    this.#world.record.append(this.#undone(known)).catch(() => {});
  }

  /** Lines that put things back. */
  #undone({ nid, from, epoch, isHome }: Ahead): RecordEntry[] {
    if (epoch === 0) return [{ nid, at: from, epoch, settled: true }];
    const back: RecordEntry[] = from === this.#world.site ? [{ nid, at: from, epoch }] : [];
    return isHome ? [{ nid, at: from, epoch: epoch + 2, active: [from] }, ...back] : back;
  }

  /**
   * The next change is decided, or heard of; resolves with whether a restart that has forgotten it would make nobody active by
   * mistake. From now on nothing can be called off. `active`: sites that may be active until they have heard of it.
   */
  async take({ nid, at, epoch }: Change, active: Iterable<string> = []): Promise<boolean> {
    const known = this.#known.get(nidKey(nid));
    if (known === undefined || epoch <= known.epoch) return false;
    this.#known.delete(nidKey(nid));
    known.cancel();
    return this.#covers(known, { nid, at, epoch }, active);
  }

  /** What `take` would say now. */
  async isAhead(change: Change, active: Iterable<string>): Promise<boolean> {
    const known = this.#known.get(nidKey(change.nid));
    return known !== undefined && this.#covers(known, change, active);
  }

  async #covers(known: Ahead, { nid, at, epoch }: Change, active: Iterable<string>): Promise<boolean> {
    const { from, to, isHome, onDisk } = known;
    if (this.#isUnsettled(nid) || this.#world.bindings.get(nid)?.epoch !== known.epoch) return false;
    const isKnown = [...active].every((one) => one === from || one === to);
    const isForeseen = isHome ? isKnown && at === to && epoch === known.epoch + 1 : at !== this.#world.site;
    return isForeseen && (await onDisk);
  }

  /** Nothing is decided here any more, and nobody is told that this site has let go. */
  close(): void {
    this.#closed = true;
    for (const { nid } of this.#known.values()) this.callOff(nid);
  }
}
