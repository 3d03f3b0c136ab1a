/** Two controllers and three sites in one process, each with a disk of its own: who is cut off, dies or comes back at any moment. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { attend } from '../../src/registry/attend.ts';
import { Claimant } from '../../src/registry/claimant.ts';
import { RegistryClient } from '../../src/registry/client.ts';
import { type CopyAnswer, copyAnswer, copyAsk } from '../../src/registry/copied.ts';
import { TermFence } from '../../src/registry/fence.ts';
import { RegistryMirror } from '../../src/registry/mirror.ts';
import { RegistryService } from '../../src/registry/service.ts';
import { RegistryStandby } from '../../src/registry/standby.ts';
import { RegistryStore } from '../../src/registry/store.ts';
import { Witness } from '../../src/registry/witness.ts';
import { type ClaimAnswer, claimAnswer, type WitnessAsk, witnessAsk } from '../../src/registry/witnessed.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { pack, unpack } from '../../src/sites/pack.ts';

export const SITES = ['site1', 'site2', 'site3'] as const;
const after = (ms: number, run: () => void): (() => void) => {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
};
const pause = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const unreachable = (): IlnpError => new IlnpError('E_PEER_UNREACHABLE', 'not there');
/** As on the wire. */
const carried = <T>(schema: z.ZodRawShape, value: unknown): T => z.strictObject(schema).parse(unpack(pack(value))) as T;

export class Network {
  readonly folder = mkdtempSync(join(tmpdir(), 'ilnp-pair-'));
  readonly nodes: Record<'a' | 'b', Node>;
  /** Whom each site reaches at the address of the pair. */
  readonly reaches: Record<string, 'a' | 'b' | undefined> = {};
  /** Of whom no word gets through: "a-b", "site1-a". */
  readonly cuts = new Set<string>();
  readonly witnesses = new Map<string, Witness>();
  readonly #over = new AbortController();

  constructor(remembered: number) {
    this.nodes = { a: new Node(this, 'a', remembered), b: new Node(this, 'b', remembered) };
    for (const site of SITES) {
      this.witnesses.set(site, new Witness(this.folder, site));
      this.reaches[site] = 'a';
    }
  }

  async start(): Promise<void> {
    for (const node of Object.values(this.nodes)) await node.start();
    for (const [site, witness] of this.witnesses) {
      const ask = (question: WitnessAsk): Promise<ClaimAnswer> => {
        const to = this.reaches[site];
        if (to === undefined) throw unreachable();
        return this.nodes[to].claimed(site, question);
      };
      const failed = (error: unknown): void => {
        throw error;
      };
      const options = { signal: this.#over.signal, failed };
      void attend(witness, async (question) => ask(question), options);
    }
  }

  /** Asks whom `site` reaches, as a border does. */
  client(site: (typeof SITES)[number]): RegistryClient {
    const fence = new TermFence(() => this.witnesses.get(site)!.state.term);
    return new RegistryClient(async (ask) => {
      const to = this.reaches[site];
      if (to === undefined) throw new IlnpError('E_REGISTRY', 'nobody has the address');
      const { term, answer } = await this.nodes[to].answer(site, ask);
      fence.check(term);
      return answer;
    }, fence);
  }

  /** The address is at that one now. */
  give(to: 'a' | 'b'): void {
    for (const site of SITES) this.reaches[site] = to;
  }

  async remove(): Promise<void> {
    this.#over.abort();
    for (const node of Object.values(this.nodes)) if (node.isUp) await node.kill();
    rmSync(this.folder, { recursive: true });
  }
}

export class Node {
  readonly name: string;
  readonly state: string;
  store!: RegistryStore;
  witness!: Witness;
  claimant!: Claimant;
  isUp = false;
  /** How long it takes to read what is on its disk. */
  readMs = 0;
  /** It has confirmed that there is a standby, or none. */
  standbys: boolean[] = [];
  readonly #network: Network;
  readonly #remembered: number;
  #mirror!: RegistryMirror;
  #standby: RegistryStandby | undefined;
  #service: RegistryService | undefined;
  #over = new AbortController();
  #down: Promise<void> = Promise.resolve();

  constructor(network: Network, name: 'a' | 'b', remembered: number) {
    this.name = name;
    this.#network = network;
    this.#remembered = remembered;
    this.state = join(network.folder, name);
  }

  get #other(): Node {
    return this.#network.nodes[this.name === 'a' ? 'b' : 'a'];
  }

  get isServing(): boolean {
    return this.#service !== undefined;
  }

  /** It may take over. */
  get holds(): boolean {
    const { of, holders } = this.witness.state;
    return this.#standby?.copyOf === of[0] && holders.includes(this.name) && this.#other.standbys.at(-1) === true;
  }

  async start(): Promise<void> {
    this.isUp = true;
    this.standbys = [];
    this.#over = new AbortController();
    const objection = () => (this.isServing ? 'it serves itself' : '');
    this.witness = new Witness(this.state, 'r1', objection);
    const { name } = this;
    this.claimant = new Claimant({
      ...{ self: name, other: this.#other.name, witness: this.witness, after },
      sites: () => SITES,
    });
    await this.#standBy();
    const signal = this.#over.signal;
    const failed = (error: unknown): void => {
      throw error;
    };
    const ask = async (question: WitnessAsk): Promise<ClaimAnswer> => {
      this.claimant.look();
      return this.#other.claimed(name, question);
    };
    void attend(this.witness, ask, { signal, failed });
    void this.#follow(signal);
  }

  /** Serves when the witnesses let it; rejects if they do not within `withinMs`. */
  async serve({ isForced = false, withinMs = 5000 } = {}): Promise<number> {
    const { claimant } = this;
    for (const until = performance.now() + withinMs; ; await pause(2)) {
      claimant.stand(this.store.state.size, isForced);
      if (claimant.isGranted) break;
      if (performance.now() > until) {
        const why = claimant.problems.join('; ');
        claimant.withdraw();
        throw new Error(why);
      }
    }
    await this.#standby!.close();
    claimant.begin();
    const { term } = claimant;
    const overtaken = claimant.overtaken();
    await claimant.hold([this.name]);
    this.#mirror.activate();
    const service = new RegistryService(this.store, after);
    this.#service = service;
    overtaken.then(
      () => {
        this.#down = this.#standDown();
      },
      () => {},
    );
    return term;
  }

  /** Follows the other one again. */
  async #standDown(): Promise<void> {
    if (!this.isUp || !this.isServing) return;
    this.#service!.close();
    this.#service = undefined;
    this.#mirror.close();
    this.claimant.withdraw();
    await this.store.close();
    await this.#standBy();
  }

  async answer(from: string, ask: unknown): Promise<{ term: number; answer: unknown }> {
    if (!this.isUp || this.#network.cuts.has(`${from}-${this.name}`)) throw new IlnpError('E_REGISTRY', 'not there');
    const service = this.#service;
    const { term } = this.claimant;
    if (service === undefined) throw new IlnpError('E_REGISTRY', 'it does not serve');
    const answer = await service.answer('site1', unpack(pack(ask)));
    if (answer.answer !== 'swapped' && answer.answer !== 'page') await this.claimant.confirm(200);
    if (!this.isUp || this.#network.cuts.has(`${from}-${this.name}`)) throw new IlnpError('E_REGISTRY', 'it has gone');
    return { term, answer: unpack(pack(answer)) };
  }

  async claimed(from: string, ask: WitnessAsk): Promise<ClaimAnswer> {
    const { claimant } = this;
    return this.#heard(from, async () =>
      carried(claimAnswer, await claimant.answer(from, carried<WitnessAsk>(witnessAsk, ask))),
    );
  }

  /** Nothing it does from now on is heard by anybody; what it has on disk stays. */
  async kill(): Promise<void> {
    await this.#down;
    this.isUp = false;
    this.#over.abort();
    this.#service?.close();
    this.#service = undefined;
    this.#mirror.close();
    this.claimant.withdraw();
    await this.#standby?.close();
    await this.store.close();
  }

  async #standBy(): Promise<void> {
    await this.#open();
    this.#standby = new RegistryStandby(this.store, {
      state: this.state,
      name: 'r1',
      open: () => this.#open(),
      ask: (ask) => {
        const mirror = this.#other.#mirror;
        return this.#other.#heard(this.name, async () =>
          carried<CopyAnswer>(copyAnswer, await mirror.answer(carried(copyAsk, ask))),
        );
      },
      term: () => this.witness.state.term,
    });
  }

  async #open(): Promise<RegistryStore> {
    await pause(this.readMs);
    const store = await RegistryStore.open({
      state: this.state,
      name: 'r1',
      limit: 100_000,
      seed: [1, 2],
      remembered: this.#remembered,
      compactFrom: 32 << 10,
      warn: () => {}, // a half line of a kill
      written: (revision, lines) => mirror.written(revision, lines),
    });
    const mirror: RegistryMirror = new RegistryMirror({
      state: () => store.state,
      claimant: this.claimant,
      self: this.name,
      other: this.#other.name,
      onStandby: (isThere) => this.standbys.push(isThere),
      onFailed: () => {},
      after,
      goneMs: 500,
    });
    this.store = store;
    this.#mirror = mirror;
    return store;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const standby = this.#standby!;
      const isIdle = await standby.step().then(
        () => !standby.isFollowing,
        () => true,
      );
      if (isIdle) await pause(5);
    }
  }

  /** A word from the other one, or a site, and the answer back. */
  async #heard<T>(from: string, answer: () => Promise<T>): Promise<T> {
    const isCut = (): boolean =>
      !this.isUp ||
      this.#network.cuts.has(`${from}-${this.name}`) ||
      this.#network.cuts.has(`${this.name}-${from}`) ||
      (from in this.#network.nodes && !this.#network.nodes[from as 'a' | 'b'].isUp);
    await pause();
    if (isCut()) throw unreachable();
    const said = await answer();
    await pause();
    if (isCut()) throw unreachable();
    return said;
  }
}
