/** `ilnp show bindings|moves|counters|config|peers|sessions|anchors|locators|updates|names|pair|registry`: what a running border, or end system, knows. */
import { Argument, type Command } from 'commander';
import type { AnchorReply } from '../border/anchors.ts';
import type { GuestNameReply } from '../border/guest-names.ts';
import type { SpeakerReply } from '../border/speakers.ts';
import type { LocatorReply, SessionReply, UpdateReply } from '../host/messages.ts';
import type { NamesReply } from '../names/names.ts';
import { ControlClient } from '../runtime/control-client.ts';
import type {
  BindingReply,
  BindingsPage,
  CountersReply,
  PairReply,
  PeerReply,
  RegistryReply,
} from '../runtime/control-methods.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, parseNid } from '../wire/text.ts';
import { alignedTo, columns, type Output, standardOutput, widths } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';
import { underWayText } from './under-way-text.ts';
import { ofWhoHas } from './who-has.ts';
import { wholeUpTo } from './whole.ts';

interface ShowOptions extends SocketOptions {
  readonly json?: boolean;
  readonly nid?: string;
  readonly seconds?: number;
}

/** A border may take so long to answer. */
const ANSWER_MS = 10_000;

const SHOW = {
  bindings: showBindings,
  moves: showMoving,
  counters: showCounters,
  config: showConfig,
  peers: showPeers,
  sessions: showSessions,
  anchors: showAnchors,
  locators: showLocators,
  updates: showUpdates,
  names: showNames,
  pair: showPair,
  registry: showRegistry,
} as const;

/** Adds the sub-command to the program. */
export function registerShow(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('show')
      .description('show what a running border router or end system knows')
      .addArgument(new Argument('<what>').choices(Object.keys(SHOW)))
      .option('--nid <nid>', 'anchors: of this guest alone')
      .option('--seconds <n>', 'anchors: look so long (default: 2)', wholeUpTo(30))
      .option('--json', 'say it as JSON'),
  ).action(async (what: keyof typeof SHOW, options: ShowOptions) => {
    if (what !== 'anchors' && (options.nid !== undefined || options.seconds !== undefined))
      throw new IlnpError('E_USAGE', `--nid and --seconds are for anchors, not for ${what}`);
    const client = await ControlClient.connect(await socketOf(options));
    try {
      await ofWhoHas(what, () => SHOW[what](client, out, options.json ?? false, options));
    } finally {
      client.close();
    }
  });
}

const BINDING_COLUMNS = ['NID', 'GUEST', 'HOME', 'UPLINK', 'AT', 'EPOCH', 'UNDER WAY'] as const;
/** Columns keep the width of the first page, but never less than the longest identifier. */
const WIDEST_NID = 'ffff:ffff:ffff:ffff'.length;

/** Page by page: a million bindings are never in memory at once. */
async function showBindings(client: ControlClient, out: Output, json: boolean): Promise<void> {
  let after: number | undefined;
  let first = true;
  let widthOf: number[] = [];
  do {
    const { bindings, next } = (await client.call('bindings', { after, limit: 5000 })) as BindingsPage;
    if (json) {
      const lines = bindings.map((binding) => JSON.stringify(binding)).join(',\n');
      await out.write(`${first ? '[' : bindings.length > 0 ? ',' : ''}${lines === '' ? '' : `\n${lines}`}`);
    } else {
      const rows = bindings.map(bindingRow);
      if (first)
        widthOf = widths(BINDING_COLUMNS, rows).map((width, i) => (i === 0 && next !== null ? WIDEST_NID : width));
      await out.write(alignedTo(widthOf, first ? BINDING_COLUMNS : undefined, rows));
    }
    first = false;
    after = next ?? undefined;
  } while (after !== undefined && !out.ended);
  if (json) await out.write('\n]\n');
}

const bindingRow = ({ nid, guest, home, uplink, at, epoch, move }: BindingReply): (string | number)[] => [
  nid,
  guest,
  home,
  uplink ?? '-',
  at,
  epoch,
  underWayText(move),
];

async function showMoving(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const moving = (await client.call('moving')) as readonly BindingReply[];
  if (json) return out.write(`${JSON.stringify(moving)}\n`);
  if (moving.length === 0) return out.write('no move is under way; ilnp moves lists those that are over\n');
  await out.write(columns(BINDING_COLUMNS, moving.map(bindingRow)));
}

async function showCounters(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const counters = (await client.call('counters')) as CountersReply;
  await out.write(json ? `${JSON.stringify(counters)}\n` : columns(['COUNTER', 'VALUE'], flat(counters, '')));
}

function flat(counters: CountersReply, group: string): [string, number][] {
  return Object.entries(counters).flatMap(([name, value]): [string, number][] =>
    typeof value === 'number' ? [[group + name, value]] : flat(value, `${group}${name}.`),
  );
}

async function showConfig(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const config = await client.call('config');
  await out.write(json ? `${JSON.stringify(config)}\n` : (await import('yaml')).stringify(config));
}

async function showPair(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const pair = (await client.call('pair')) as PairReply;
  if (json) return out.write(`${JSON.stringify(pair)}\n`);
  const says = { alone: 'alone', active: 'active, ', standby: 'standing by, ' }[pair.role];
  const ready = { alone: '', active: 'a standby', standby: 'a whole copy' }[pair.role];
  const term = pair.term === undefined ? '' : `, term ${pair.term}`;
  await out.write(`${says}${ready && `${pair.isReady ? 'with' : 'without'} ${ready}`}${term}\n`);
  for (const problem of pair.problems ?? []) await out.write(`  ${problem}\n`);
}

async function showRegistry(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const registries = (await client.call('registry')) as readonly RegistryReply[];
  if (json) return out.write(`${JSON.stringify(registries)}\n`);
  if (registries.length === 0) return out.write('no registry is configured: the home of each identifier decides\n');
  const rows = registries.map(({ range, keptBy, isHeard, problem, secondsAgo }) => [
    range,
    keptBy,
    isHeard ? 'yes' : 'no: what was followed before holds',
    problem === null ? '-' : `${problem} (${secondsAgo} s ago)`,
  ]);
  await out.write(columns(['NODE IDENTIFIERS', 'KEPT BY', 'HEARD', 'LAST PROBLEM'], rows));
}

async function showPeers(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const peers = (await client.call('peers')) as readonly PeerReply[];
  if (json) return out.write(`${JSON.stringify(peers)}\n`);
  const rows = peers.map(({ site, control, connected, incoming, problem }) => [
    site,
    control ?? '-',
    connected ? 'yes' : 'no',
    incoming,
    problem ?? '-',
  ]);
  await out.write(columns(['SITE', 'CONTROL', 'CONNECTED', 'INCOMING', 'PROBLEM'], rows));
}

async function showSessions(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const sessions = (await client.call('sessions')) as readonly SessionReply[] | readonly SpeakerReply[];
  if (json) return out.write(`${JSON.stringify(sessions)}\n`);
  if (isOfBorder(sessions)) return showSpeakers(sessions, out);
  const rows = sessions.map((s) => [
    s.nid,
    s.views.join(' ') || '-',
    s.plain ? 'plain' : s.proved ? 'ilnp' : s.heardMs === null ? 'not heard' : 'unproved',
    s.heardMs ?? '-',
    s.locators.map((l) => `${l.locator},${l.preference} ${l.state}`).join('; '),
  ]);
  await out.write(columns(['NID', 'KNOWN AS', 'SPEAKS', 'HEARD MS AGO', 'LOCATORS'], rows));
}

async function showAnchors(client: ControlClient, out: Output, json: boolean, options: ShowOptions): Promise<void> {
  const nid = options.nid === undefined ? null : parseNid(options.nid);
  if (options.nid !== undefined && nid === null)
    throw new IlnpError('E_USAGE', `--nid: expected a Node Identifier such as 0:0:0:a1, got "${options.nid}"`);
  const ms = (options.seconds ?? 2) * 1000;
  const params = { ...(nid !== null && { nid: formatNid(nid) }), ms };
  const anchors = (await client.call('anchors', params, ms + ANSWER_MS)) as readonly AnchorReply[];
  if (json) return out.write(`${JSON.stringify(anchors)}\n`);
  if (anchors.length === 0) return out.write('no guest of this home is away\n');
  const rows = anchors.map((a) => [
    a.nid,
    a.at,
    a.correspondent ?? 'nobody',
    a.uplink ?? '-',
    a.sessions,
    a.idle ?? '-',
  ]);
  await out.write(columns(['NID', 'AT', 'ANCHORED BY', 'UPLINK', 'SESSIONS', 'IDLE S'], rows));
}

const isOfBorder = (sessions: readonly SessionReply[] | readonly SpeakerReply[]): sessions is readonly SpeakerReply[] =>
  sessions[0] !== undefined && 'guest' in sessions[0];

async function showSpeakers(sessions: readonly SpeakerReply[], out: Output): Promise<void> {
  const rows = sessions.map((s) => [s.guest, s.correspondent, s.locator, s.uplink ?? '-', s.nonces, s.told, s.idle]);
  await out.write(columns(['GUEST', 'CORRESPONDENT', 'AT', 'UPLINK', 'NONCES', 'TOLD', 'IDLE S'], rows));
}

async function showLocators(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const locators = (await client.call('locators')) as readonly LocatorReply[];
  if (json) return out.write(`${JSON.stringify(locators)}\n`);
  const rows = locators.map((l) => [l.locator, l.interface, l.gateway ?? '-', l.preference, l.lifetime]);
  await out.write(columns(['LOCATOR', 'INTERFACE', 'ROUTER', 'PREFERENCE', 'LIFETIME'], rows));
}

async function showUpdates(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const updates = (await client.call('updates')) as readonly UpdateReply[];
  if (json) return out.write(`${JSON.stringify(updates)}\n`);
  const rows = updates.map((u) => [
    u.nid,
    u.way,
    u.state,
    u.tries,
    u.beganMs,
    u.changedMs,
    u.locators.map((l) => `${l.locator},${l.preference} ${l.lifetime} s`).join('; '),
  ]);
  await out.write(columns(['NID', 'WAY', 'STATE', 'TRIES', 'BEGAN MS AGO', 'SINCE MS', 'LOCATORS'], rows));
}

const isOfGuests = (names: NamesReply | readonly GuestNameReply[] | null): names is readonly GuestNameReply[] =>
  Array.isArray(names);

async function showNames(client: ControlClient, out: Output, json: boolean): Promise<void> {
  const names = (await client.call('names')) as NamesReply | readonly GuestNameReply[] | null;
  if (json) return out.write(`${JSON.stringify(names)}\n`);
  if (isOfGuests(names)) {
    const rows = names.map((n) => [n.guest, n.name, n.records, n.published?.join('; ') ?? '-', n.problem ?? n.state]);
    return out.write(columns(['GUEST', 'NAME', 'RECORDS', 'PUBLISHED', 'STATE'], rows));
  }
  if (names === null) return out.write('no resolver is configured (names)\n');
  const { answers, kept, update } = names;
  const counts: (string | number)[][] = [...Object.entries(answers), ['kept', kept]];
  await out.write(columns(['ANSWERS', 'NUMBER'], counts));
  await out.write(
    columns(
      ['NID', 'NAME', 'LOCATORS'],
      names.names.map((n) => [n.nid, n.name, n.locators.join('; ')]),
    ),
  );
  if (update === null) return;
  const state = update.isCurrent ? 'current' : (update.problem ?? 'under way');
  await out.write(columns(['PUBLISHED', 'STATE'], [[update.published?.join('; ') ?? '-', state]]));
}
