/** What can be asked of a border about moves over its control socket (src/sites/README.md says in which order). */
import type { Logger } from 'pino';
import type { SiteConfig } from '../config/site-config.ts';
import { realtimeMicroseconds } from '../device/libc.ts';
import {
  followsParams,
  guestParams,
  type MoveReply,
  moveParams,
  movesParams,
  nidParams,
  noteParams,
  pausedParams,
  prepareParams,
  readParams,
  retainParams,
  stoppedParams,
} from '../runtime/control-methods.ts';
import type { ControlMethods } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { MoveReports } from '../sites/move-reports.ts';
import type { MoveResult, Moves } from '../sites/moves.ts';
import type { BindingsView } from '../sites/moves-world.ts';
import { refusal } from '../sites/policy.ts';
import { MIGRATION_MS } from '../sites/site-keeping.ts';
import { formatNid, type Nid } from '../wire/text.ts';

export const MOVE_METHODS = [
  'move',
  'plan',
  'prepare',
  'hold',
  'abort',
  'paused',
  'resumed',
  'retain',
  'stopped',
  'guest',
  'follows',
  'moves',
] as const;

/** Clocks that differ by less are one: a hypervisor on this machine says `now` in whole milliseconds. */
const SAME_CLOCK_US = 20_000;
/** Clocks of hypervisors and borders may differ so much. */
const AHEAD_US = 1e6;
/** Reason: longer than a hypervisor takes to say that a guest has stopped. */
const RETAIN_MS = 1000;

/** The methods of one border. */
export function moveMethods(
  moves: Moves,
  reports: Pick<MoveReports, 'after' | 'next'>,
  {
    bindings,
    config,
    onArrived,
    log,
  }: {
    readonly bindings: BindingsView;
    readonly config: () => SiteConfig;
    /** A guest runs here, and home is being told. */
    readonly onArrived: (nid: Nid) => void;
    readonly log: Logger;
  },
): ControlMethods {
  const reply = (result: MoveResult): MoveReply => ({ ...result, nid: formatNid(result.nid) });
  /** All is said at once: home may be far away. */
  const arrived = async (nid: Nid, ago: number, by: string): Promise<MoveReply> => {
    const expected = moves.expect(nid);
    const moved = moves.move(nid, config().site, { by, resumedAgo: ago });
    setImmediate(onArrived, nid); // while home decides
    const [result] = await Promise.all([moved, expected]);
    return reply(result);
  };
  /** Gives `ago` if it can be; a time in another unit, or of another clock, cannot. */
  const believable = (ago: number): number => {
    if (ago > -AHEAD_US && ago < MIGRATION_MS * 1000) return ago;
    throw new IlnpError(
      'E_USAGE',
      `at: expected a time in the last ${MIGRATION_MS / 1000} seconds, got one ${(-ago / 1e6).toFixed(1)} seconds from now`,
    );
  };
  const asked = (by: string): string => `${by} at ${config().site}`;
  return {
    move: async (params) => {
      const { nid, to, by, ...how } = readParams(moveParams, params);
      return reply(await moves.move(nid, to, { ...how, by: asked(by) }));
    },
    plan: async (params) => {
      const { nid, to } = readParams(prepareParams, params);
      return await moves.plan(nid, to);
    },
    prepare: async (params) => {
      const { nid, to, by } = readParams(prepareParams, params);
      await moves.step(nid, 'prepare', { to, by: asked(by) });
    },
    hold: async (params) => {
      const { nid, by } = readParams(nidParams, params);
      await moves.step(nid, 'hold', { by: asked(by) });
    },
    abort: async (params) => {
      const { nid, by } = readParams(nidParams, params);
      await moves.step(nid, 'abort', { by: asked(by) });
    },
    paused: async (params) => {
      const { nid, ago, isStopped } = readParams(pausedParams, params);
      await moves.step(nid, isStopped ? 'stopped' : 'paused', { ago });
    },
    resumed: async (params) => {
      const { nid, ago } = readParams(noteParams, params);
      await moves.step(nid, 'resumed', { ago });
    },
    retain: async (params) => {
      const { nid, ms } = readParams(retainParams, params);
      await moves.retain(nid, ms);
    },
    stopped: async (params) => {
      const { nid, at, by } = readParams(stoppedParams, params);
      believable(realtimeMicroseconds() - at);
      await moves.stopped(nid, at, asked(by));
    },
    guest: async (params) => {
      const { nid, news, at, now } = readParams(guestParams, params);
      log.info({ nid: formatNid(nid), news }, 'a hypervisor says');
      const by = asked('a hypervisor');
      const ours = realtimeMicroseconds();
      const ago = at === undefined ? 0 : believable(Math.abs(ours - now) < SAME_CLOCK_US ? ours - at : now - at);
      switch (news) {
        case 'incoming':
          await moves.step(nid, 'prepare', { to: config().site, by });
          return null;
        case 'migrating':
          await moves.retain(nid, RETAIN_MS);
          return null;
        case 'stopped':
          await moves.stopped(nid, ours - ago, by);
          return null;
        case 'arrived':
          return await arrived(nid, Math.max(0, ago), by);
        case 'stayed':
          await moves.step(nid, 'abort', { by });
          return null;
        case 'lost':
          return null; // whoever has it now says so; else the hold ends by itself
      }
    },
    follows: (params) => {
      const { nid, runs } = readParams(followsParams, params);
      const { site, policy } = config();
      const name = formatNid(nid);
      const at = bindings.get(nid)?.at;
      if (at === undefined) throw new IlnpError('E_UNKNOWN_NID', `${site} has no binding for ${name}`);
      const why = refusal(policy, { nid, to: site, mover: site, site });
      if (why !== null) throw new IlnpError('E_POLICY', why);
      if (runs && at !== site)
        throw new IlnpError(
          'E_HYPERVISOR',
          `${name} runs here, but is at ${at} for the border of ${site}: ask its own border, or ilnp move ${name} --to ${site}`,
        );
      return null;
    },
    moves: async (params) => {
      const { after, limit, waitMs } = readParams(movesParams, params);
      if (waitMs > 0 && reports.after(after, 1).length === 0) await reports.next(waitMs);
      return reports.after(after, limit);
    },
  };
}
