/**
 * A border router in the simulator: the production bindings, compiled tables, path and move machine, as
 * src/cli/run-border.ts puts them together, in a gateway of ours. A crash loses what a process loses; the record of
 * moves and the sessions' uplinks stay, as they do on disk.
 */
import type { SiteConfig } from '../../src/config/site-config.ts';
import { type Binding, Bindings } from '../../src/ilnp/bindings.ts';
import type { KeepCounts, KeepOrder } from '../../src/ilnp/keeping.ts';
import { Sessions } from '../../src/ilnp/sessions.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import type { Recorder } from '../../src/sites/binding-writer.ts';
import type { Change } from '../../src/sites/messages.ts';
import type { RecordEntry } from '../../src/sites/move-record.ts';
import type { MoveReport } from '../../src/sites/move-report.ts';
import { Moves } from '../../src/sites/moves.ts';
import type { MovesClock, SendRequest } from '../../src/sites/moves-world.ts';
import { PeerError } from '../../src/sites/peer-error.ts';
import { RegistryFollow } from '../../src/sites/registry-follow.ts';
import { RegistryRecord } from '../../src/sites/registry-record.ts';
import type { Nid } from '../../src/wire/text.ts';
import type { SeededRandom } from '../random.ts';
import { ControlChannel, type ControlEnd, type ControlLines } from './control.ts';
import { SimDisk } from './disk.ts';
import type { Engine } from './engine.ts';
import { Gateway } from './gateway.ts';
import type { SimPair } from './pair.ts';
import { SimPath } from './path.ts';
import { REGISTRY, registryThrough, type SimRegistry } from './registry.ts';

const QUIET = { info: () => {}, warn: () => {} };

/** Longest time until all workers have switched, microseconds. */
const SWITCH_US = 300;
/** How often the path looks at the time while it keeps something. */
const TICK_US = 100_000;

/** What others want to know of a border. */
export interface BorderHooks {
  readonly onSwitched: (border: SimBorder, bindings: readonly Binding[]) => void;
  /** A decision of this home was carried out: old and new site have switched. */
  readonly onSettled: (border: SimBorder, change: Change) => void;
  readonly onForced: (nid: string, site: string) => void;
  readonly onLeave: (border: SimBorder, side: number, octets: Uint8Array) => void;
}

interface Running {
  readonly bindings: Bindings;
  readonly path: SimPath;
  readonly moves: Moves;
  readonly decisions: RegistryRecord | undefined;
  readonly follow: RegistryFollow | undefined;
  readonly channels: Map<string, ControlChannel>;
  isAlive: boolean;
}

export class SimBorder {
  readonly config: SiteConfig;
  /** Of the machine that is active, in a pair. */
  disk: SimDisk;
  /** There are two borders of this site. */
  pair: SimPair | undefined;
  readonly gateway: Gateway;
  readonly end: ControlEnd;
  /** Verdicts of earlier lives. */
  readonly pastVerdicts: Record<string, number> = {};
  /** Signalling on the connections this border opened, all lives. */
  pastOctets = 0;
  crashes = 0;
  /** Of moves of identifiers whose home is here, all lives. */
  readonly reports: Omit<MoveReport, 'id'>[] = [];
  running: Running | undefined;
  readonly #engine: Engine;
  readonly #random: SeededRandom;
  readonly #lines: ControlLines;
  readonly #hooks: BorderHooks;
  readonly #sessionsSeed: number;
  readonly #addresses: { readonly outside: Uint8Array; readonly inside: Uint8Array };
  readonly #uplinkUp: boolean[];
  peers: readonly SimBorder[] = [];
  readonly #registry: SimRegistry | undefined;
  #isPowered = true;

  constructor(options: {
    readonly engine: Engine;
    readonly config: SiteConfig;
    readonly lines: ControlLines;
    readonly hooks: BorderHooks;
    readonly addresses: { readonly outside: Uint8Array; readonly inside: Uint8Array };
    readonly registry?: SimRegistry | undefined;
    readonly diskUs: number;
  }) {
    const { engine, config, lines, hooks, addresses, diskUs } = options;
    this.#registry = options.registry;
    this.#engine = engine;
    this.config = config;
    this.#lines = lines;
    this.#hooks = hooks;
    this.#addresses = addresses;
    this.#random = engine.random(`border ${config.site}`);
    this.#uplinkUp = config.uplinks.map(() => true);
    this.disk = new SimDisk(engine, config.site, { words: Sessions.words(config.limits.sessions), appendUs: diskUs });
    this.disk.onSettled = (change) => hooks.onSettled(this, change);
    this.#sessionsSeed = this.#random.next();
    this.gateway = new Gateway({
      name: config.site,
      siteL64: config.inside[0]!.l64,
      outsideAddress: addresses.outside,
      insideAddress: addresses.inside,
      path: () => this.running?.path ?? null,
      now: () => engine.now,
      onLeave: (side, octets) => hooks.onLeave(this, side, octets),
    });
    this.end = {
      name: config.site,
      life: () => this.crashes,
      isUp: () => this.running !== undefined,
      isPowered: () => this.#isPowered,
      handle: (from, request) => this.#running.moves.handle(from, request),
      connected: (site) => {
        if (site !== REGISTRY) this.running?.moves.connected(site);
      },
    };
  }

  get name(): string {
    return this.config.site;
  }

  /** Signalling octets on the connections this border opened. */
  get octets(): number {
    let octets = this.pastOctets;
    for (const channel of this.running?.channels.values() ?? []) octets += channel.octets;
    return octets;
  }

  /** Starts from the configuration, the record and the sessions of before. */
  start(peers: readonly SimBorder[]): void {
    if (this.running !== undefined) return;
    this.peers = peers.filter((peer) => peer !== this);
    this.#isPowered = true;
    const seed = (): [number, number] => [this.#random.next(), this.#random.next()];
    const { config, disk } = this;
    disk.begin();
    this.pair?.begin();
    const bindings = new Bindings(config.limits.bindings, seed());
    for (const binding of config.bindings) bindings.put({ ...binding, epoch: 0 });
    for (const { nid, at, epoch } of disk.moved.values()) {
      const binding = bindings.get(nid);
      if (binding !== undefined) bindings.put({ ...binding, at, epoch });
    }
    const around = {
      uplinkUp: this.#uplinkUp,
      outsideAddress: this.#addresses.outside,
      insideAddress: this.#addresses.inside,
    };
    const sessions = new Sessions(disk.words, this.#sessionsSeed);
    const path = new SimPath(config, bindings, { around, sessions, seed: seed() });
    path.put(bindings.all());
    const decisions = this.#decisions(bindings, () => running);
    const moves = this.#machine(bindings, () => running, decisions);
    const running: Running = {
      bindings,
      path,
      moves,
      decisions,
      follow: decisions && this.#follow(bindings, () => running, moves, decisions),
      channels: new Map(),
      isAlive: true,
    };
    this.running = running;
    for (const peer of this.peers) {
      const { end: self } = this;
      const channel = new ControlChannel({
        engine: this.#engine,
        lines: this.#lines,
        self,
        peer: peer.end,
        life: this.crashes,
      });
      channel.twin = peer.running?.channels.get(this.name);
      const other = peer.running?.channels.get(this.name);
      if (other !== undefined) other.twin = channel;
      running.channels.set(peer.name, channel);
    }
    if (this.#registry !== undefined) {
      const { end: self } = this;
      const to = { engine: this.#engine, lines: this.#lines, self, peer: this.#registry.end, life: this.crashes };
      running.channels.set(REGISTRY, new ControlChannel(to));
    }
    running.moves.start([...disk.open.values()], [...disk.moved.values()]);
    running.follow?.start();
    this.#engine.touch();
    this.#engine.trace.add(this.#engine.now, this.name, 'started');
    this.#hooks.onSwitched(this, [...bindings.all()]);
  }

  /** The process dies; with `power` the machine as well, so that nobody is told. */
  crash(power = false): void {
    const { running } = this;
    if (running === undefined) return;
    this.crashes++;
    this.pastOctets = this.octets;
    for (const [name, count] of Object.entries(running.path.verdicts()))
      this.pastVerdicts[name] = (this.pastVerdicts[name] ?? 0) + count;
    running.isAlive = false;
    running.moves.close();
    running.decisions?.close();
    void running.follow?.close();
    for (const channel of running.channels.values()) channel.close();
    this.running = undefined;
    this.#isPowered = !power;
    this.#engine.trace.add(this.#engine.now, this.name, power ? 'vanished' : 'crashed');
  }

  setUplink(name: string, isUp: boolean): void {
    const index = this.config.uplinks.findIndex((uplink) => uplink.name === name);
    if (index < 0) throw new RangeError(`${this.name} has no uplink ${name}`);
    this.#uplinkUp[index] = isUp;
    this.running?.path.setUplink(index, isUp);
  }

  /** Has this border do what its control socket is asked: a move, a step of one, what a hypervisor tells. */
  async ask<T>(what: (moves: Moves) => Promise<T>): Promise<T> {
    this.#engine.touch();
    return what(this.#running.moves);
  }

  /** True if this border gives packets for the identifier to a guest of its own, or would once it runs again. */
  isActive(nid: Nid): boolean {
    if (this.running !== undefined) return this.running.path.isHere(nid);
    const recorded = this.disk.moved.get(`${nid.hi}:${nid.lo}`);
    const configured = this.config.bindings.find((b) => b.nid.hi === nid.hi && b.nid.lo === nid.lo);
    return (recorded ?? configured)?.at === this.name;
  }

  verdicts(): Record<string, number> {
    const sums = { ...this.pastVerdicts };
    for (const [name, count] of Object.entries(this.running?.path.verdicts() ?? {}))
      sums[name] = (sums[name] ?? 0) + count;
    return sums;
  }

  get #running(): Running {
    if (this.running === undefined) throw new RangeError(`${this.name} is down`);
    return this.running;
  }

  #send(self: () => Running): SendRequest {
    return (site, request, timeoutMs) =>
      self().channels.get(site)?.request(request, timeoutMs) ??
      Promise.reject(new PeerError(`${site} is not configured`, false));
  }

  #clock(self: () => Running): MovesClock {
    return this.#engine.clock(() => self().isAlive);
  }

  #record(self: () => Running): Recorder {
    const { disk, pair } = this;
    const record = { append: (entries: readonly RecordEntry[]) => disk.append(entries, () => self().isAlive) };
    return pair?.recorder(record) ?? record;
  }

  #decisions(bindings: Bindings, self: () => Running): RegistryRecord | undefined {
    if (this.#registry === undefined) return undefined;
    return new RegistryRecord({
      site: this.name,
      record: this.#record(self),
      registries: registryThrough(this.#send(self)),
      bindings,
      isSynced: () => self().follow!.isSynced,
      clock: this.#clock(self),
      log: QUIET,
    });
  }

  #follow(bindings: Bindings, self: () => Running, moves: Moves, record: RegistryRecord): RegistryFollow {
    const none = async (): Promise<void> => {
      this.#engine.violate('the registry has what no configuration has');
    };
    return new RegistryFollow({
      site: this.name,
      registries: registryThrough(this.#send(self)),
      bindings,
      moves,
      record,
      place: none,
      withdraw: none,
      wrong: () => null,
      configured: () => [...bindings.all()].filter(({ home }) => home === this.name),
      clock: this.#clock(self),
      log: QUIET,
    });
  }

  #machine(bindings: Bindings, self: () => Running, decisions: RegistryRecord | undefined): Moves {
    return new Moves({
      site: this.name,
      bindings,
      keep: (nid, order) => this.#keep(nid, order, self()),
      holdMs: () => this.config.limits.holdMs,
      reports: { add: (report) => this.reports.push(report) },
      wall: () => this.#engine.now,
      record: decisions ?? this.#record(self),
      ...(decisions && {
        registry: {
          has: () => true,
          isSynced: () => self().follow!.isSynced,
          problem: () => self().follow!.problem,
          doubtOf: (nid) => decisions.doubtOf(nid),
          ask: (nid) => decisions.ask(nid),
        },
      }),
      apply: (moved, onOrdered) => this.#apply(moved, onOrdered, self()),
      foresee: async () => {},
      send: this.#send(self),
      isConnected: (site) => self().channels.get(site)?.isConnected ?? false,
      policy: () => this.config.policy,
      peers: () => this.config.peers.map((peer) => peer.site),
      clock: this.#clock(self),
      octets: () => this.octets,
      log: {
        info: () => {},
        warn: (fields, message) => {
          const { nid, site } = fields as { readonly nid?: string; readonly site?: string };
          if (message.startsWith('moved by force') && nid !== undefined && site !== undefined)
            this.#hooks.onForced(nid, site);
        },
      },
    });
  }

  /** The path does it a little later, the answer comes a little after that; time ends holds also where nothing arrives. */
  #keep(nid: Nid, order: KeepOrder, running: Running): Promise<KeepCounts> {
    const engine = this.#engine;
    const letGo = (): void => {
      if (!running.isAlive) return;
      engine.touch();
      this.gateway.letGo();
      if (running.path.keeper.active) engine.after(TICK_US, letGo);
    };
    return new Promise((resolve, reject) => {
      engine.after(this.#random.below(SWITCH_US), () => {
        if (!running.isAlive) return;
        engine.step(this.name, 'keeps', order.what);
        if (!running.isAlive) return;
        const isKept = running.path.keep(nid, order, engine.now, (counts) => {
          const then = { ...counts };
          engine.after(this.#random.below(SWITCH_US), () => {
            engine.touch();
            if (running.isAlive) resolve(then);
          });
        });
        if (!isKept) reject(new IlnpError('E_FULL', 'too many are kept'));
        letGo();
      });
    });
  }

  /** Store and table switch together; the promise comes a little later, as the workers' answers do. */
  #apply(moved: readonly Binding[], onOrdered: () => void, running: Running): Promise<void> {
    const engine = this.#engine;
    return new Promise((resolve) => {
      engine.after(this.#random.below(SWITCH_US), () => {
        if (!running.isAlive) return;
        for (const binding of moved) {
          running.bindings.put(binding);
          engine.trace.add(engine.now, this.name, `${binding.nid.lo.toString(16)} at ${binding.at} ${binding.epoch}`);
        }
        running.path.put(moved);
        onOrdered();
        this.#hooks.onSwitched(this, moved);
        engine.step(this.name, 'switches', '');
        engine.after(this.#random.below(SWITCH_US), () => {
          engine.touch();
          if (running.isAlive) resolve();
        });
      });
    });
  }
}
