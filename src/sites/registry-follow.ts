/**
 * Keeps the bindings of this border as the registries have them: all at first, then every change. Only what is settled is
 * taken; a move under way is between its home and the sites that take part (home-moves.ts), so that nobody becomes active
 * before the old site has let go. An open move of our own home that we do not know (any more) is taken up.
 */
import type { Binding } from '../ilnp/bindings.ts';
import { follow } from '../registry/follow.ts';
import type { RegistryOfRange } from '../registry/ranges.ts';
import type { Entry, Registry } from '../registry/registry.ts';
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
  /** Takes bindings that are new here, or whose guest, home or uplink is another now. */
  readonly place: (bindings: readonly Binding[]) => Promise<void>;
  /** Forgets identifiers: their packets are dropped. */
  readonly withdraw: (nids: readonly Nid[]) => Promise<void>;
  /** Bindings of the configuration whose home is here; registered where the registry has none. */
  readonly configured: () => Iterable<Binding>;
  readonly clock: MovesClock;
  readonly log: SitesLog;
}

export class RegistryFollow {
  readonly #options: RegistryFollowOptions;
  readonly #stop = new AbortController();
  readonly #synced = new Set<Registry>();
  #following: Promise<unknown> = Promise.resolve();

  constructor(options: RegistryFollowOptions) {
    this.#options = options;
  }

  /** Every registry has said all it has since the start. */
  get isSynced(): boolean {
    return this.#synced.size === this.#options.registries.length;
  }

  start(): void {
    const { registries, clock, log } = this.#options;
    this.#following = Promise.all(
      registries.map((one) =>
        follow({
          registry: one.registry,
          apply: ({ entries }) => this.#apply(entries),
          synced: () => void this.#registerAt(one),
          lost: (reason) => log.warn({ reason }, 'the registry is not to be had; forwarding goes on'),
          signal: this.#stop.signal,
          after: clock.after,
        }),
      ),
    );
  }

  /** Registers what the configuration has (again). */
  register(): void {
    for (const one of this.#options.registries) if (this.#synced.has(one.registry)) void this.#registerAt(one);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  async #apply(entries: readonly Entry[]): Promise<void> {
    const { bindings, site, moves, record } = this.#options;
    const fresh = new Map<string, Binding>();
    const gone: Nid[] = [];
    const heard: Heard[] = [];
    for (const { nid, epoch, binding, active } of entries) {
      const known = fresh.get(nidKey(nid)) ?? bindings.get(nid);
      if (known !== undefined && epoch < known.epoch) continue;
      if (binding === null) {
        fresh.delete(nidKey(nid));
        if (known !== undefined) gone.push(nid);
        continue;
      }
      if (known === undefined || !isSameGuest(known, binding)) {
        // Not active by this alone: an open move to us says where it was.
        const before = active === undefined ? undefined : active.find((one) => one !== site);
        const at = binding.at === site ? (before ?? binding.at) : binding.at;
        fresh.set(nidKey(nid), { nid, ...binding, at, epoch: active === undefined ? epoch : Math.max(0, epoch - 1) });
        if (active === undefined || binding.home !== site) continue;
      }
      const carriedOut =
        binding.home === site && active !== undefined && known?.epoch === epoch && known.at === binding.at;
      if (carriedOut) record.settle({ nid, at: binding.at, epoch });
      else heard.push({ nid, at: binding.at, epoch, ...(active && { active }) });
    }
    if (gone.length > 0) await this.#options.withdraw(gone);
    if (fresh.size > 0) await this.#options.place([...fresh.values()]);
    if (heard.length > 0) await moves.heard(heard);
  }

  async #registerAt({ registry, range }: RegistryOfRange): Promise<void> {
    const { configured, log } = this.#options;
    this.#synced.add(registry);
    const within = (nid: Nid): boolean => compare(range.from, nid) <= 0 && compare(nid, range.to) <= 0;
    const all = configured()[Symbol.iterator]();
    const worker = async (): Promise<void> => {
      for (let one = all.next(); !one.done && !this.#stop.signal.aborted; one = all.next()) {
        const { nid, epoch, guest, home, uplink, at } = one.value;
        if (!within(nid)) continue;
        const swap = await registry.swap(null, { nid, epoch, binding: { guest, home, uplink, at } });
        if (!swap.swapped && swap.held?.binding?.home !== home) {
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

const isSameGuest = (a: Binding, b: Omit<Binding, 'nid' | 'epoch'>): boolean =>
  a.guest.hi === b.guest.hi && a.guest.lo === b.guest.lo && a.home === b.home && a.uplink === b.uplink;

const compare = (a: Nid, b: Nid): number => a.hi - b.hi || a.lo - b.lo;
