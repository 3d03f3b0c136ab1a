/** The registries of a border's configuration, put together with its moves: whoever keeps them, here or elsewhere. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Border } from '../border/border.ts';
import type { BindingChanges } from '../config/diff.ts';
import type { EtcdRegistryConfig, RegistryConfig, SiteConfig } from '../config/site-config.ts';
import { attend } from '../registry/attend.ts';
import { RegistryClient } from '../registry/client.ts';
import { EtcdRegistry } from '../registry/etcd.ts';
import { TermFence } from '../registry/fence.ts';
import { FollowedCopy } from '../registry/followed-copy.ts';
import { type RegistryOfRange, registryOf } from '../registry/ranges.ts';
import type { Registry } from '../registry/registry.ts';
import { RegistryService } from '../registry/service.ts';
import type { RegistryStore } from '../registry/store.ts';
import { Witness } from '../registry/witness.ts';
import { type ClaimAnswer, WITNESS_ASK_MS, type WitnessAsk } from '../registry/witnessed.ts';
import type { RegistryReply } from '../runtime/control-methods.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { Recorder } from '../sites/binding-writer.ts';
import { objection, wrongEntry } from '../sites/entry-rules.ts';
import { errorReply, type Reply } from '../sites/messages.ts';
import type { Moves } from '../sites/moves.ts';
import type { MovesClock, RegistryView, SendRequest } from '../sites/moves-world.ts';
import type { ChannelPeer } from '../sites/peer-channel.ts';
import { Registrations } from '../sites/registrations.ts';
import { RegistryFollow } from '../sites/registry-follow.ts';
import { RegistryRecord } from '../sites/registry-record.ts';
import type { UnderWays } from '../sites/under-way.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { etcdAccess } from './etcd-access.ts';
import { openStore } from './open-store.ts';

export interface BorderRegistriesOptions {
  readonly config: SiteConfig;
  readonly border: Border;
  readonly record: Recorder;
  readonly send: SendRequest;
  readonly clock: MovesClock;
  readonly log: Logger;
}

export class BorderRegistries {
  readonly #options: BorderRegistriesOptions;
  readonly #ranges: readonly RegistryOfRange[];
  readonly #service: RegistryService | undefined;
  readonly #record: RegistryRecord;
  readonly #copy: FollowedCopy;
  readonly #rules: Parameters<typeof objection>[0];
  readonly #witnesses: ReadonlyMap<string, Witness>;
  readonly #over = new AbortController();
  #follow: RegistryFollow | undefined;
  #registrations: Registrations | undefined;

  private constructor(
    options: BorderRegistriesOptions,
    { ranges, witnesses, own }: { ranges: RegistryOfRange[]; witnesses: Map<string, Witness>; own?: RegistryStore },
  ) {
    this.#options = options;
    this.#ranges = ranges;
    this.#witnesses = witnesses;
    this.#copy = copyOf(options);
    const { config, border, record, clock, log } = options;
    this.#rules = {
      config: () => border.config,
      classes: border.bindings.classes,
      get: (nid: Nid) => border.bindings.get(nid),
    };
    this.#service = own && new RegistryService(own, clock.after, (next, held) => objection(this.#rules, next, held));
    const isSynced = (): boolean => this.#follow?.isSynced ?? false;
    this.#record = new RegistryRecord({
      ...{ site: config.site, record, registries: ranges, bindings: border.bindings, isSynced, clock, log },
    });
  }

  /**
   * Opens those that are kept here, prepares to ask the others, and has the border know what it had followed before; E_STATE,
   * E_KEY. Before the border is told what its record of moves says.
   */
  static async open(options: BorderRegistriesOptions): Promise<BorderRegistries> {
    const { config } = options;
    const ranges: RegistryOfRange[] = [];
    const witnesses = new Map(
      controllersOf(config).map(({ site }) => [site, new Witness(config.state, `${config.site}.${site}`)]),
    );
    let own: RegistryStore | undefined;
    for (const one of config.registries) {
      if (one.kind === 'embedded' && one.name === config.site)
        own ??= await openStore(config.site, config, options.log);
      ranges.push({ range: one.range, registry: await registryFor(one, { own, witnesses }, options) });
    }
    const registries = new BorderRegistries(options, { ranges, witnesses, ...(own && { own }) });
    if (ranges.length > 0) await registries.#recall();
    return registries;
  }

  /** What the moves of this border are recorded by. */
  get record(): Recorder {
    return this.#ranges.length === 0 ? this.#options.record : this.#record;
  }

  /** What the moves ask. */
  get view(): RegistryView {
    return {
      has: (nid) => registryOf(this.#ranges, nid) !== undefined,
      isSynced: () => this.#follow?.isSynced ?? false,
      problem: () => this.#follow?.problem ?? null,
      doubtOf: (nid) => this.#record.doubtOf(nid),
      ask: (nid) => this.#record.ask(nid),
    };
  }

  /** Bindings by command; E_REGISTRY without a registry. */
  get registrations(): Registrations {
    if (this.#registrations !== undefined) return this.#registrations;
    throw new IlnpError('E_REGISTRY', 'there is no registry: bindings belong into the configuration of all sites');
  }

  /** Answers a question of another site to the registry that is kept here. */
  async answer(from: string, ask: unknown): Promise<Reply> {
    try {
      const { site } = this.#options.config;
      if (this.#service === undefined) throw new IlnpError('E_REGISTRY', `${site} keeps no registry`);
      return { kind: 'registry', answer: await this.#service.answer(from, ask) };
    } catch (error) {
      return errorReply(error);
    }
  }

  /** What is counted beside the path; empty without a registry. */
  get counters(): Record<string, Record<string, number>> {
    return this.#follow === undefined ? {} : { registry: { passed_over: this.#follow.passedOver } };
  }

  /** What was carried out here and is not known there. */
  get underWay(): UnderWays {
    return this.#record.underWay();
  }

  /** What `ilnp show registry` says. */
  show(): RegistryReply[] {
    const { registries } = this.#options.config;
    return this.#ranges.map(({ range, registry }, i) => ({
      range: `${formatNid(range.from)} - ${formatNid(range.to)}`,
      keptBy: keeper(registries[i]!),
      ...(this.#follow?.heardOf(registry) ?? { isHeard: false, problem: null, secondsAgo: null }),
    }));
  }

  /** What was followed in an earlier run holds until the registry is heard. */
  async #recall(): Promise<void> {
    const { border, log } = this.#options;
    let recalled = 0;
    try {
      for await (const entries of this.#copy.load()) {
        const ours = entries.filter(({ nid }) => registryOf(this.#ranges, nid) !== undefined);
        border.placeFollowed(ours);
        recalled += ours.length;
      }
    } catch (error) {
      log.warn({ reason: String(error) }, 'not all that was followed of the registry can be used');
    }
    if (recalled > 0) log.info({ changes: recalled }, 'until the registry is heard, what was followed holds');
  }

  /** Begins to follow; the border forwards already. */
  start(moves: Moves): void {
    const { config, border, clock, log } = this.#options;
    if (this.#ranges.length === 0) return;
    this.#follow = new RegistryFollow({
      site: config.site,
      registries: this.#ranges,
      bindings: border.bindings,
      moves,
      record: this.#record,
      copy: this.#copy,
      place: (bindings) => border.register(bindings),
      withdraw: (nids) => border.withdraw(nids),
      wrong: (entry, known) => wrongEntry(this.#rules, entry, known),
      configured: () =>
        border.config.bindings
          .filter(({ home }) => home === config.site)
          .flatMap(({ nid }) => border.bindings.get(nid) ?? []), // the registry may have it withdrawn
      clock,
      log,
    });
    this.#follow.start();
    for (const [name, witness] of this.#witnesses) void this.#attend(name, witness);
    this.#registrations = new Registrations({
      site: config.site,
      registries: this.#ranges,
      bindings: border.bindings,
      policy: () => border.config.policy,
      peers: () => border.config.peers.map((peer) => peer.site),
      uplinks: () => border.config.uplinks,
      send: this.#options.send,
      wrong: (entry) => wrongEntry(this.#rules, entry, null),
      take: (entries) => this.#follow!.take(entries),
      clock,
    });
  }

  /** The configuration was re-read, and these of its bindings differ. */
  reread({ added, removed, changed }: BindingChanges): void {
    const others = [...added, ...changed.map(({ after }) => after)];
    this.#follow?.reread(
      others.map(({ nid }) => nid),
      removed.map(({ nid }) => nid),
    );
  }

  /** This site is a witness of that controller, if it is one of a pair. */
  #attend(name: string, witness: Witness): Promise<void> {
    const { send, log } = this.#options;
    const ask = async (ask: WitnessAsk): Promise<ClaimAnswer | null> => {
      const reply = await send(name, { kind: 'witness', ...ask }, WITNESS_ASK_MS);
      return reply.kind === 'claim' ? reply : null;
    };
    const failed = (error: unknown): void =>
      log.error({ reason: String(error) }, `what a witness of ${name} must remember cannot be written`);
    return attend(witness, ask, { signal: this.#over.signal, failed });
  }

  async close(): Promise<void> {
    this.#over.abort();
    this.#record.close();
    this.#service?.close();
    await this.#follow?.close();
    if (this.#follow !== undefined) await this.#copy.close();
    for (const registry of new Set(this.#ranges.map((one) => one.registry))) await registry.close();
  }
}

const keeper = (one: RegistryConfig): string => (one.kind === 'etcd' ? one.endpoints.join(' ') : one.name);

const copyOf = ({ config, clock, log }: BorderRegistriesOptions): FollowedCopy =>
  new FollowedCopy({
    path: join(config.state, `${config.site}.followed`),
    warn: (text) => log.warn(text),
    after: clock.after,
  });

/** Controllers are on the channel as other sites are, but no guest can be there. */
export const controllersOf = ({ registries }: Pick<SiteConfig, 'registries'>): ChannelPeer[] =>
  registries.flatMap((one) =>
    one.kind === 'embedded' && one.control !== undefined ? [{ site: one.name, control: one.control }] : [],
  );

async function registryFor(
  one: RegistryConfig,
  { own, witnesses }: { own: RegistryStore | undefined; witnesses: ReadonlyMap<string, Witness> },
  { config, send, log }: BorderRegistriesOptions,
): Promise<Registry> {
  if (one.kind === 'etcd') return etcdRegistry(one, (text) => log.warn(text));
  if (one.name === config.site) return own!;
  const witness = witnesses.get(one.name);
  const fence = new TermFence(() => witness?.state.term ?? 0);
  return new RegistryClient(async (ask, timeoutMs) => {
    const reply = await send(one.name, { kind: 'registry', ask, term: fence.term }, timeoutMs);
    if (reply.kind !== 'registry')
      throw new IlnpError('E_PROTOCOL', `${one.name} answered ${reply.kind} to a question to its registry`);
    fence.check(reply.term ?? 0);
    return reply.answer;
  }, fence);
}

async function etcdRegistry(one: EtcdRegistryConfig, warn: (text: string) => void): Promise<EtcdRegistry> {
  const { endpoints, user, prefix } = one;
  const [ca, password] = await Promise.all(etcdAccess(one));
  return new EtcdRegistry({
    ...{ endpoints, ca, prefix, warn },
    user: user === undefined ? undefined : { name: user, password: password ?? '' },
  });
}
