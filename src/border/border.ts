/**
 * A site border router as a whole: its tables, its path, its place in the gateway. Beside the path: what changes slowly.
 *
 *   configuration ──► bindings (who is where) ──compile──► workers' tables
 *   moves (sites/moves.ts) ──applyMoves──┘                 gateway rules, proxy neighbours, announcements
 */
import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type ConfigDiff, diffConfig } from '../config/diff.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { realtimeMicroseconds } from '../device/libc.ts';
import { type Binding, Bindings } from '../ilnp/bindings.ts';
import { COMMIT_MS, type KeepCounts, type KeepOrder } from '../ilnp/keeping.ts';
import type { KnownPair } from '../ilnp/pairs.ts';
import { claimNetwork } from '../network/claim.ts';
import { Gateway, manualCommands, removeTuns, requireInterfaces } from '../network/gateway.ts';
import { LinkWatch } from '../network/link-watch.ts';
import { MAX_NEIGHBOURS, Neighbours } from '../network/neighbours.ts';
import { OUTSIDE } from '../packet/batch.ts';
import { IlnpError } from '../runtime/errors.ts';
import { compile } from '../sbr/compile.ts';
import { namedCounters } from '../sbr/counters.ts';
import type { FibImage } from '../sbr/fib.ts';
import { native32 } from '../wire/bytes.ts';
import { formatNid, type L64, type Nid } from '../wire/text.ts';
import { type AnchorReply, anchorsOf } from './anchors.ts';
import { DataPlane } from './data-plane.ts';
import { KeepClock } from './keep-clock.ts';
import { MovedNids } from './moved-nids.ts';
import { Places } from './places.ts';
import { type NamedReach, namedReach, type Uplinks } from './reach.ts';
import { openSessionFile, type SessionFile, sessionsOfNodes } from './session-store.ts';
import { type SpeakerReply, Speakers } from './speakers.ts';
import { interfacesOf, surroundings } from './surroundings.ts';

/** Pairs of a guest and a correspondent that speak ILNP, at most; 80 octets each. */
const MAX_PAIRS = 16_384;
/** Correspondents that are shown; strangers can make many. */
const MAX_ANCHORS = 10_000;
/** Guests whose sessions are looked for at a time. Reason: their packets take longer, and moves need the room. */
const MAX_WATCHED = 256;

export class Border {
  config: SiteConfig;
  readonly bindings: Bindings;
  readonly #log: Logger;
  readonly #onDeparted: (site: string, sessions: readonly KnownPair[]) => void;
  readonly #onReach: () => void;
  readonly #gateway: Gateway;
  readonly #path: DataPlane;
  readonly #neighbours: Neighbours;
  readonly #links: LinkWatch;
  readonly #places: Places;
  #sessions: SessionFile | null = null;
  #unclaim: (() => void) | null = null;
  /** Commands for the operator that were not shown yet. */
  readonly #manual: string[] = [];
  /** What takes back those shown at the start. */
  #manualUndo: string[] = [];
  readonly #keepClock = new KeepClock(() => this.#path.wake());
  readonly #moved = new MovedNids((nids) => {
    this.#serial(() => this.#answerFor(nids)).catch((error) => {
      this.#log.error({ error: String(error) }, 'neighbours could not be answered for');
    });
  });
  #compiledClasses = 0;
  #speakers: Speakers | null = null;
  /** As compiled last. */
  #uplinks: Uplinks = { ids: new Uint8Array(0), usable: [] };
  #stopping = false;
  #changes: Promise<unknown> = Promise.resolve();

  /**
   * `runFolder`: for the journal of the set-up. `onFailure`: the path is gone. `onDeparted`: guests have gone to `site`, where
   * their sessions should be known. `onReach`: `named` may be different now.
   */
  constructor(
    config: SiteConfig,
    options: {
      runFolder: string;
      log: Logger;
      onFailure: (error: Error) => void;
      onDeparted: (site: string, sessions: readonly KnownPair[]) => void;
      onReach: () => void;
    },
  ) {
    this.config = config;
    this.#onDeparted = options.onDeparted;
    this.#onReach = options.onReach;
    this.#log = options.log;
    this.#gateway = new Gateway(options.runFolder);
    this.#neighbours = new Neighbours({
      ...(config.network === 'auto' ? {} : { run: (commands) => this.#byHand(commands) }),
      onFull: (left) =>
        this.#log.warn(
          { left, most: MAX_NEIGHBOURS },
          'too many guests are away: neighbours are not answered for some',
        ),
    });
    this.#path = new DataPlane(options.onFailure);
    const seed = (): number => randomInt(0, 2 ** 32);
    this.bindings = new Bindings(config.limits.bindings, [seed(), seed()]);
    this.#places = new Places(this.bindings, options.log);
    for (const binding of config.bindings) this.bindings.put({ ...binding, epoch: 0 });
    this.#links = new LinkWatch(interfacesOf(config), config.uplinks, (repair) => {
      this.#serial(() => this.#linksChanged(repair)).catch((error) => {
        this.#log.error({ error: String(error) }, 'a link has changed and could not be followed');
      });
    });
  }

  /** How packets are read and written, for people. */
  get io(): string {
    return this.#path.io;
  }

  /** Takes what the record of moves says; before `start`. */
  placeMoved(moved: Parameters<Places['moved']>[1]): void {
    this.#places.moved(this.config, moved);
  }

  /** Takes what was followed of the registry in an earlier run; before `placeMoved` and `start`. E_FULL. */
  placeFollowed(entries: Parameters<Places['followed']>[0]): void {
    this.#places.followed(entries);
  }

  /** Sets up the gateway and starts to forward; returns the commands run. On failure everything is taken back. */
  async start(): Promise<string[]> {
    const { config } = this;
    requireInterfaces(config);
    this.#unclaim = claimNetwork(); // before anything that a running border may have set up is touched
    try {
      const queues = this.#path.openTuns(config.tun);
      if (this.#gateway.recover()) this.#log.warn({}, 'an earlier run had not cleaned up; its set-up was taken back');
      this.#sessions = this.#openSessions();
      const { bindings: bindingsLimit, sessions: sessionsLimit, holdOctets, holdPackets, holdMs } = config.limits;
      await this.#path.start(queues, {
        tun: config.tun,
        image: this.#compile(),
        bindingsLimit,
        pairsLimit: Math.min(sessionsLimit, MAX_PAIRS),
        keepLimits: { octets: holdOctets, packets: holdPackets, us: (holdMs + COMMIT_MS) * 1000 },
        sessions: this.#sessions,
      });
      await this.#path.put(this.bindings.all(), (b) => this.bindings.classOf(b));
      this.#speakers = new Speakers({
        pairs: this.#path.pairs!,
        bindings: this.bindings,
        config: () => this.config,
        emit: (packets) => this.#path.emit(OUTSIDE, packets),
      });
      this.#speakers.uplinksAre(this.#uplinks);
      this.#links.start();
      this.#onReach();
      if (config.network === 'manual') {
        await this.#neighbours.sync(config, this.bindings.all());
        const { run, undo } = manualCommands(config, this.#guests());
        this.#manualUndo = undo;
        return [...run, ...this.#manual.splice(0)];
      }
      const commands = this.#gateway.up(config, this.#guests());
      this.#neighbours.announceGateways(config); // guests may know another border under this address
      await this.#serial(() => this.#neighbours.repair(config, this.bindings.all()));
      return commands;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Takes the gateway set-up back, then stops the path. */
  async stop(): Promise<void> {
    this.#links.stop();
    this.#speakers?.close();
    this.#stopping = true;
    this.#keepClock.stop();
    this.#moved.stop();
    await this.#changes; // nothing that is under way may put anything back
    await this.#neighbours.clear();
    this.#manual.push(...this.#manualUndo.splice(0));
    this.#showManual();
    this.#gateway.down();
    if (await this.#path.close()) removeTuns(this.config);
    if (this.#sessions) closeSync(this.#sessions.fd);
    this.#sessions = null;
    this.#unclaim?.();
    this.#unclaim = null;
  }

  /**
   * Switches bindings in the store and in every worker's table between two batches; resolves when all have switched. What `keep`
   * is told from `onOrdered` on comes after that.
   */
  applyMoves(moved: readonly Binding[], onOrdered: () => void): Promise<void> {
    return this.#serial(() => this.#put(moved, onOrdered));
  }

  /** Makes ready for a binding of a class that is new: compiling it takes longer than a move may. Nothing changes. */
  foresee(binding: Binding): Promise<void> {
    return this.#serial(async () => {
      this.bindings.classOf(binding);
      await this.#compileNewClasses();
    });
  }

  /** Has the path keep packets of a guest on the move, or let them go; resolves when that is so (ilnp/keeping.ts). */
  async keep(nid: Nid, order: KeepOrder): Promise<KeepCounts> {
    const key = formatNid(nid);
    if (order.what === 'end') this.#keepClock.end(key);
    else this.#keepClock.keep(key, order.ms);
    const kept = this.#path.keep(nid, order);
    const counts = await (order.what === 'release' && order.behind > 0 ? this.#keepClock.lookUntil(kept) : kept);
    return order.what === 'end' ? { ...counts, ...this.#speakers?.toldOf(nid, realtimeMicroseconds()) } : counts;
  }

  /** A guest has just arrived, as a hypervisor says: while home decides, its link-layer address is asked for. Returns at once. */
  awaits(nid: Nid): void {
    const binding = this.bindings.get(nid);
    if (binding !== undefined) void this.#neighbours.resolve(this.config, [binding]);
  }

  /** Takes bindings that were not here, or whose guest, home or uplink is another now. */
  register(bindings: readonly Binding[]): Promise<void> {
    return this.#serial(async () => {
      const classes = this.bindings.classes.length;
      for (const binding of bindings) this.bindings.classOf(binding);
      const isNew = this.bindings.classes.length > classes;
      if (isNew && this.config.network === 'auto') this.#gateway.change(this.config, this.#guests());
      await this.#put(bindings);
    });
  }

  /** Forgets identifiers: their packets are dropped from now on. */
  withdraw(nids: readonly Nid[]): Promise<void> {
    return this.#serial(async () => {
      for (const nid of nids) this.bindings.delete(nid);
      await this.#path.remove(nids);
      this.#onReach();
      await this.#neighbours.sync(this.config, this.bindings.all());
      this.#showManual();
    });
  }

  /**
   * Takes a re-read configuration over; changes only what differs. Throws E_CONFIG, with nothing changed, when something
   * differs that only a restart can change. A binding that has ever moved keeps its place; one that the file has no more is
   * forgotten unless `isKept`. Returns what differed.
   */
  reload(next: SiteConfig, isKept: (nid: Nid) => boolean = () => false): Promise<ConfigDiff> {
    return this.#serial(async () => {
      const diff = diffConfig(this.config, next);
      if (diff.restart.length > 0)
        throw new IlnpError('E_CONFIG', `these settings change only by a restart: ${diff.restart.join(', ')}`);
      requireInterfaces(next);
      const before = this.config;
      if (next.network === 'auto') {
        const guests = [...this.#guests(), ...next.bindings.map((b) => b.guest)];
        try {
          this.#gateway.change(next, guests);
          this.#gateway.repair(next, guests);
        } catch (error) {
          this.#gateway.change(before, this.#guests());
          throw error;
        }
      }
      this.config = next;
      const forgotten = nidsOf(diff.bindings.removed).filter((nid) => !isKept(nid));
      for (const nid of forgotten) this.#places.forget(nid);
      const put = [...diff.bindings.added, ...diff.bindings.changed.map((c) => c.after)].map((b) =>
        this.#places.configured(b),
      );
      for (const binding of put) this.bindings.put(binding);
      this.#links.watch(interfacesOf(next), next.uplinks);
      const image = this.#compile();
      const choose = diff.bindings.changed.length > 0 || diff.settings.some(({ path }) => path.startsWith('uplinks'));
      await this.#tell(this.#links.up(next.uplinks), { choose });
      await this.#path.setImage(image);
      await this.#path.remove(forgotten);
      await this.#path.put(put, (b) => this.bindings.classOf(b));
      await this.#neighbours.sync(next, this.bindings.all());
      this.#showManual();
      return diff;
    });
  }

  /** Where names of a guest should lead. */
  named(nid: Nid): NamedReach {
    return namedReach(this.config, this.bindings.get(nid), this.#uplinks.usable);
  }

  /** Who speaks ILNP through this border. */
  speakers(): SpeakerReply[] {
    return this.#speakers?.shown() ?? [];
  }

  /** All sessions of guests that speak ILNP, as far as another border could go on with them. */
  spoken(): KnownPair[] {
    return this.#speakers?.known() ?? [];
  }

  /**
   * Which correspondents of guests of ours still talk to them by a global Locator of this site. With one uplink, which nobody has to
   * remember, their packets are looked at for `ms`. E_FULL when those are too many guests.
   */
  async anchors(guests: readonly Binding[], ms: number): Promise<AnchorReply[]> {
    if (this.config.uplinks.length === 1 && ms > 0) {
      if (guests.length > MAX_WATCHED)
        throw new IlnpError(
          'E_FULL',
          `${guests.length} guests, of which ${MAX_WATCHED} can be looked at at a time: name one`,
        );
      this.#keepClock.keep('watch', ms); // under no name of a guest: nothing waits
      await Promise.all(guests.map(({ nid }) => this.#path.keep(nid, { what: 'watch', ms })));
      await setTimeout(ms);
    }
    if (this.#sessions === null) return [];
    const meant = new Set(guests.map(({ nid }) => `${native32(nid.hi) | 0} ${native32(nid.lo) | 0}`));
    const noted = await sessionsOfNodes(this.#sessions, (n0, n1) => meant.has(`${n0} ${n1}`), Date.now() / 1000);
    return anchorsOf(guests, noted, this.config, this.#uplinks.ids).slice(0, MAX_ANCHORS);
  }

  /** The file of sessions; null when there is none. */
  get sessionFile(): number | null {
    return this.#sessions?.fd ?? null;
  }

  /** Another border knows these sessions of guests that have come from there. */
  takeSpeakers(known: readonly KnownPair[]): void {
    this.#speakers?.take(known);
  }

  counters(): Record<string, number> {
    return { ...namedCounters(this.#path.counters()), ...this.#speakers?.counters };
  }

  async #put(moved: readonly Binding[], onOrdered = () => {}): Promise<void> {
    const { site } = this.config;
    const arrived = moved.filter((b) => b.at === site && this.bindings.get(b.nid)?.at !== site);
    const departed = moved.filter((b) => b.at !== site && this.bindings.get(b.nid)?.at === site);
    for (const binding of moved) this.bindings.put(binding);
    await this.#compileNewClasses();
    const awaited = arrived.filter(({ nid }) => this.#keepClock.isKept(formatNid(nid))); // packets wait for them
    this.#speakers?.arrived(nidsOf(arrived), nidsOf(awaited)); // before their packets take another way
    let areHeard: Promise<unknown> = Promise.resolve();
    const put = this.#path.put(
      moved,
      (b) => this.bindings.classOf(b),
      () => {
        areHeard = this.#neighbours.resolve(this.config, awaited); // before anything is let go to them
        void areHeard.then(onOrdered);
      },
    );
    await put;
    await areHeard;
    this.#handOver(departed);
    this.#onReach();
    if (arrived.length > 0) setImmediate(() => this.#stopping || this.#neighbours.announceGateways(this.config));
    this.#moved.add(nidsOf(moved));
  }

  async #answerFor(nids: readonly Nid[]): Promise<void> {
    if (this.#stopping) return;
    const moved = nids.flatMap((nid) => this.bindings.get(nid) ?? []);
    await this.#neighbours.moved(this.config, moved);
    this.#showManual();
  }

  /** What is known of the sessions of guests that have left goes where they are now. */
  #handOver(departed: readonly Binding[]): void {
    for (const site of new Set(departed.map((b) => b.at))) {
      const known = this.#speakers?.departed(departed.filter((b) => b.at === site).map((b) => b.nid)) ?? [];
      if (known.length > 0) this.#onDeparted(site, known);
    }
  }

  #byHand(commands: string[][]): void {
    this.#manual.push(...commands.map((words) => `ip -6 ${words.join(' ')}`));
  }

  /** With `network: manual`: says which commands the change asks for. */
  #showManual(): void {
    if (this.#manual.length > 0) this.#log.info({ commands: this.#manual.splice(0) }, 'to be run by hand');
  }

  async #compileNewClasses(): Promise<void> {
    if (this.bindings.classes.length !== this.#compiledClasses) await this.#path.setImage(this.#compile());
  }

  /** Tells the correspondents of guests what has changed; resolves when every worker sends what follows after that. */
  async #tell(usable: readonly boolean[], options?: { readonly choose: boolean }): Promise<void> {
    this.#speakers?.uplinksAre({ ids: this.#uplinks.ids, usable }, options);
    this.#onReach();
    await this.#path.settled();
  }

  #compile(): FibImage {
    this.#compiledClasses = this.bindings.classes.length;
    const { config } = this;
    const around = surroundings(config, this.#links.up(config.uplinks), this.#sessions);
    const image = compile(config, this.bindings, around);
    this.#uplinks = { ids: image.uplinkIds, usable: [...image.uplinkUsable].map((up) => up === 1) };
    return image;
  }

  /** A link that went down took our routes and addresses along, or somebody else did; what is missing is put back. */
  async #linksChanged(repair: boolean): Promise<void> {
    if (this.#stopping) return;
    // first: sessions go over to an uplink that is up, whatever can be repaired
    const before = this.#uplinks.usable;
    const image = this.#compile();
    const { usable } = this.#uplinks;
    for (const [k, { name }] of this.config.uplinks.entries())
      if (usable[k] !== before[k]) this.#log.warn({ uplink: name, usable: usable[k] }, 'an uplink has changed');
    await this.#tell(usable.map((up, k) => up && before[k] === true));
    await this.#path.setImage(image);
    if (repair && this.config.network !== 'manual') {
      this.#gateway.repair(this.config, this.#guests());
      await this.#neighbours.repair(this.config, this.bindings.all());
      this.#neighbours.announceGateways(this.config);
    }
    await this.#tell(usable); // an uplink that has come back has its routes now
  }

  #guests(): L64[] {
    return this.bindings.classes.map((c) => c.guest);
  }

  #openSessions(): SessionFile {
    const { config } = this;
    return openSessionFile(`${config.state}/${config.site}.sessions`, config.limits.sessions, randomInt(0, 2 ** 32));
  }

  /** One change at a time, in the order asked. */
  #serial<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(change);
    this.#changes = done.catch(() => {});
    return done;
  }
}

const nidsOf = (bindings: readonly { readonly nid: Nid }[]): Nid[] => bindings.map(({ nid }) => nid);
