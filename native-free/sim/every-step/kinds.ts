/** The kinds of move that are played with every fault at every step: four sites, a guest that moves while it talks. */
import type { MoveOrder } from '../operator.ts';
import { REGISTRY } from '../registry.ts';
import { type Scenario, type ScenarioInput, scenarioSchema } from '../scenario-schema.ts';
import { standbyOf } from '../standby.ts';

/** When the move begins, microseconds: all connections are there. */
export const MOVE_AT_US = 300_000;

export interface Kind {
  readonly name: string;
  readonly scenario: Scenario;
  /** Where the guest is. */
  readonly from: string;
  readonly order: MoveOrder;
  /** Who takes part, and is killed. */
  readonly parties: readonly string[];
  /** Without faults nothing is lost and nothing overtaken. */
  readonly isLossless: boolean;
}

interface Choice {
  readonly from?: string;
  readonly to?: string;
  readonly by?: string;
  readonly hold?: MoveOrder['hold'];
  readonly callOff?: MoveOrder['callOff'];
  readonly registry?: boolean;
  /** The site with two borders. */
  readonly pair?: string;
  /** The disks are slow. */
  readonly slow?: boolean;
  /** They are, and the guest has moved before, so this move is written ahead. */
  readonly again?: boolean;
}

/** Of the guest that moves. */
export const HOME = 'site1';
/** Who talks to it at the site that it leaves. */
export const NEIGHBOUR = 'c1';

function kind(name: string, choice: Choice): Kind {
  const {
    from = 'site2',
    to = 'site3',
    by,
    hold = 'pause',
    callOff,
    registry = false,
    pair,
    again = false,
    slow = again,
  } = choice;
  const probe = { kind: 'udp' as const };
  const scenario = scenarioSchema.parse({
    title: name,
    seconds: 3600,
    sites: ['site1', 'site2', 'site3', 'site4'].map((site) => ({ name: site, pair: site === pair })),
    // the others are at a site that only hears of the move, and where the guest leaves
    guests: [
      { name: 'a1', home: HOME, at: from, epoch: again ? 1 : 0 },
      { name: 'b1', home: 'site4' },
      { name: NEIGHBOUR, home: from },
    ],
    links: { control: { delayMs: 2 } },
    registry,
    diskMs: slow ? 100 : 2,
    sessions: [
      { ...probe, from: 'cn', to: 'a1' },
      { ...probe, from: 'a1', to: 'cn' },
      { ...probe, from: 'b1', to: 'a1', address: 'guest' },
      { ...probe, from: NEIGHBOUR, to: 'a1', address: 'guest' },
    ],
  } satisfies ScenarioInput);
  return {
    name,
    scenario,
    from,
    // who is told late needs time to ask
    order: { guest: 'a1', to, by, force: false, downtimeMs: hold === 'late' ? 40 : 20, hold, callOff },
    parties: [
      ...new Set([HOME, from, to]),
      ...(registry ? [REGISTRY] : []),
      ...(pair === undefined ? [] : [standbyOf(pair)]),
    ],
    isLossless: hold !== 'no' && hold !== 'switch',
  };
}

/** What is played, in this order. */
export const KINDS: readonly Kind[] = [
  kind('switch', { hold: 'switch' }),
  kind('switch-asked-elsewhere', { hold: 'switch', by: 'site3' }),
  kind('without-hold', { hold: 'no', by: 'site2' }),
  kind('pause', {}),
  kind('pause-leaves-home', { from: HOME, to: 'site2' }),
  kind('pause-comes-home', { to: HOME }),
  kind('slow-disk-pause', { slow: true }),
  kind('slow-disk-leaves-home', { from: HOME, to: 'site2', slow: true }),
  kind('slow-disk-switch', { hold: 'switch', slow: true }),
  kind('slow-disk-switch-leaves-home', { from: HOME, to: 'site2', hold: 'switch', slow: true }),
  kind('again-switch', { hold: 'switch', again: true }),
  kind('again-switch-leaves-home', { from: HOME, to: 'site2', hold: 'switch', again: true }),
  kind('again-pause', { again: true }),
  kind('again-leaves-home', { from: HOME, to: 'site2', again: true }),
  kind('again-comes-home', { to: HOME, again: true }),
  kind('again-abort-prepared', { callOff: 'prepared', again: true }),
  kind('again-leaves-home-abort-prepared', { from: HOME, to: 'site2', callOff: 'prepared', again: true }),
  kind('again-abort-held', { callOff: 'held', again: true }),
  kind('again-leaves-home-abort-held', { from: HOME, to: 'site2', callOff: 'held', again: true }),
  kind('again-pair-at-home', { pair: HOME, again: true }),
  kind('again-pair-at-the-old-site', { pair: 'site2', again: true }),
  kind('again-early', { hold: 'paused', again: true }),
  kind('again-early-asked-elsewhere', { hold: 'paused', by: 'site3', again: true }),
  kind('again-early-leaves-home', { from: HOME, to: 'site2', hold: 'paused', again: true }),
  kind('again-early-comes-home', { to: HOME, hold: 'paused', again: true }),
  kind('again-early-abort', { hold: 'paused', callOff: 'held', again: true }),
  kind('again-early-leaves-home-abort', { from: HOME, to: 'site2', hold: 'paused', callOff: 'held', again: true }),
  kind('again-early-comes-home-abort', { to: HOME, hold: 'paused', callOff: 'held', again: true }),
  kind('again-early-pair-at-home', { hold: 'paused', pair: HOME, again: true }),
  kind('early', { hold: 'paused' }),
  kind('early-leaves-home', { from: HOME, to: 'site2', hold: 'paused' }),
  kind('told', { hold: 'told', by: 'site3' }),
  kind('told-leaves-home', { from: HOME, to: 'site2', hold: 'told', by: 'site2' }),
  kind('told-comes-home', { to: HOME, hold: 'told' }),
  kind('told-abort', { hold: 'told', callOff: 'held', by: 'site3' }),
  kind('late', { hold: 'late', by: 'site3' }),
  kind('late-leaves-home', { from: HOME, to: 'site2', hold: 'late', by: 'site2' }),
  kind('late-comes-home', { to: HOME, hold: 'late' }),
  kind('late-abort', { hold: 'late', callOff: 'held', by: 'site3' }),
  kind('again-late', { hold: 'late', by: 'site3', again: true, slow: false }),
  kind('stop', { hold: 'stop', by: 'site3' }),
  kind('abort-prepared', { callOff: 'prepared' }),
  kind('abort-held', { callOff: 'held', by: 'site3' }),
  kind('registry-switch', { hold: 'switch', by: 'site3', registry: true }),
  kind('registry-pause', { registry: true }),
  kind('registry-leaves-home', { from: HOME, to: 'site2', registry: true }),
  kind('registry-abort-held', { callOff: 'held', registry: true }),
  kind('pair-at-home', { pair: HOME }),
  kind('pair-at-the-old-site', { pair: 'site2', hold: 'switch' }),
  kind('pair-at-the-new-site', { pair: 'site3', by: 'site3' }),
  kind('pair-at-home-abort-held', { pair: HOME, callOff: 'held' }),
  kind('pair-at-home-registry', { pair: HOME, registry: true }),
];
