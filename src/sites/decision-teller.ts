/**
 * Carries a decision out: tells the sites of its set to let go, then the new one that the guest is there. In which order, and why,
 * is in home-moves.ts.
 */
import { IlnpError } from '../runtime/errors.ts';
import { formatNid } from '../wire/text.ts';
import type { BindingWriter } from './binding-writer.ts';
import type { Decision } from './decision.ts';
import { type Change, fromWire, type Reply, toWire } from './messages.ts';
import type { MovesWorld } from './moves-world.ts';

/** A site may be so many moves ahead of a home that has lost its record; more would use up the epochs. Reason: years of moves. */
export const MAX_LEAP = 2 ** 24;

/** The other site holds something else with an epoch at least as great. */
export class Conflict extends Error {
  readonly have: Change;

  constructor(have: Change) {
    super(`holds epoch ${have.epoch} at ${have.at}`);
    this.have = have;
  }
}

export class DecisionTeller {
  readonly #world: Pick<MovesWorld, 'site' | 'record' | 'send' | 'log'>;
  readonly #writer: BindingWriter;

  constructor(world: Pick<MovesWorld, 'site' | 'record' | 'send' | 'log'>, writer: BindingWriter) {
    this.#world = world;
    this.#writer = writer;
  }

  /**
   * Resolves when every site of the set has let go, and `at` has switched; rejects with a Conflict, or with what a site said or why
   * it did not. `force`: sites that do not let go are dead. `onTelling`: all others have let go, so many segments, and `at` is told.
   */
  async carryOut(decision: Decision, force: boolean, onTelling: (letGo: number) => void = () => {}): Promise<void> {
    await this.release(decision, force);
    // Once told, it may be active whether it answers or not; only a first telling that never left does not count.
    const perhapsTold = decision.active.has(decision.at);
    decision.active.add(decision.at);
    try {
      await this.#tell(decision.at, decision, () => onTelling(decision.letGo));
    } catch (error) {
      if (!perhapsTold && isUnsent(error)) decision.active.delete(decision.at);
      throw error;
    }
  }

  /** Resolves when every site of the set but `at` has let go; rejects as carryOut does. */
  async release(decision: Decision, force: boolean): Promise<void> {
    const release = [...decision.active].filter((site) => site !== decision.at);
    await Promise.all(
      release.map(async (site) => {
        try {
          const letGo = await this.#tell(site, decision);
          decision.letGo += letGo; // only now: others are told at the same time
        } catch (error) {
          if (!force || site === this.#world.site || error instanceof Conflict) throw error;
          this.#world.log.warn({ nid: formatNid(decision.nid), site }, 'moved by force without the old site');
        }
        decision.active.delete(site);
      }),
    );
  }

  /**
   * Resolves when `site` has switched, with the segments that it has let go towards others. `onTelling`: it is on its way; here,
   * what is ordered from now on comes after it.
   */
  async #tell(site: string, decision: Decision, onTelling = () => {}): Promise<number> {
    const { nid, at, epoch } = decision;
    let letGo = 0;
    if (site === this.#world.site) {
      // One of an earlier run, or of the registry: who lets go and cannot write it down has a guest at neither place.
      if (at !== site && !decision.isReleased) await this.#world.record.append([]);
      const how = { isRecorded: decision.isReleased, onOrdered: onTelling };
      const { recorded } = await this.#writer.write([{ nid, at, epoch }], how);
      if (at !== site) await recorded; // else the decision is on disk, which a restart takes up again
    } else {
      const behind = site === at ? decision.letGo : 0;
      const sent = this.#world.send(site, { kind: 'set', changes: [toWire({ nid, at, epoch })], behind });
      onTelling();
      letGo = this.#checkHave(site, await sent, decision);
    }
    decision.heard.add(site);
    return letGo;
  }

  #checkHave(site: string, reply: Reply, decision: Decision): number {
    if (reply.kind !== 'have') throw new IlnpError('E_PROTOCOL', `${site} answered ${reply.kind} to set`);
    const [newer] = reply.newer;
    if (newer !== undefined) {
      const have = fromWire(newer);
      if (have.epoch - decision.epoch <= MAX_LEAP) throw new Conflict(have);
      throw new IlnpError(
        'E_STALE_EPOCH',
        `${site} says it is at epoch ${have.epoch}, which cannot be; its record is wrong`,
      );
    }
    const [refused] = reply.refused;
    if (refused === undefined) return reply.letGo;
    const [, , code] = refused;
    // A site that does not know the identifier cannot be active for it.
    if (code === 'E_UNKNOWN_NID' && site !== decision.at) return 0;
    throw new IlnpError(code, `refused by ${site}`);
  }
}

const isUnsent = (error: unknown): boolean => error instanceof Error && 'sent' in error && error.sent === false;
