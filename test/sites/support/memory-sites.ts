/**
 * Several borders in one process: virtual time, a network that loses, repeats and delays, disks that survive crashes and
 * sometimes refuse. All from one seed. After every switch it is checked that no identifier is active at two sites.
 */
import { expect } from 'vitest';
import type { PolicyRule } from '../../../src/config/site-config.ts';
import type { Binding } from '../../../src/ilnp/bindings.ts';
import { type KeepCounts, type KeepOrder, noCounts } from '../../../src/ilnp/keeping.ts';
import { RegistryClient } from '../../../src/registry/client.ts';
import { MemoryRegistry } from '../../../src/registry/memory.ts';
import type { Ask } from '../../../src/registry/messages.ts';
import type { RegistryOfRange } from '../../../src/registry/ranges.ts';
import { RegistryService } from '../../../src/registry/service.ts';
import { IlnpError } from '../../../src/runtime/errors.ts';
import { type Change, parseReply, parseRequest, type Reply, type Request } from '../../../src/sites/messages.ts';
import { type OpenDecision, type RecordEntry, replay } from '../../../src/sites/move-record.ts';
import type { MoveReport } from '../../../src/sites/move-report.ts';
import { Moves } from '../../../src/sites/moves.ts';
import type { MovesClock } from '../../../src/sites/moves-world.ts';
import { nidKey } from '../../../src/sites/nid-key.ts';
import { PeerError } from '../../../src/sites/peer-error.ts';
import { RegistryFollow } from '../../../src/sites/registry-follow.ts';
import { RegistryRecord } from '../../../src/sites/registry-record.ts';
import { formatNid, type Nid } from '../../../src/wire/text.ts';

/** Small seeded generator (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Milliseconds that pass only when everything has been done that was due. */
class VirtualTime {
  now = 0;
  #order = 0;
  #planned: Planned[] = [];

  after(ms: number, run: () => void): () => void {
    const planned = { at: this.now + ms, order: this.#order++, run };
    this.#planned.push(planned);
    return () => {
      this.#planned = this.#planned.filter((one) => one !== planned);
    };
  }

  /** Runs until nothing is planned or the time is reached. */
  async runUntil(end: number): Promise<void> {
    for (;;) {
      await new Promise(setImmediate);
      let next: Planned | undefined;
      for (const one of this.#planned) {
        if (next === undefined || one.at < next.at || (one.at === next.at && one.order < next.order)) next = one;
      }
      if (next === undefined || next.at > end) break;
      this.#planned = this.#planned.filter((one) => one !== next);
      this.now = next.at;
      next.run();
    }
    if (Number.isFinite(end)) this.now = Math.max(this.now, end);
  }
}

export interface Faults {
  loss: number;
  repeat: number;
  /** Milliseconds; beyond 2000 a message outlives its request. */
  delay: number;
  diskRefuses: number;
}

const HOLD_MS = 3000;

export const NO_FAULTS: Faults = { loss: 0, repeat: 0, delay: 1, diskRefuses: 0 };

interface Running {
  readonly moves: Moves;
  readonly follow: RegistryFollow | undefined;
  readonly decisions: RegistryRecord | undefined;
  readonly table: Map<string, Binding>;
  /** Identifiers whose packets wait; called to forget the end of their time. */
  readonly held: Map<string, () => void>;
  /** What it has set a timer for; those that it cancels and those that have run are gone. */
  readonly timers: Set<() => void>;
  alive: boolean;
}

class Site {
  readonly name: string;
  moved = new Map<string, Change>();
  open = new Map<string, OpenDecision>();
  running: Running | undefined;
  policy: readonly PolicyRule[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

/** Segments that every site lets go towards another one. */
export const LET_GO = 5;

export class MemorySites {
  readonly time = new VirtualTime();
  readonly sites = new Map<string, Site>();
  readonly configured: readonly Binding[];
  readonly #random: () => number;
  /** "site key" pairs that may be wrong until they hear: declared dead by an operator, or without their disk. */
  readonly #outlaws = new Set<string>();
  faults: Faults = NO_FAULTS;
  /** A write takes so long at most. */
  diskMs = 3;
  /** Sites whose disk is full. */
  readonly full = new Set<string>();
  octets = 0;
  requests: string[] = [];
  /** Holds that nobody ended before their time was over. */
  expired = 0;
  readonly reports: Omit<MoveReport, 'id'>[] = [];
  /** The last order to let go, by site. */
  readonly released = new Map<string, KeepOrder & { readonly what: 'release' }>();

  /** The registry of all sites, when there is one; it forgets nothing when it dies, as store.ts does not. */
  readonly registry: MemoryRegistry | undefined;
  #service: RegistryService | undefined;

  constructor(names: readonly string[], bindings: readonly Binding[], random: () => number, hasRegistry = false) {
    this.configured = bindings;
    this.#random = random;
    if (hasRegistry) {
      this.registry = new MemoryRegistry({ now: () => this.time.now, seed: [1, 2], limit: 1000, remembered: 16 });
      this.startRegistry();
    }
    for (const name of names) this.sites.set(name, new Site(name));
    for (const name of names) this.start(name);
  }

  /** Lets time pass, milliseconds. */
  pass(ms: number): Promise<void> {
    return this.time.runUntil(this.time.now + ms);
  }

  /** What became of a promise after some time. */
  async outcomeIn(ms: number, promise: Promise<unknown>): Promise<string> {
    let outcome = 'under way';
    promise.then(
      () => {
        outcome = 'done';
      },
      (error) => {
        outcome = `${error.code}: ${error.message}`;
      },
    );
    await this.pass(ms);
    return outcome;
  }

  moves(name: string): Moves {
    const { running } = this.sites.get(name)!;
    if (running === undefined) throw new Error(`${name} is down`);
    return running.moves;
  }

  isUp(name: string): boolean {
    return this.sites.get(name)!.running !== undefined;
  }

  /** The configuration of a site has it no more. */
  forget(name: string, nid: Nid): void {
    this.sites.get(name)!.running!.table.delete(nidKey(nid));
  }

  /** What this border forwards by; undefined while it is down. */
  binding(name: string, nid: Nid): Binding | undefined {
    return this.sites.get(name)!.running?.table.get(nidKey(nid));
  }

  /** Starts a border from its configuration and its disk; connections come up after a while. */
  start(name: string): void {
    const site = this.sites.get(name)!;
    const table = new Map<string, Binding>();
    for (const binding of this.configured) {
      const key = nidKey(binding.nid);
      table.set(key, { ...binding, ...site.moved.get(key) });
    }
    const decisions = this.#decisions(site, table, () => running);
    const moves = this.#machine(site, table, () => running, decisions);
    const follow = decisions && this.#follow(site, table, () => running, moves, decisions);
    const running: Running = { moves, follow, decisions, table, held: new Map(), timers: new Set(), alive: true };
    site.running = running;
    this.checkOneActive();
    running.moves.start([...site.open.values()], [...site.moved.values()]);
    follow?.start();
    for (const other of this.sites.keys()) {
      if (other === name) continue;
      this.connect(name, other);
      this.connect(other, name);
    }
  }

  /** The process dies: its table and all it was about to do are gone. */
  crash(name: string): void {
    const site = this.sites.get(name)!;
    if (site.running === undefined) return;
    site.running.alive = false;
    site.running.moves.close();
    site.running.decisions?.close();
    void site.running.follow?.close();
    site.running = undefined;
  }

  /** The registry's process begins (again); what it had, it has. */
  startRegistry(): void {
    this.#service ??= new RegistryService(this.registry!, (ms, run) => this.time.after(ms, run));
  }

  killRegistry(): void {
    this.#service?.close();
    this.#service = undefined;
  }

  /** The disk is lost too. */
  wipe(name: string): void {
    const site = this.sites.get(name)!;
    this.crash(name);
    site.moved = new Map();
    site.open = new Map();
    // Beyond what is promised: until it has heard of the newest epoch it believes its configuration.
    for (const { nid } of this.configured) this.#outlaws.add(`${name} ${nidKey(nid)}`);
  }

  /** The connection that `from` opens to `to` comes up (again). */
  connect(from: string, to: string): void {
    this.time.after(1 + this.#random() * 200, () => {
      if (this.isUp(from) && this.isUp(to)) this.moves(from).connected(to);
    });
  }

  /** Everything works again; runs until nobody has anything left to do. */
  async heal(): Promise<void> {
    this.faults = NO_FAULTS;
    if (this.registry !== undefined) this.startRegistry();
    for (const name of this.sites.keys()) if (!this.isUp(name)) this.start(name);
    for (const from of this.sites.keys()) for (const to of this.sites.keys()) if (from !== to) this.connect(from, to);
    await this.time.runUntil(this.time.now + 120_000);
  }

  /** Sites that forward to guests of their own for this identifier; those that are down would, once back. */
  active(nid: Nid): string[] {
    const key = nidKey(nid);
    const configured = this.configured.find((binding) => nidKey(binding.nid) === key)!;
    return [...this.sites.values()]
      .filter(({ name, running, moved }) => (running?.table.get(key) ?? moved.get(key) ?? configured).at === name)
      .map((site) => site.name);
  }

  checkOneActive(): void {
    for (const { nid } of this.configured) {
      const lawful = this.active(nid).filter((name) => !this.#outlaws.has(`${name} ${nidKey(nid)}`));
      if (lawful.length > 1)
        throw new Error(`${formatNid(nid)} is active at ${lawful.join(' and ')} at ${this.time.now} ms`);
    }
  }

  #clock(self: () => Running): MovesClock {
    return {
      now: () => this.time.now * 1000,
      after: (ms, run) => {
        const { timers } = self();
        const cancel = this.time.after(ms, () => {
          timers.delete(run);
          if (self().alive) run();
        });
        timers.add(run);
        return () => {
          timers.delete(run);
          cancel();
        };
      },
    };
  }

  #registries(site: Site, self: () => Running): RegistryOfRange[] {
    const range = { from: { hi: 0, lo: 0 }, to: { hi: 0xffff_ffff, lo: 0xffff_ffff } };
    const ask = (question: Ask, timeoutMs: number): Promise<unknown> =>
      this.#ask(site.name, question, { timeoutMs, sender: self() });
    return [{ range, registry: new RegistryClient(ask) }];
  }

  #decisions(site: Site, table: Map<string, Binding>, self: () => Running): RegistryRecord | undefined {
    if (this.registry === undefined) return undefined;
    return new RegistryRecord({
      site: site.name,
      record: { append: (entries) => this.#append(site, entries, self()) },
      registries: this.#registries(site, self),
      bindings: { get: (nid) => table.get(nidKey(nid)), all: () => table.values() },
      isSynced: () => self().follow!.isSynced,
      clock: this.#clock(self),
      log: { info: () => {}, warn: () => {} },
    });
  }

  #follow(site: Site, table: Map<string, Binding>, self: () => Running, moves: Moves, record: RegistryRecord) {
    const never = (what: string) => (): never => {
      throw new Error(`nothing is ${what} here`);
    };
    return new RegistryFollow({
      site: site.name,
      registries: this.#registries(site, self),
      bindings: { get: (nid) => table.get(nidKey(nid)), all: () => table.values() },
      moves,
      record,
      place: never('placed'),
      withdraw: never('withdrawn'),
      wrong: () => null,
      configured: () =>
        this.configured.filter(({ home }) => home === site.name).map(({ nid }) => table.get(nidKey(nid))!),
      clock: this.#clock(self),
      log: { info: () => {}, warn: () => {} },
    });
  }

  /** A question of a site to the registry and its answer, on ways that lose, repeat and delay. */
  #ask(from: string, question: Ask, how: { timeoutMs: number; sender: Running }): Promise<unknown> {
    const { timeoutMs, sender } = how;
    return new Promise((resolve, reject) => {
      this.time.after(timeoutMs, () => sender.alive && reject(new PeerError('the registry does not answer', true)));
      this.#carry(() => {
        const service = this.#service;
        if (service === undefined) return;
        const alive = (): boolean => service === this.#service && sender.alive;
        service.answer(from, structuredClone(question)).then(
          (answer) => this.#carry(() => alive() && resolve(structuredClone(answer))),
          (error: unknown) => this.#carry(() => alive() && reject(error)),
        );
      });
    });
  }

  #machine(site: Site, table: Map<string, Binding>, self: () => Running, decisions?: RegistryRecord): Moves {
    return new Moves({
      site: site.name,
      bindings: { get: (nid) => table.get(nidKey(nid)), all: () => table.values() },
      record: decisions ?? { append: (entries) => this.#append(site, entries, self()) },
      ...(decisions && {
        registry: {
          has: () => true,
          isSynced: () => self().follow!.isSynced,
          problem: () => self().follow!.problem,
          doubtOf: (nid) => decisions.doubtOf(nid),
          ask: (nid) => decisions.ask(nid),
        },
      }),
      keep: (nid, order) => {
        if (order.what === 'release') this.released.set(site.name, order);
        return this.#keep(nid, order, site.name, self());
      },
      holdMs: () => HOLD_MS,
      reports: { add: (report) => this.reports.push(report) },
      wall: () => this.time.now * 1000,
      apply: (bindings, onOrdered) => this.#apply(site, bindings, { onOrdered, running: self() }),
      foresee: async () => {},
      send: (to, request, timeoutMs = 2000) => this.#send(site.name, to, request, { timeoutMs, sender: self() }),
      isConnected: (to) => this.isUp(to),
      policy: () => site.policy,
      peers: () => [...this.sites.keys()].filter((name) => name !== site.name),
      clock: this.#clock(self),
      octets: () => this.octets,
      log: {
        info: () => {},
        warn: (fields, message) => {
          if (!message.startsWith('moved by force')) return;
          const { nid, site: dead } = fields as { nid: string; site: string };
          const { nid: number } = this.configured.find((binding) => formatNid(binding.nid) === nid)!;
          this.#outlaws.add(`${dead} ${nidKey(number)}`);
        },
      },
    });
  }

  /** Sites that run and let packets for this identifier wait. */
  holding(nid: Nid): string[] {
    return [...this.sites.values()].filter(({ running }) => running?.held.has(nidKey(nid))).map(({ name }) => name);
  }

  #keep(nid: Nid, order: KeepOrder, name: string, running: Running): Promise<KeepCounts> {
    return new Promise((resolve) => {
      this.time.after(this.#random(), () => {
        if (!running.alive) return;
        const key = nidKey(nid);
        // as if one packet had waited in every hold; who has forgotten it has kept none
        const counts = { ...noCounts(), held: order.what === 'end' && running.held.has(key) ? 1 : 0 };
        if (order.what === 'release' && running.table.get(key)?.at !== name) counts.letGo = LET_GO;
        if (order.what === 'hold' || order.what === 'release' || order.what === 'end') {
          running.held.get(key)?.();
          running.held.delete(key);
        }
        if (order.what === 'hold') {
          const cancel = this.time.after(order.ms, () => {
            if (running.held.delete(key) && running.alive) this.expired++;
          });
          running.held.set(key, cancel);
        }
        this.time.after(this.#random(), () => running.alive && resolve(counts));
      });
    });
  }

  /** The disks write in order; a crash may come before or after the entries are on them. */
  #append(site: Site, entries: readonly RecordEntry[], running: Running): Promise<void> {
    const copy = structuredClone(entries);
    const refuses = this.#random() < this.faults.diskRefuses || this.full.has(site.name);
    return new Promise((resolve, reject) => {
      this.#inOrder(running, () => {
        if (refuses) return reject(new IlnpError('E_STATE', 'no space left on device'));
        for (const entry of copy) replay(entry, site.moved, site.open);
        this.time.after(this.#random() * 2, () => running.alive && resolve());
      });
    });
  }

  readonly #diskFree = new Map<Running, number>();

  #inOrder(running: Running, write: () => void): void {
    const at = Math.max(this.#diskFree.get(running) ?? 0, this.time.now + this.#random() * this.diskMs);
    this.#diskFree.set(running, at);
    this.time.after(at - this.time.now, () => running.alive && write());
  }

  #apply(
    site: Site,
    bindings: readonly Binding[],
    { onOrdered, running }: { onOrdered: () => void; running: Running },
  ): Promise<void> {
    return new Promise((resolve) => {
      this.time.after(this.#random() * 2, () => {
        if (!running.alive) return;
        for (const binding of bindings) {
          const key = nidKey(binding.nid);
          expect(binding.epoch).toBeGreaterThan(running.table.get(key)!.epoch);
          running.table.set(key, binding);
          this.#outlaws.delete(`${site.name} ${key}`);
        }
        this.checkOneActive();
        onOrdered();
        this.time.after(this.#random() * 2, () => running.alive && resolve());
      });
    });
  }

  #send(from: string, to: string, request: Request, how: { timeoutMs: number; sender: Running }): Promise<Reply> {
    const { timeoutMs, sender } = how;
    this.requests.push(`${from} ${to} ${request.kind}`);
    return new Promise((resolve, reject) => {
      if (!this.isUp(to) && this.#random() < 0.5) return reject(new PeerError(`${to} is not connected`, false));
      this.time.after(timeoutMs, () => sender.alive && reject(new PeerError(`${to} does not answer`, true)));
      this.#carry(() => {
        const { running } = this.sites.get(to)!;
        void running?.moves.handle(from, parseRequest(structuredClone(request))).then((reply) => {
          if (!running.alive) return;
          this.#carry(() => {
            if (!sender.alive) return;
            const answer = parseReply(structuredClone(reply));
            if (answer.kind === 'error') reject(new IlnpError(answer.code, `${to}: ${answer.message}`));
            else resolve(answer);
          });
        });
      });
    });
  }

  /** Brings a message to its end never, once, or twice. */
  #carry(deliver: () => void): void {
    this.octets += 100;
    if (this.#random() < this.faults.loss) return;
    const copies = this.#random() < this.faults.repeat ? 2 : 1;
    for (let i = 0; i < copies; i++) this.time.after(1 + this.#random() ** 3 * this.faults.delay, deliver);
  }
}
