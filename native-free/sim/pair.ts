/**
 * A simulated pair of borders: the production mirror and copy (src/pair), each border with a disk of its own, and the address
 * that keepalived gives to the other one when the active one dies.
 */
import { Mirror } from '../../src/pair/mirror.ts';
import type { Recorder } from '../../src/sites/binding-writer.ts';
import { errorReply, type Reply, type Request } from '../../src/sites/messages.ts';
import type { SimBorder } from './border.ts';
import type { ControlEnd, ControlLines } from './control.ts';
import { SimDisk } from './disk.ts';
import type { Engine } from './engine.ts';
import { SimStandby } from './standby.ts';

/** Until keepalived has noticed, and a border has started. */
const FAILOVER_US = 350_000;

export class SimPair {
  /** How often the other border took over. */
  failovers = 0;
  readonly #engine: Engine;
  readonly #lines: ControlLines;
  readonly #border: SimBorder;
  readonly #end: ControlEnd;
  #mirror: Mirror | undefined;
  #standby: SimStandby | undefined;
  /** The disk of the one that is not active. */
  #other: SimDisk;
  #lives = 0;
  #hasStandby = false;
  #isTakingOver = false;

  constructor(border: SimBorder, engine: Engine, lines: ControlLines) {
    this.#border = border;
    this.#engine = engine;
    this.#lines = lines;
    const { words, appendUs } = border.disk;
    this.#other = new SimDisk(engine, `${border.name} 2`, { words: words.length, appendUs });
    this.#other.onSettled = border.disk.onSettled;
    const { life, isUp, isPowered } = border.end;
    const handle = (_: string, request: Request): Promise<Reply> => this.#answer(request);
    this.#end = { name: `${border.name}~active`, life, isUp, isPowered, handle, connected: () => {} };
    this.reviveStandby();
  }

  /** Nothing is told to others before the standby has it, too. */
  recorder(record: Recorder): Recorder {
    return this.#mirror?.recorder(record) ?? record;
  }

  /** The border begins. */
  begin(): void {
    const { disk } = this.#border;
    this.#mirror = new Mirror({
      run: `${this.#border.crashes}`,
      moves: disk.record,
      sessions: disk.sessions,
      spoken: () => [],
      onStandby: (isThere) => {
        this.#hasStandby = isThere;
      },
      clock: this.#engine.clock(),
    });
  }

  /** The machine of the active border dies. A standby with a whole copy takes over; two faults at a time are too many. */
  kill(): void {
    const border = this.#border;
    const isReady = this.#hasStandby && this.#standby?.isWhole;
    this.#hasStandby = false;
    if (border.running === undefined) return;
    border.crash(true);
    this.#mirror?.close();
    if (!isReady) return;
    this.#isTakingOver = true;
    this.#engine.after(FAILOVER_US, () => this.#takeOver());
  }

  /** A machine that died is there again: as the standby, unless nobody has taken over. */
  revive(): void {
    const { running, peers } = this.#border;
    if (running === undefined && !this.#isTakingOver) this.#border.start(peers);
    else if (!this.#isTakingOver) this.reviveStandby();
    else this.#engine.after(FAILOVER_US, () => this.revive());
  }

  killStandby(): void {
    if (this.#isTakingOver) return;
    this.#standby?.stop();
    this.#standby = undefined;
  }

  reviveStandby(): void {
    if (this.#standby !== undefined || this.#isTakingOver) return;
    const { name: site } = this.#border;
    const [engine, lines, active, disk] = [this.#engine, this.#lines, this.#end, this.#other];
    this.#standby = new SimStandby({ engine, lines, site, active, disk, life: this.#lives++ });
  }

  #takeOver(): void {
    const border = this.#border;
    this.#isTakingOver = false;
    this.#standby!.stop();
    this.#standby = undefined;
    [border.disk, this.#other] = [this.#other, border.disk];
    this.failovers++;
    border.start(border.peers);
  }

  async #answer(request: Request): Promise<Reply> {
    try {
      if (request.kind !== 'mirror') throw new RangeError('a standby asks for a copy and nothing else');
      const answer = await this.#mirror!.answer(request);
      this.#engine.touch();
      return { kind: 'mirrored', ...answer };
    } catch (error) {
      return errorReply(error);
    }
  }
}
