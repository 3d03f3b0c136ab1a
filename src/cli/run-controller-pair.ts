/**
 * A controller of a pair: stands by with a copy of the registry, and serves it as long as the address of the pair is here. Who
 * has the address is not ours to decide (keepalived, for example); whether what is here is all that was confirmed, the witnesses
 * say (src/registry/witness.ts): the sites, which ask whoever has the address, and the other controller.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ControllerConfig } from '../config/load-controller.ts';
import { AddressWatch } from '../pair/address-watch.ts';
import { attend } from '../registry/attend.ts';
import { Claimant } from '../registry/claimant.ts';
import type { CopyAnswer, CopyAsk } from '../registry/copied.ts';
import { RegistryMirror } from '../registry/mirror.ts';
import type { RegistryService } from '../registry/service.ts';
import { RegistryStandby } from '../registry/standby.ts';
import type { RegistryStore } from '../registry/store.ts';
import { Witness } from '../registry/witness.ts';
import { type ClaimAnswer, WITNESS_ASK_MS, type WitnessAsk } from '../registry/witnessed.ts';
import type { PairReply } from '../runtime/control-methods.ts';
import { type ControlMethods, ControlSocket } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';
import { errorReply, type Reply, type Request } from '../sites/messages.ts';
import { type ChannelPeer, PeerChannel } from '../sites/peer-channel.ts';
import { readSiteKey } from '../sites/site-key.ts';
import { BordersDoor } from './borders-door.ts';
import { pairMethods } from './controller-pair-methods.ts';
import { methodsOf, noController, openChannel, peersOf, reread, serviceOf } from './controller-parts.ts';
import { MONOTONIC } from './monotonic.ts';
import { openStore } from './open-store.ts';

type PairConfig = NonNullable<ControllerConfig['pair']>;

const AGAIN_MS = 100;
const LOOK_MS = 20;
/** How long a border may wait until the witnesses have said that this is still the active one. */
const CONFIRM_MS = 3000;
/** After so long without the word of the witnesses the log says so; after a failure it is tried again, as the disk may be full. */
const PATIENCE_MS = 2000;

interface RunOptions {
  readonly log: Logger;
  readonly path: string;
  readonly stopped: Promise<string>;
}

/** Runs a controller of a pair until `stopped`. */
export async function runControllerPair(
  config: ControllerConfig,
  pair: PairConfig,
  options: RunOptions,
): Promise<void> {
  const one = new ControllerOfPair(config, pair, options);
  try {
    await one.open();
    await one.run();
  } finally {
    await one.close();
  }
}

class ControllerOfPair {
  #config: ControllerConfig;
  readonly #pair: PairConfig;
  readonly #log: Logger;
  readonly #path: string;
  readonly #watch: AddressWatch;
  readonly #self: string;
  readonly #other: string;
  readonly #others: readonly ChannelPeer[];
  readonly #over = new AbortController();
  readonly #ended: Promise<string>;
  readonly #loops: Promise<unknown>[] = [];
  #witness!: Witness;
  #claimant!: Claimant;
  #mirror!: RegistryMirror;
  #standby!: RegistryStandby;
  #failed: (error: Error) => void = () => {};
  #channel: PeerChannel | undefined;
  #control: ControlSocket | undefined;
  readonly #door: BordersDoor;
  /** While it serves. */
  #served: { readonly service: RegistryService; readonly methods: ControlMethods } | undefined;
  #hasStandby = false;
  /** At the start there was nothing here: what witnesses say it holds may be what it has lost. */
  #isNew = false;
  /** The other one has said that it serves, and answers. */
  #isOtherActive = false;
  /** The operator's word that what is here is the registry. */
  #isForced = false;

  constructor(config: ControllerConfig, pair: PairConfig, { log, path, stopped }: RunOptions) {
    this.#config = config;
    this.#pair = pair;
    this.#log = log;
    this.#path = path;
    this.#watch = new AddressWatch(pair.address);
    const answer = (from: string, request: Request): Promise<Reply> => this.#answerBorder(from, request);
    this.#door = new BordersDoor(this.#watch, () => openChannel(this.#config, answer, log), log);
    this.#self = `${config.controller}~[${pair.listen.host}]:${pair.listen.port}`;
    this.#other = `${config.controller}~[${pair.peer.host}]:${pair.peer.port}`;
    this.#others = [{ site: this.#other, control: pair.peer }];
    this.#ended = stopped.then((signal) => {
      log.info({ signal }, 'stopping');
      this.#over.abort();
      return signal;
    });
  }

  async open(): Promise<void> {
    const { state, controller, keyFile, socket } = this.#config;
    this.#witness = new Witness(state, controller, (claim) => {
      if (this.#served !== undefined) return 'it serves itself';
      const { size } = this.#standby.store.state;
      return claim.isFirst && claim.entries < size ? `it has ${size} entries, the other one ${claim.entries}` : '';
    });
    this.#isNew = this.#witness.state.of[0] === 0;
    this.#claimant = new Claimant({
      ...{ self: this.#self, other: this.#other, witness: this.#witness, after: MONOTONIC.after },
      sites: () => this.#config.sites,
    });
    await this.#standBy();
    const methods = pairMethods({
      methods: () => this.#served?.methods,
      pair: () => this.#reply(),
      takeOver: () => this.#takeOver(),
    });
    this.#control = await ControlSocket.open(socket, methods);
    this.#channel = new PeerChannel({
      site: this.#self,
      key: await readSiteKey(keyFile),
      listen: this.#pair.listen,
      from: this.#pair.listen.host,
      peers: this.#others,
      answer: (from, request) => this.#answerOther(from, request).catch(errorReply),
      onConnected: () => {},
      log: this.#log,
      timing: { reconnectFirstMs: 50, reconnectLastMs: 1000 },
    });
    await this.#channel.start();
    process.on('SIGHUP', this.#reload);
    const { signal } = this.#over;
    const failed = (error: unknown): void =>
      this.#log.error({ reason: String(error) }, 'what a witness must remember cannot be written');
    this.#loops.push(
      attend(this.#witness, (ask) => this.#askClaim(ask), { signal, failed }),
      this.#follow(),
    );
    this.#log.info({ pid: process.pid }, 'standing by');
  }

  /** Serves whenever the address is here and the witnesses agree, until it is over. */
  async run(): Promise<void> {
    let sayAt: number | undefined;
    for (; !this.#over.signal.aborted; await pause(LOOK_MS)) {
      if (!this.#watch.isHere) {
        this.#isForced = false;
        this.#claimant.withdraw();
        await this.#door.close();
        await Promise.race([this.#watch.until(true), this.#ended]);
        sayAt = undefined;
        continue;
      }
      await this.#door.open();
      if (this.#door.channel === undefined) continue;
      const isLost = this.#isNew && this.#witness.state.of[0] > 0 && !this.#isForced;
      if (this.#isOtherActive || isLost) {
        this.#claimant.withdraw(); // the other one hands over when all of it is here
        continue;
      }
      this.#claimant.stand(this.#standby.store.state.size, this.#isForced);
      if (this.#claimant.isGranted) {
        if (!(await this.#serve())) await Promise.race([pause(PATIENCE_MS), this.#ended]);
        sayAt = undefined;
        continue;
      }
      sayAt ??= performance.now() + PATIENCE_MS;
      if (performance.now() < sayAt) continue;
      sayAt = Number.POSITIVE_INFINITY; // once
      const why = this.#claimant.problems;
      this.#log.warn({ why }, 'the address of the pair is here, but this controller may not serve yet');
    }
  }

  async close(): Promise<void> {
    this.#over.abort();
    process.off('SIGHUP', this.#reload);
    this.#watch.close();
    this.#claimant?.withdraw();
    await this.#door.close();
    const leaving: CopyAsk = { run: '', seq: 0, page: null, leaving: true };
    if (this.#channel !== undefined) await this.#askCopy(leaving).catch(() => {});
    await this.#channel?.close();
    await this.#control?.close();
    await Promise.all(this.#loops);
    this.#mirror?.close();
    await this.#standby?.close();
    await this.#standby?.store.close();
  }

  /** Serves from a term of its own until the address has gone, another term begins, or it is over; false if it could not begin. */
  async #serve(): Promise<boolean> {
    const claimant = this.#claimant;
    const standby = this.#standby;
    await standby.close(); // nothing of the other one is taken any more
    const { store } = standby;
    let isOver = false;
    const ends: Promise<string>[] = [
      this.#handOver(() => isOver),
      this.#ended,
      new Promise((resolve) => {
        this.#failed = (error) => resolve(error.message);
      }),
      claimant.overtaken().then(
        () => 'another term has begun',
        () => '',
      ),
    ];
    let service: RegistryService | undefined;
    try {
      claimant.begin();
      this.#isNew = false;
      this.#isForced = false;
      const { term } = claimant;
      const held = await Promise.race([claimant.hold([this.#self]).then(() => null, String), ...ends]);
      if (held !== null) {
        this.#log.warn({ term, why: held }, 'it does not serve');
        return false;
      }
      this.#mirror.activate();
      service = serviceOf(store, () => this.#config);
      this.#served = { service, methods: methodsOf(() => this.#config, { store, channel: () => this.#door.channel }) };
      this.#log.info({ entries: store.state.size, revision: store.state.revision, term, pid: process.pid }, 'ready');
      this.#log.info({ why: await Promise.race(ends) }, 'serves no more');
      return true;
    } catch (error) {
      this.#log.error({ reason: String(error) }, 'it does not serve');
      return false;
    } finally {
      isOver = true;
      this.#served = undefined;
      this.#mirror.close(); // nothing is confirmed any more
      claimant.withdraw();
      service?.close();
      await store.close();
      await this.#standBy();
    }
  }

  /** Resolves when the address has gone and the other one has all that is here; until then that one copies. */
  async #handOver(isOver: () => boolean): Promise<string> {
    for (;;) {
      await this.#watch.until(false);
      if (isOver()) return '';
      this.#log.info({}, 'the address of the pair is not here any more');
      await this.#door.close();
      while (!this.#watch.isHere) {
        if (this.#hasStandby || isOver()) return 'the other controller has all';
        await pause(LOOK_MS);
      }
      await this.#door.open();
    }
  }

  /** What is on disk, to be followed, or served. */
  async #standBy(): Promise<void> {
    const { state, controller: name } = this.#config;
    this.#hasStandby = false;
    this.#standby = new RegistryStandby(await this.#open(), {
      state,
      name,
      open: () => this.#open(),
      ask: (ask) => this.#askCopy(ask),
      term: () => this.#witness.state.term,
    });
  }

  async #open(): Promise<RegistryStore> {
    const written = (revision: number, lines: readonly string[]): Promise<void> => mirror.written(revision, lines);
    const store = await openStore(this.#config.controller, this.#config, this.#log, written);
    const mirror: RegistryMirror = new RegistryMirror({
      state: () => store.state,
      claimant: this.#claimant,
      self: this.#self,
      other: this.#other,
      onStandby: (isThere) => {
        this.#hasStandby = isThere;
        this.#log.info(
          {},
          isThere ? 'there is a standby' : 'there is no standby: what is confirmed is on one disk only',
        );
      },
      onFailed: (error) => this.#failed(error),
      after: MONOTONIC.after,
    });
    this.#mirror?.close();
    this.#mirror = mirror;
    return store;
  }

  /** Takes what the other one has while it serves. */
  async #follow(): Promise<void> {
    let problem = '';
    while (!this.#over.signal.aborted) {
      const standby = this.#standby;
      try {
        if (this.#served === undefined) await standby.step();
        if (standby.copyOf > 0) this.#isNew = false;
        problem = '';
      } catch (error) {
        const reason = String(error);
        const isSilent = (error as IlnpError).code === 'E_PEER_UNREACHABLE';
        const isNews = reason !== problem && !isSilent;
        if (isNews && standby === this.#standby) this.#log.warn({ reason }, 'the copy cannot go on');
        problem = reason;
        // A copy is made anew after a failure, all of it: not over and over while the disk is full.
        if (!isSilent) await Promise.race([pause(PATIENCE_MS), this.#ended]);
      }
      if (problem !== '' || !standby.isFollowing || this.#served !== undefined) await pause(AGAIN_MS);
    }
  }

  async #answerBorder(from: string, request: Request): Promise<Reply> {
    if (request.kind === 'witness') {
      if (!this.#isOtherActive) return { kind: 'claim', ...(await this.#claimant.answer(from, request)) };
      return this.#channel!.send(this.#other, { ...request, whose: from }, WITNESS_ASK_MS);
    }
    if (request.kind !== 'registry') throw noController(this.#config);
    const { term } = this.#claimant;
    const service = this.#served?.service;
    if (service === undefined) throw new IlnpError('E_REGISTRY', 'this controller has not taken over yet');
    if ((request.term ?? 0) > term) throw new IlnpError('E_REGISTRY', `term ${term} is over`);
    const answer = await service.answer(from, request.ask);
    // What was swapped is confirmed already, and who watches hears late by nature.
    const isWatch = (request.ask as { ask: string }).ask === 'watch';
    if (answer.answer !== 'swapped' && !isWatch) await this.#claimant.confirm(CONFIRM_MS);
    return { kind: 'registry', term, answer };
  }

  async #answerOther(from: string, request: Request): Promise<Reply> {
    if (request.kind === 'witness')
      return { kind: 'claim', ...(await this.#claimant.answer(request.whose ?? from, request)) };
    if (request.kind === 'copy') return { kind: 'copied', ...(await this.#mirror.answer(request)) };
    throw noController(this.#config);
  }

  #askCopy(ask: CopyAsk): Promise<CopyAnswer> {
    return this.#askOther({ kind: 'copy', ...ask }, WITNESS_ASK_MS, 'copied');
  }

  async #askClaim(ask: WitnessAsk): Promise<ClaimAnswer> {
    this.#claimant.look(); // this witness may have heard of another term
    try {
      const { run, version, claim } = await this.#askOther({ kind: 'witness', ...ask }, WITNESS_ASK_MS, 'claim');
      this.#isOtherActive = (claim?.holders ?? null) !== null && claim!.term >= this.#witness.state.term;
      return { run, version, claim };
    } catch (error) {
      this.#isOtherActive = false;
      throw error;
    }
  }

  async #askOther<K extends Reply['kind']>(request: Request, withinMs: number, kind: K) {
    const reply = await this.#channel!.send(this.#other, request, withinMs);
    if (reply.kind === kind) return reply as Extract<Reply, { kind: K }>;
    throw new IlnpError('E_PROTOCOL', `the other controller answered ${reply.kind}`);
  }

  readonly #reload = (): void => {
    const take = (next: ControllerConfig, key: Uint8Array): void => {
      this.#config = next;
      this.#door.channel?.setPeers(peersOf(next), key);
      this.#channel?.setPeers(this.#others, key);
    };
    void reread(this.#path, this.#config, take, this.#log);
  };

  /** The operator's word. */
  #takeOver(): void {
    const { address } = this.#pair;
    if (!this.#watch.isHere)
      throw new IlnpError('E_STANDBY', `the address ${address} is not here; give it to this machine first`);
    if (this.#isOtherActive) throw new IlnpError('E_STANDBY', 'the other controller serves: stop it first');
    if (this.#served === undefined) this.#isForced = true;
  }

  #reply(): PairReply {
    const { term, of, holders } = this.#witness.state;
    if (this.#served !== undefined) return { role: 'active', isReady: this.#hasStandby, term, problems: [] };
    const problems = this.#watch.isHere && !this.#isOtherActive ? this.#claimant.problems : [];
    const isReady = holders.includes(this.#self) && this.#standby.copyOf === of[0];
    return { role: 'standby', isReady, term, problems };
  }
}
