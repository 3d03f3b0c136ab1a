/**
 * Keeps the bindings of this border as the registries have them: all at first, then every change. Only what is settled is
 * taken; a move under way is between its home and the sites that take part (home-moves.ts), so that nobody becomes active
 * before the old site has let go. An open move of our own home that we do not know (any more) is taken up. A withdrawal
 * that waits for us is settled when the guest's packets are dropped here, and will be after a restart. What cannot be
 * (entry-rules.ts) is passed over, until the configuration says otherwise.
 */
import type { Binding } from '../ilnp/bindings.ts';
import { follow } from '../registry/follow.ts';
import type { FollowedCopy } from '../registry/followed-copy.ts';
import { type RegistryOfRange, registryOf } from '../registry/ranges.ts';
import type { Entry, Registry } from '../registry/registry.ts';
import { type ErrorCode, IlnpError } from '../runtime/errors.ts';
import { isInRange } from '../wire/nid-order.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { Heard, Moves } from './moves.ts';
import type { BindingsView, MovesClock, SitesLog } from './moves-world.ts';
import { nidKey } from './nid-key.ts';
import type { RegistryRecord } from './registry-record.ts';

/** Registrations at a time. */
const REGISTER_WIDTH = 64;

export interface RegistryFollowOptions {
  /** This site. */
  readonly site: string;
  readonly registries: readonly RegistryOfRange[];
  readonly bindings: BindingsView;
  readonly moves: Pick<Moves, 'heard'>;
  readonly record: Pick<RegistryRecord, 'settle'>;
  /** Where what was followed is kept for a start without the registry. */
  readonly copy?: Pick<FollowedCopy, 'take' | 'flush' | 'isDue' | 'replace'>;
  /** Takes bindings that are new here, or whose guest, home or uplink is another now. */
  readonly place: (bindings: readonly Binding[]) => Promise<void>;
  /** Forgets identifiers: their packets are dropped. */
  readonly withdraw: (nids: readonly Nid[]) => Promise<void>;
  /** What is wrong with an entry in the place of `known`; null: nothing. */
  readonly wrong: (entry: Entry, known: Binding | undefined) => IlnpError | null;
  /** Bindings of the configuration whose home is here; registered where the registry has none. */
  readonly configured: () => Iterable<Binding>;
  readonly clock: MovesClock;
  readonly log: SitesLog;
}

export class RegistryFollow {
  readonly #options: RegistryFollowOptions;
  readonly #stop = new AbortController();
  readonly #synced = new Set<Registry>();
  readonly #problems = new Map<Registry, { readonly reason: string; readonly at: number }>();
  #following: Promise<unknown> = Promise.resolve();
  /** One change at a time: an older one that is put into force late would stay. */
  #tail: Promise<unknown> = Promise.resolve();
  #isReplacing = false;
  #passedOver = 0;
  /** Entries were passed over since all were looked at. */
  #hasGaps = false;
  #warnedAt = Number.NEGATIVE_INFINITY;

  constructor(options: RegistryFollowOptions) {
    this.#options = options;
  }

  /** Every registry has said all it has since the start. */
  get isSynced(): boolean {
    return this.#synced.size === this.#options.registries.length;
  }

  /** Why a registry that was not heard since the start is not to be had. */
  get problem(): string | null {
    const unheard = this.#options.registries.find(({ registry }) => !this.#synced.has(registry));
    return (unheard && this.#problems.get(unheard.registry)?.reason) ?? null;
  }

  /** Whether a registry has said all it has since the start, and when it was not to be had for the last time. */
  heardOf(registry: Registry): {
    readonly isHeard: boolean;
    readonly problem: string | null;
    readonly secondsAgo: number | null;
  } {
    const last = this.#problems.get(registry);
    const secondsAgo = last === undefined ? null : Math.round((this.#options.clock.now() - last.at) / 1e6);
    return { isHeard: this.#synced.has(registry), problem: last?.reason ?? null, secondsAgo };
  }

  /** Entries that could not be, so far. */
  get passedOver(): number {
    return this.#passedOver;
  }

  start(): void {
    const { registries, clock, log } = this.#options;
    this.#following = Promise.all(
      registries.map((one) =>
        follow({
          registry: one.registry,
          apply: ({ entries }) => this.take(entries),
          synced: () => {
            void this.#registerAt(one);
            void this.#replaceCopy();
          },
          lost: (reason) => {
            this.#problems.set(one.registry, { reason, at: clock.now() });
            log.warn({ reason }, 'the registry is not to be had; forwarding goes on');
          },
          signal: this.#stop.signal,
          after: clock.after,
        }),
      ),
    );
  }

  /**
   * The configuration has changed: registers what it has, and looks again at what could not be. Of `changed` it says something
   * else now, of `removed` nothing any more: what the registry has of them holds, and who has no entry is forgotten.
   */
  reread(changed: readonly Nid[], removed: readonly Nid[]): void {
    void this.#lookAgain(changed, false);
    void this.#lookAgain(removed, true);
    for (const one of this.#options.registries) if (this.#synced.has(one.registry)) void this.#registerAt(one);
    if (!this.#hasGaps) return;
    this.#hasGaps = false;
    void this.#takeAll();
  }

  /** Takes what the registry has of some identifiers; resolves when it is in force here. */
  take(entries: readonly Entry[]): Promise<void> {
    const mine = this.#tail.then(() => this.#apply(entries));
    this.#tail = mine.catch(() => {});
    return mine;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
    await this.#tail;
  }

  /** Takes what the registry has of these, as often as it takes; `isGone`: who has no entry there has no binding either. */
  async #lookAgain(nids: readonly Nid[], isGone: boolean): Promise<void> {
    const { registries, withdraw, clock, log } = this.#options;
    const left: Nid[] = [];
    const all = nids.values();
    const worker = async (): Promise<void> => {
      for (const nid of all) {
        const registry = registryOf(registries, nid);
        if (registry === undefined) continue;
        const held = await registry.get(nid).catch(() => undefined);
        if (held === undefined) left.push(nid);
        else if (held !== null) await this.take([held]);
        else if (isGone) await withdraw([nid]);
        if (held?.binding && isGone)
          log.info(
            { nid: formatNid(nid) },
            'not in the file any more; the registry has it: ilnp withdraw takes it out',
          );
      }
    };
    await Promise.all(Array.from({ length: REGISTER_WIDTH }, worker));
    if (left.length === 0) return;
    clock.after(RETRY_MS, () => {
      if (!this.#stop.signal.aborted) void this.#lookAgain(left, isGone);
    });
  }

  async #takeAll(): Promise<void> {
    try {
      for (const { registry } of this.#options.registries)
        for await (const { entries } of registry.list()) await this.take(entries);
    } catch (error) {
      this.#hasGaps = true;
      this.#options.log.warn({ reason: String(error) }, 'what was passed over could not be looked at again');
    }
  }

  /** Counts an entry that cannot be; a warning a second at most. */
  #passOver({ nid }: Entry, { code, message }: IlnpError): void {
    const { clock, log } = this.#options;
    this.#passedOver++;
    this.#hasGaps = true;
    if (clock.now() - this.#warnedAt < WARN_US) return;
    this.#warnedAt = clock.now();
    log.warn(
      { nid: formatNid(nid), code, passedOver: this.#passedOver },
      `the registry has what cannot be: ${message}`,
    );
  }

  async #apply(entries: readonly Entry[]): Promise<void> {
    const { bindings, site, moves, record, copy } = this.#options;
    const changed: Entry[] = [];
    const fresh = new Map<string, Binding>();
    const gone = new Map<string, Nid>();
    const heard: Heard[] = [];
    const letGo: Entry[] = [];
    for (const entry of entries) {
      const { nid, epoch, binding, active } = entry;
      const key = nidKey(nid);
      const known = gone.has(key) ? undefined : (fresh.get(key) ?? bindings.get(nid));
      if (known !== undefined && epoch < known.epoch) continue;
      const wrong = this.#options.wrong(entry, known);
      if (wrong !== null) {
        this.#passOver(entry, wrong);
        continue;
      }
      if ((active === undefined || binding === null) && isNews(known, epoch, binding))
        changed.push({ nid, epoch, binding });
      if (binding === null) {
        fresh.delete(key);
        if (known !== undefined) gone.set(key, nid);
        if (active?.[0] === site) letGo.push({ nid, epoch, binding });
        continue;
      }
      if (known === undefined || !isSameGuest(known, binding)) {
        // Not active by this alone: an open move to us says where it was.
        const before = active === undefined ? undefined : active.find((one) => one !== site);
        const at = binding.at === site ? (before ?? binding.at) : binding.at;
        gone.delete(key);
        fresh.set(key, { nid, ...binding, at, epoch: active === undefined ? epoch : Math.max(0, epoch - 1) });
        if (active === undefined || binding.home !== site) continue;
      }
      const carriedOut =
        binding.home === site && active !== undefined && known?.epoch === epoch && known.at === binding.at;
      if (carriedOut) record.settle({ nid, at: binding.at, epoch });
      else heard.push({ nid, at: binding.at, epoch, ...(active && { active }) });
    }
    if (gone.size > 0) await this.#options.withdraw([...gone.values()]);
    if (fresh.size > 0) await this.#options.place([...fresh.values()]);
    if (heard.length > 0) await moves.heard(heard);
    copy?.take(changed);
    for (const entry of letGo) void this.#settleWithdrawal(entry);
    if (copy?.isDue && this.isSynced) void this.#replaceCopy();
  }

  /** Says that a withdrawn guest is not active here any more, when a restart will know that too. */
  async #settleWithdrawal(withdrawn: Entry): Promise<void> {
    const { registries, copy, clock } = this.#options;
    const registry = registryOf(registries, withdrawn.nid);
    try {
      await copy?.flush(true);
      const held = await registry?.get(withdrawn.nid);
      if (held?.epoch === withdrawn.epoch && held.active !== undefined) await registry?.swap(held.epoch, withdrawn);
    } catch {
      clock.after(RETRY_MS, () => {
        if (!this.#stop.signal.aborted) void this.#settleWithdrawal(withdrawn);
      });
    }
  }

  /** Makes the copy anew from what the registries have now, if it is worth it. */
  async #replaceCopy(): Promise<void> {
    const { copy, log } = this.#options;
    if (!copy?.isDue || !this.isSynced || this.#isReplacing) return;
    this.#isReplacing = true;
    try {
      await copy.replace(this.#all());
    } catch (error) {
      log.warn({ reason: String(error) }, 'the copy of the registry could not be made anew');
    }
    this.#isReplacing = false;
  }

  /** All that is settled, and what is known here of the rest. */
  async *#all(): AsyncGenerator<Entry[]> {
    const settled = (entry: Entry): Entry[] => {
      if (entry.active === undefined) return [entry];
      const known = this.#options.bindings.get(entry.nid);
      if (known === undefined) return [];
      const { nid, epoch, ...binding } = known;
      return [{ nid, epoch, binding }];
    };
    for (const { registry } of this.#options.registries) {
      for await (const { entries } of registry.list()) yield entries.flatMap(settled);
    }
  }

  async #registerAt({ registry, range }: RegistryOfRange): Promise<void> {
    const { configured, log } = this.#options;
    this.#synced.add(registry);
    const within = (nid: Nid): boolean => isInRange(range, nid);
    const all = configured()[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (let one = all.next(); !one.done && !this.#stop.signal.aborted; one = all.next()) {
        const { nid, epoch, guest, home, uplink, at } = one.value;
        if (!within(nid)) continue;
        const next: Entry = { nid, epoch, binding: { guest, home, uplink, at } };
        const swap = await registry.swap(null, next).catch(asRefused);
        if (swap instanceof IlnpError)
          log.warn({ nid: formatNid(nid), code: swap.code }, `not registered: ${swap.message}`);
        else if (!swap.swapped && swap.held?.binding?.home !== home) {
          log.warn({ nid: formatNid(nid) }, 'the registry has it for another home, or withdrawn; that holds');
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: REGISTER_WIDTH }, worker));
    } catch (error) {
      log.warn({ reason: String(error) }, 'not all bindings of the configuration could be registered');
      this.#options.clock.after(RETRY_MS, () => {
        if (!this.#stop.signal.aborted) void this.#registerAt({ registry, range });
      });
    }
  }
}

const RETRY_MS = 2000;
/** Codes that are about one binding. */
const REFUSED: ReadonlySet<ErrorCode> = new Set(['E_BINDING', 'E_UNKNOWN_SITE', 'E_POLICY', 'E_REGISTERED']);
/** Between two warnings of entries that cannot be. */
const WARN_US = 1e6;

/** What is wrong with one binding is no reason to leave the others out; rejects if it is the registry. */
function asRefused(error: unknown): IlnpError {
  if (error instanceof IlnpError && REFUSED.has(error.code)) return error;
  throw error;
}

function isNews(known: Binding | undefined, epoch: number, binding: Entry['binding']): boolean {
  if (known === undefined || binding === null) return (known === undefined) !== (binding === null);
  return epoch > known.epoch || !isSameGuest(known, binding);
}

const isSameGuest = (a: Binding, b: Omit<Binding, 'nid' | 'epoch'>): boolean =>
  a.guest.hi === b.guest.hi && a.guest.lo === b.guest.lo && a.home === b.home && a.uplink === b.uplink;
