/**
 * Whoever moves the guests: carries a guest over, then says so with `ilnp move`, one move of a guest at a time. If that
 * fails, the guest goes back to where its home says it is.
 */
import type { Moves } from '../../src/sites/moves.ts';
import type { SimBorder } from './border.ts';
import type { Station, World } from './world.ts';

/** How often the operator looks whether home has made up its mind. */
const LOOK_US = 100_000;
/** Reason: longer than the way from home over the old site to the guest in any scenario that promises no loss. */
const BEFORE_PAUSE_US = 50_000;
/** How much later than a guest has stopped its border hears of it, and how far back it keeps copies. */
const NEWS_US = 2000;
/** How much later than a guest has stopped its new site may hear that it comes; at most half of what it takes to carry it. */
const LATE_NEWS_US = 6000;
const COPIES_MS = 200;
/** How long a move whose outcome nobody told may still be carried out: longer than home's own time-outs. */
const FOLLOW_US = 20e6;

export interface MoveOrder {
  readonly guest: string;
  readonly to: string;
  readonly by: string | undefined;
  readonly force: boolean;
  readonly downtimeMs: number;
  /**
   * Whether packets wait: not at all, while the borders switch, from before the guest is taken away (`paused`: home hears when it
   * is), or from when its hypervisor has said that it stopped (`told`: that of the new site has said before that it may come;
   * `late`: it says so afterwards).
   */
  readonly hold: 'no' | 'switch' | 'pause' | 'paused' | 'stop' | 'told' | 'late';
  /** After which step it is called off; the guest stays, or goes back. */
  readonly callOff?: 'prepared' | 'held' | undefined;
}

/** What became of a move. */
export interface MoveReport {
  readonly guest: string;
  readonly from: string;
  readonly to: string;
  /** Microseconds: when the guest was taken away, and when the borders were done. */
  readonly at: number;
  doneAt: number;
  state: 'done' | 'failed' | 'called off' | 'under way';
  /** Epoch of what was done. */
  epoch: number;
  /** Why it failed. */
  why: string;
  /** Signalling octets. */
  octets: number;
  /** How long borders took to agree, milliseconds. */
  agreementMs: number;
}

export class Operator {
  readonly moves: MoveReport[] = [];
  readonly #world: World;
  readonly #waiting = new Map<string, MoveOrder[]>();
  readonly #busy = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  get isIdle(): boolean {
    return this.#busy.size === 0;
  }

  /** Moves a guest as soon as its earlier moves are over. */
  order(order: MoveOrder): void {
    const waiting = this.#waiting.get(order.guest) ?? [];
    this.#waiting.set(order.guest, waiting);
    waiting.push(order);
    if (!this.#busy.has(order.guest)) this.#next(order.guest);
  }

  #next(guest: string): void {
    const order = this.#waiting.get(guest)?.shift();
    if (order === undefined) {
      this.#busy.delete(guest);
      return;
    }
    this.#busy.add(guest);
    const world = this.#world;
    const { engine } = world;
    const station = world.station(guest);
    const report: MoveReport = {
      guest,
      from: station.at ?? '',
      to: order.to,
      at: engine.now,
      doneAt: engine.now,
      state: 'under way',
      epoch: 0,
      why: '',
      octets: 0,
      agreementMs: 0,
    };
    this.moves.push(report);
    engine.trace.add(engine.now, guest, `moves from ${report.from} to ${order.to}`);
    void this.#hold(order, station).then(() => {
      engine.touch();
      if (order.callOff === 'prepared') return void this.#callOff(order, station, report);
      // what has passed the borders before packets waited reaches it
      engine.after(order.hold === 'pause' || order.hold === 'paused' ? BEFORE_PAUSE_US : 0, () => {
        world.detach(station);
        if (isTold(order)) this.#stop(order, station, report.from);
        if (order.hold === 'late')
          engine.after(Math.min(LATE_NEWS_US, order.downtimeMs * 500), () => void this.#mayCome(order, station));
        if (order.hold === 'paused')
          void this.#ask(order, station, (moves) => moves.step(station.guest!.nid, 'stopped'));
        engine.after(order.downtimeMs * 1000, () => {
          world.attach(station, order.callOff === undefined ? order.to : report.from);
          if (order.callOff === undefined) this.#tell(order, station, report);
          else void this.#callOff(order, station, report);
        });
      });
    });
  }

  /** Lets packets wait before the guest is taken away, as `ilnp move --run` does; when that fails, it goes without. */
  async #hold(order: MoveOrder, station: Station): Promise<void> {
    const { nid } = station.guest!;
    const { to } = order;
    if (order.hold === 'told') await this.#mayCome(order, station);
    if (isTold(order)) await this.#ask({ ...order, by: station.at }, station, (moves) => moves.retain(nid, COPIES_MS));
    if (order.hold !== 'pause' && order.hold !== 'paused') return;
    await this.#ask(order, station, async (moves) => {
      await moves.step(nid, 'prepare', { to });
      if (order.callOff !== 'prepared') await moves.step(nid, 'hold');
    });
  }

  /** The hypervisor of the new site tells that the guest is on its way. */
  #mayCome(order: MoveOrder, station: Station): Promise<void> {
    const { to } = order;
    return this.#ask({ ...order, by: to }, station, (moves) => moves.step(station.guest!.nid, 'prepare', { to }));
  }

  /** The hypervisor of the site tells that the guest has stopped, a little after it has. */
  #stop(order: MoveOrder, station: Station, by: string): void {
    const { engine } = this.#world;
    const at = engine.now;
    engine.after(NEWS_US, () => {
      void this.#ask({ ...order, by }, station, (moves) => moves.stopped(station.guest!.nid, at, 'hypervisor'));
    });
  }

  /** Calls a move off; whether anybody hears it or not, it is not carried out. One before it still may be. */
  async #callOff(order: MoveOrder, station: Station, report: MoveReport): Promise<void> {
    const { engine } = this.#world;
    await this.#ask(order, station, (moves) => moves.step(station.guest!.nid, 'abort'));
    report.state = 'called off';
    report.doneAt = engine.now;
    this.#follow(order, station);
  }

  /** Resolves when a border has done it, refused it, or died. */
  async #ask(order: MoveOrder, station: Station, what: (moves: Moves) => Promise<void>): Promise<void> {
    const asked = this.#asked(order, station);
    if (asked === undefined) return;
    const { engine } = this.#world;
    const lives = asked.crashes;
    await new Promise<void>((over) => {
      let isOver = false;
      const end = (): void => {
        isOver = true;
        over();
      };
      const look = (): void => {
        if (asked.crashes !== lives) {
          engine.touch();
          end();
        } else if (!isOver) engine.after(LOOK_US, look);
      };
      asked.ask(what).then(end, end);
      look();
    });
  }

  #tell(order: MoveOrder, station: Station, report: MoveReport): void {
    const world = this.#world;
    const { engine } = world;
    const asked = this.#asked(order, station);
    if (asked === undefined) {
      this.#failed(order, station, report, 'no border is running');
      return;
    }
    const lives = asked.crashes;
    const started = engine.now;
    let isOver = false;
    const over = (): boolean => {
      const first = !isOver;
      isOver = true;
      return first;
    };
    const { nid } = station.guest!;
    const moved = asked.ask(async (moves) => {
      if (isTold(order)) await moves.expect(nid);
      return moves.move(nid, order.to, { force: order.force, hold: order.hold !== 'no' });
    });
    moved.then(
      (result) => {
        if (asked.crashes !== lives || !over()) return; // the dead say nothing; `look` finds out
        report.state = 'done';
        report.epoch = result.epoch;
        report.octets = result.octets;
        report.doneAt = engine.now;
        report.agreementMs = (engine.now - started) / 1000;
        engine.after(0, () => this.#next(order.guest));
      },
      (error: Error) => {
        if (over()) this.#failed(order, station, report, error.message);
      },
    );
    const look = (): void => {
      if (isOver) return;
      if (asked.crashes === lives) return void engine.after(LOOK_US, look);
      if (over()) this.#failed(order, station, report, `${asked.name} died`);
    };
    look();
  }

  #asked({ by }: MoveOrder, { guest }: Station): SimBorder | undefined {
    const { borders } = this.#world;
    const wanted = borders.find((border) => border.name === (by ?? guest!.home));
    return wanted?.running === undefined ? borders.find((border) => border.running !== undefined) : wanted;
  }

  #failed(order: MoveOrder, station: Station, report: MoveReport, why: string): void {
    const { engine } = this.#world;
    report.state = 'failed';
    report.why = why;
    report.doneAt = engine.now;
    engine.trace.add(engine.now, order.guest, `move failed: ${why}`);
    this.#follow(order, station);
  }

  /**
   * Puts the guest where its home says it is, now and for a while: when the border that was asked has died, home may still
   * carry the move out, behind others of this guest too. While home is down, the guest stays where it was carried.
   */
  #follow(order: MoveOrder, station: Station): void {
    const world = this.#world;
    const { engine } = world;
    const home = world.border(station.guest!.home);
    const orders = this.moves.length;
    const until = engine.now + FOLLOW_US;
    let isFirst = true;
    const look = (): void => {
      const { running } = home;
      let isOver = false;
      const isMoving = this.moves.slice(orders).some((one) => one.guest === order.guest && one.state === 'under way');
      if (!isMoving && running !== undefined && running.moves.unsettled === 0) {
        world.attach(station, running.bindings.get(station.guest!.nid)!.at);
        isOver = true;
      }
      // whoever says that a site is dead waits for nobody
      if (isFirst && (isOver || this.#waiting.get(order.guest)?.[0]?.force)) {
        engine.after(0, () => this.#next(order.guest));
        isFirst = false;
      }
      if (isFirst || engine.now < until) engine.after(LOOK_US, look);
    };
    engine.after(LOOK_US, look);
  }
}

/** By hypervisors. */
const isTold = ({ hold }: MoveOrder): boolean => hold === 'stop' || hold === 'told' || hold === 'late';
