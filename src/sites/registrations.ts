/**
 * Bindings that come and go by command instead of by the configuration. The home of an identifier registers it and withdraws
 * it, by compare-and-swap in the registry, so of two homes that want one identifier one is refused; everybody else follows.
 *
 * A withdrawal is an entry without a binding that names in `active` the site where the guest was, then home. That site drops
 * its packets, remembers that on disk and settles the entry (registry-follow.ts). Until then nobody can register the
 * identifier anew (registry/judge.ts), so it is never active at two sites. Should that site be dead, home settles it by force.
 */
import type { PolicyRule } from '../config/site-config.ts';
import type { BindingClass } from '../ilnp/bindings.ts';
import { type RegistryOfRange, registryOf } from '../registry/ranges.ts';
import type { Entry, Registry } from '../registry/registry.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type L64, type Nid } from '../wire/text.ts';
import { errorReply, type Reply, type Request } from './messages.ts';
import type { BindingsView, MovesClock, SendRequest } from './moves-world.ts';
import { refusal } from './policy.ts';

/** How long a withdrawal waits for the site where the guest was, and how often it looks. */
const LET_GO_MS = 3000;
const LOOK_MS = 50;
/** How long home may take. */
const ASK_MS = 10_000;

export interface RegistrationsWorld {
  /** This site. */
  readonly site: string;
  readonly registries: readonly RegistryOfRange[];
  readonly bindings: BindingsView;
  readonly policy: () => readonly PolicyRule[];
  readonly peers: () => Iterable<string>;
  readonly uplinks: () => readonly { readonly name: string; readonly l64: L64 }[];
  readonly send: SendRequest;
  /** What is wrong with an entry that is new; null: nothing. */
  readonly wrong: (entry: Entry) => IlnpError | null;
  /** Puts what the registry has into force here. */
  readonly take: (entries: readonly Entry[]) => Promise<void>;
  readonly clock: MovesClock;
}

/** `isOver`: nobody holds anything else any more. */
export interface Registered {
  readonly epoch: number;
  readonly isOver: boolean;
}

export class Registrations {
  readonly #world: RegistrationsWorld;

  constructor(world: RegistrationsWorld) {
    this.#world = world;
  }

  /**
   * Registers an identifier at its home; resolves when the registry has it and this border forwards by it. The same again is
   * no error. Rejects with E_REGISTERED if another binding has it, E_BINDING, E_POLICY, E_UNKNOWN_SITE, E_USAGE, E_REGISTRY.
   */
  async register(nid: Nid, binding: BindingClass, mover: string = this.#world.site): Promise<Registered> {
    const { site, policy, take } = this.#world;
    const { home, at } = binding;
    const registry = this.#registry(nid);
    this.#checkSite(home);
    if (home !== site) return this.#ask(home, { kind: 'register', nid: [nid.hi, nid.lo], ...wireOf(binding) });
    this.#checkSite(at);
    this.#checkUplinks(nid, binding);
    const wrong = this.#world.wrong({ nid, epoch: 0, binding });
    if (wrong !== null) throw wrong;
    forbid(refusal(policy(), { nid, to: at, mover, site }));
    if (at !== site) await this.#ask(at, { kind: 'admit', nid: [nid.hi, nid.lo] });
    const held = await registry.get(nid);
    if (held?.binding && isSame(held.binding, binding)) return { epoch: held.epoch, isOver: true };
    checkFree(held, nid);
    // Beyond 0, which is what a configuration has that nobody has registered.
    const next: Entry = { nid, epoch: (held?.epoch ?? 0) + 1, binding };
    const swap = await registry.swap(held?.epoch ?? null, next);
    if (!swap.swapped) throw registered(swap.held, nid);
    await take([next]);
    return { epoch: next.epoch, isOver: true };
  }

  /**
   * Withdraws an identifier at its home: its packets are dropped. Resolves when the site where it was has let go, or with
   * `isOver` false when it has not said so in time; it is asked on. `force`: that site is dead. Rejects with E_UNKNOWN_NID,
   * E_POLICY, E_STALE_EPOCH (it is being moved), E_REGISTRY.
   */
  async withdraw(nid: Nid, force: boolean, mover: string = this.#world.site): Promise<Registered> {
    const { site, bindings, policy, take } = this.#world;
    const registry = this.#registry(nid);
    const home = bindings.get(nid)?.home ?? site;
    if (home !== site) return this.#ask(home, { kind: 'withdraw', nid: [nid.hi, nid.lo], force });
    forbid(refusal(policy(), { nid, to: null, mover, site }));
    const held = await registry.get(nid);
    if (held === null) throw new IlnpError('E_UNKNOWN_NID', `the registry has no ${formatNid(nid)}`);
    let { epoch } = held;
    if (held.binding !== null) {
      if (held.active !== undefined)
        throw new IlnpError('E_STALE_EPOCH', `${formatNid(nid)} is being moved to ${held.binding.at}; try again`);
      const active = [...new Set([held.binding.at, site])];
      const next: Entry = { nid, epoch: epoch + 1, binding: null, active };
      const swap = await registry.swap(epoch, next);
      if (!swap.swapped)
        throw new IlnpError('E_STALE_EPOCH', `${formatNid(nid)} was changed by somebody else; try again`);
      epoch = next.epoch;
      await take([next]);
    }
    if (force) await registry.swap(epoch, { nid, epoch, binding: null });
    return { epoch, isOver: await this.#isLetGo(registry, nid, epoch) };
  }

  /** Answers site `from`, as the channel authenticated it; never rejects. */
  async handle(from: string, request: Request & { readonly kind: 'register' | 'withdraw' | 'admit' }): Promise<Reply> {
    const nid = { hi: request.nid[0], lo: request.nid[1] };
    const { site, policy } = this.#world;
    try {
      if (request.kind === 'admit') {
        forbid(refusal(policy(), { nid, to: site, mover: null, site })); // home has looked at who asks
        return { kind: 'ready' };
      }
      if (request.kind === 'withdraw')
        return { kind: 'registered', ...(await this.withdraw(nid, request.force, from)) };
      const { guest, uplink, at } = request;
      const binding = { guest: { hi: guest[0], lo: guest[1] }, home: site, uplink: uplink ?? undefined, at };
      return { kind: 'registered', ...(await this.register(nid, binding, from)) };
    } catch (error) {
      return errorReply(error);
    }
  }

  async #ask(site: string, request: Request): Promise<Registered> {
    const reply = await this.#world.send(site, request, ASK_MS);
    if (reply.kind === 'registered') return { epoch: reply.epoch, isOver: reply.isOver };
    if (reply.kind === 'ready') return { epoch: 0, isOver: true };
    throw new IlnpError('E_PROTOCOL', `${site} answered ${reply.kind} to ${request.kind}`);
  }

  async #isLetGo(registry: Registry, nid: Nid, epoch: number): Promise<boolean> {
    const { clock } = this.#world;
    for (const end = clock.now() + LET_GO_MS * 1000; clock.now() < end; ) {
      const held = await registry.get(nid);
      if (held === null || held.epoch !== epoch || held.active === undefined) return true;
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    }
    return false;
  }

  #registry(nid: Nid): Registry {
    const registry = registryOf(this.#world.registries, nid);
    if (registry !== undefined) return registry;
    throw new IlnpError(
      'E_REGISTRY',
      `no registry has ${formatNid(nid)}: it belongs into the configuration of all sites`,
    );
  }

  #checkSite(site: string): void {
    const known = [this.#world.site, ...this.#world.peers()];
    if (known.includes(site)) return;
    throw new IlnpError('E_UNKNOWN_SITE', `${this.#world.site} knows no site "${site}"; it knows ${known.join(', ')}`);
  }

  #checkUplinks(nid: Nid, { guest, uplink }: BindingClass): void {
    const uplinks = this.#world.uplinks();
    const names = uplinks.map(({ name }) => name);
    const wrong =
      uplinks.length === 0
        ? `${this.#world.site} has no uplinks and is no home`
        : uplink !== undefined && !names.includes(uplink)
          ? `expected an uplink of ${this.#world.site} (${names.join(', ')}), got "${uplink}"`
          : uplinks.some(({ l64 }) => l64.hi === guest.hi && l64.lo === guest.lo)
            ? 'expected a guest Locator that is not the Locator of an uplink'
            : null;
    if (wrong !== null) throw new IlnpError('E_USAGE', `${formatNid(nid)}: ${wrong}`);
  }
}

const wireOf = ({ guest, uplink, at }: BindingClass) => ({
  guest: [guest.hi, guest.lo] as [number, number],
  uplink: uplink ?? null,
  at,
});

function forbid(why: string | null): void {
  if (why !== null) throw new IlnpError('E_POLICY', why);
}

function checkFree(held: Entry | null, nid: Nid): void {
  if (held !== null && (held.binding !== null || held.active !== undefined)) throw registered(held, nid);
}

function registered(held: Entry | null, nid: Nid): IlnpError {
  const name = formatNid(nid);
  if (held?.binding) {
    const { home, at } = held.binding;
    return new IlnpError('E_REGISTERED', `${name} is registered already: home ${home}, at ${at}, epoch ${held.epoch}`);
  }
  const [at] = held?.active ?? [];
  if (at === undefined) return new IlnpError('E_STALE_EPOCH', `${name} was changed by somebody else; try again`);
  return new IlnpError(
    'E_REGISTERED',
    `${name} was withdrawn, but ${at} has not let go yet; ilnp withdraw --force if it is dead`,
  );
}

const isSame = (a: BindingClass, b: BindingClass): boolean =>
  a.guest.hi === b.guest.hi && a.guest.lo === b.guest.lo && a.home === b.home && a.uplink === b.uplink && a.at === b.at;
