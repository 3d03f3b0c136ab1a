/**
 * A border router as a process: puts path, gateway, moves, channel to the other borders, control socket and signals
 * together. The only place that does.
 */
import { setFlagsFromString } from 'node:v8';
import type { Logger } from 'pino';
import { ArrivalWatch } from '../arrivals/watch.ts';
import { Border } from '../border/border.ts';
import { GuestNames } from '../border/guest-names.ts';
import { wordsOf } from '../config/diff.ts';
import { loadSiteConfig } from '../config/load.ts';
import type { SiteConfig } from '../config/site-config.ts';
import { realtimeMicroseconds } from '../device/libc.ts';
import type { Binding } from '../ilnp/bindings.ts';
import type { TsigKey } from '../names/tsig.ts';
import { readTsigKey } from '../names/tsig-key.ts';
import {
  anchorsParams,
  type BindingReply,
  type BindingsPage,
  bindingReply,
  bindingsParams,
  type CountersReply,
  noParams,
  type PairReply,
  type PeerReply,
  type RegisteredReply,
  type RegistryReply,
  readParams,
  registerParams,
  withdrawParams,
} from '../runtime/control-methods.ts';
import { type ControlMethods, ControlSocket } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';
import { lockState } from '../runtime/state-lock.ts';
import { handOver } from '../sites/hand-over.ts';
import type { Reply, Request } from '../sites/messages.ts';
import { MoveRecord } from '../sites/move-record.ts';
import { MoveReports } from '../sites/move-reports.ts';
import { Moves } from '../sites/moves.ts';
import { nidKey, nidOfKey } from '../sites/nid-key.ts';
import { PeerChannel } from '../sites/peer-channel.ts';
import { PeerError } from '../sites/peer-error.ts';
import { readSiteKey } from '../sites/site-key.ts';
import { fromSpoken } from '../sites/spoken.ts';
import { formatL64, formatNid, formatPrefix, type Nid } from '../wire/text.ts';
import { MONOTONIC } from './monotonic.ts';
import { MOVE_METHODS, moveMethods } from './move-methods.ts';
import { BorderRegistries, controllersOf } from './registries.ts';
import { rehearseMoves } from './rehearse-moves.ts';
import type { ActiveOfPair } from './run-pair.ts';
import { shownPeers } from './shown-peers.ts';
import { untilSignal } from './until-signal.ts';

export interface RunOptions {
  /** File that SIGHUP reads again. */
  readonly path: string;
  readonly runFolder: string;
  readonly log: Logger;
  /** For a border of a pair: what it does beside, as long as it is the active one. */
  readonly pair?: ActiveOfPair;
}

/** What can be asked of a border, from before it has started. */
export const METHODS = [
  ...MOVE_METHODS,
  'bindings',
  'moving',
  'counters',
  'config',
  'peers',
  'pair',
  'sessions',
  'anchors',
  'names',
  'registry',
  'register',
  'withdraw',
] as const;

/**
 * Runs the border of a configuration until SIGTERM or SIGINT, until its path fails, or until the other border of its pair is
 * active; says why it ended.
 */
export async function runBorder(config: SiteConfig, { path, runFolder, log, pair }: RunOptions): Promise<string> {
  setFlagsFromString('--no-flush-bytecode'); // moves are rare: their code would be forgotten in between
  let fail = (_: Error): void => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const undo: (() => unknown)[] = [];
  const stopped = untilSignal();
  try {
    // first, because whoever answers on the socket owns the record of moves
    let methods: ControlMethods | null = null;
    const control = await ControlSocket.open(
      config.control.socket,
      startable(() => methods),
    );
    undo.push(() => control.close());
    const lock = lockState(config.state, config.site);
    undo.push(() => lock.release());
    const names = new GuestNames({ reach: (nid) => border.named(nid), log });
    undo.push(() => names.close());
    const border = new Border(config, {
      runFolder,
      log,
      onFailure: (error) => fail(error),
      onDeparted: (site, sessions) => void handOver(site, sessions, send, log),
      onReach: () => names.look(),
    });
    const { record, loaded } = await MoveRecord.open(config.state, config.site, (text) => log.warn(text));
    undo.push(() => record.close());

    const key = config.control.keyFile === undefined ? null : await readSiteKey(config.control.keyFile);
    names.configure(config.dns, await dnsKey(config));
    const channel =
      key &&
      new PeerChannel({
        site: config.site,
        key,
        listen: config.control.listen,
        peers: [...config.peers, ...controllersOf(config)],
        answer: async (from, request): Promise<Reply> => {
          if (request.kind === 'seen') return arrivals.answer(request);
          if (request.kind === 'registry') return registries.answer(from, request.ask);
          if (request.kind === 'register' || request.kind === 'withdraw' || request.kind === 'admit')
            return registries.registrations.handle(from, request);
          if (request.kind !== 'spoken') return moves.handle(from, request);
          border.takeSpeakers(request.sessions.map(fromSpoken));
          return { kind: 'ready' };
        },
        onConnected: (site) => {
          if (border.config.peers.some((peer) => peer.site === site)) moves.connected(site);
        },
        log,
      });
    const send = (site: string, request: Request, timeoutMs?: number): Promise<Reply> =>
      channel?.send(site, request, timeoutMs) ??
      Promise.reject(new PeerError('control.keyFile is not in the configuration', false));
    const registries = await BorderRegistries.open({
      ...{ config, border, send, clock: MONOTONIC, log },
      record: pair?.recorder(record) ?? record,
    });
    undo.push(() => registries.close());
    border.placeMoved(loaded.moved.values());
    const reports = new MoveReports(config.state, config.site, (text) => log.warn(text));
    undo.push(() => reports.close());
    const moves = new Moves({
      site: config.site,
      bindings: border.bindings,
      apply: (moved, onOrdered) => border.applyMoves(moved, onOrdered),
      foresee: (binding) => border.foresee(binding),
      record: registries.record,
      keep: (nid, order) => border.keep(nid, order),
      holdMs: () => border.config.limits.holdMs,
      wall: realtimeMicroseconds,
      reports,
      registry: registries.view,
      send,
      isConnected: (site) => channel?.isConnected(site) ?? false,
      policy: () => border.config.policy,
      peers: () => border.config.peers.map((p) => p.site),
      clock: MONOTONIC,
      octets: () => channel?.asked ?? 0,
      log,
    });

    const arrivals = new ArrivalWatch({
      config: () => border.config,
      bindings: border.bindings,
      send: (site, request) => send(site, request),
      move: (nid) => moves.move(nid, config.site),
      log,
    });

    const underWay = () => new Map([...registries.underWay, ...moves.underWay()]);
    methods = {
      ...moveMethods(moves, reports, {
        bindings: border.bindings,
        config: () => border.config,
        onArrived: (nid) => border.awaits(nid),
        log,
      }),
      bindings: (params): BindingsPage => {
        const { after, limit } = readParams(bindingsParams, params);
        const { page, next } = border.bindings.page(after ?? 0, limit);
        const moving = underWay();
        const bindings = page.map((one) => {
          const move = moving.get(nidKey(one.nid));
          return bindingReply(one, move?.state === 'draining' ? null : move); // nothing of it will change any more
        });
        return { bindings, next };
      },
      moving: (params): BindingReply[] => {
        readParams(noParams, params);
        return [...underWay()].flatMap(([key, move]) => {
          const binding = border.bindings.get(nidOfKey(key));
          return binding === undefined ? [] : [bindingReply(binding, move)];
        });
      },
      counters: (params): CountersReply => {
        readParams(noParams, params);
        const octets = channel?.octets;
        const signalling = octets
          ? {
              octets_sent: octets.opened.sent + octets.accepted.sent,
              octets_received: octets.opened.received + octets.accepted.received,
            }
          : {};
        return {
          ...border.counters(),
          ...registries.counters,
          ...(channel ? { control: { ...channel.counters, ...signalling } } : {}),
        };
      },
      config: (params) => {
        readParams(noParams, params);
        return shownConfig(border);
      },
      peers: (params): PeerReply[] => {
        readParams(noParams, params);
        return shownPeers(channel);
      },
      pair: (params): PairReply => {
        readParams(noParams, params);
        return { role: pair === undefined ? 'alone' : 'active', isReady: pair?.hasStandby ?? false };
      },
      sessions: (params) => {
        readParams(noParams, params);
        return border.speakers();
      },
      anchors: (params) => {
        const { nid, ms } = readParams(anchorsParams, params);
        return border.anchors(anchorable(border, nid), ms);
      },
      names: (params) => {
        readParams(noParams, params);
        return names.show();
      },
      register: async (params): Promise<RegisteredReply> => {
        const { nid, guest, home = config.site, uplink, at = home } = readParams(registerParams, params);
        return registries.registrations.register(nid, { guest, home, uplink, at });
      },
      withdraw: async (params): Promise<RegisteredReply> => {
        const { nid, force } = readParams(withdrawParams, params);
        return registries.registrations.withdraw(nid, force);
      },
      registry: (params): RegistryReply[] => {
        readParams(noParams, params);
        return registries.show();
      },
    };

    failed.catch(() => {}); // whoever waits for it below is told
    const commands = await border.start();
    undo.push(() => border.stop());
    undo.push((await pair?.begin(border, key!, record)) ?? (() => {}));
    await channel?.start();
    if (channel) undo.push(() => channel.close());
    moves.start(loaded.open.values(), loaded.moved.values());
    undo.push(() => moves.close());
    undo.push(() => arrivals.stop());
    await arrivals.listen();
    registries.start(moves);

    if (config.network === 'manual') process.stdout.write(`${commands.join('\n')}\n`);
    else log.info({ commands }, 'set up the gateway');
    const reload = (): void => void reread(path, { border, moves, arrivals, registries, channel, names, log });
    process.on('SIGHUP', reload);
    undo.push(() => process.off('SIGHUP', reload));
    const over = Promise.race([stopped.signal, failed, ...(pair ? [pair.isOver] : [])]);
    const rehearsed = rehearseMoves(border, log).catch((error) => {
      log.warn({ reason: String(error) }, 'moves could not be rehearsed: the first one will take longer');
    });
    await Promise.race([rehearsed, over]);
    log.info({ io: border.io, bindings: border.bindings.size, pid: process.pid }, 'ready');
    const signal = await over;
    log.info({ signal }, 'stopping');
    return signal;
  } finally {
    for (const step of undo.reverse()) await step();
    stopped.close(); // last: a second signal must not cut the clean-up short
  }
}

/** A guest of ours, or all that are away. */
function anchorable({ bindings, config: { site } }: Border, nid: Nid | undefined): Binding[] {
  if (nid === undefined) return [...bindings.all()].filter(({ home, at }) => home === site && at !== site);
  const binding = bindings.get(nid);
  if (binding === undefined) throw new IlnpError('E_UNKNOWN_NID', `${site} has no binding for ${formatNid(nid)}`);
  if (binding.home !== site)
    throw new IlnpError('E_USAGE', `${formatNid(nid)} has its home at ${binding.home}: ask the border there`);
  return [binding];
}

async function reread(
  path: string,
  parts: {
    border: Border;
    moves: Moves;
    arrivals: ArrivalWatch;
    registries: BorderRegistries;
    channel: PeerChannel | null;
    names: GuestNames;
    log: Logger;
  },
): Promise<void> {
  const { border, moves, arrivals, registries, channel, names, log } = parts;
  try {
    const next = loadSiteConfig(path);
    if (channel === null && next.control.keyFile !== undefined)
      throw new IlnpError('E_CONFIG', 'there was no control.keyFile at the start; it is taken only by a restart');
    const key = next.control.keyFile === undefined ? undefined : await readSiteKey(next.control.keyFile);
    const tsig = await dnsKey(next);
    // What a registry has is taken out of it, not out of the file.
    const diff = await border.reload(next, registries.view.has);
    names.configure(next.dns, tsig);
    channel?.setPeers([...next.peers, ...controllersOf(next)], key);
    moves.rescan();
    registries.reread(diff.bindings);
    await arrivals.listen();
    log.level = next.log.level;
    log.info({ changed: wordsOf(diff) }, 'took the configuration over');
  } catch (error) {
    const code = error instanceof IlnpError ? error.code : undefined;
    log.error({ code }, `the configuration stays as it was: ${(error as Error).message}`);
  }
}

const dnsKey = async ({ dns }: SiteConfig): Promise<TsigKey | null> => (dns ? readTsigKey(dns.keyFile) : null);

/** The methods of a border that may still be starting. */
function startable(methods: () => ControlMethods | null): ControlMethods {
  const late = (name: string) => (params: unknown) => {
    const method = methods()?.[name];
    if (method === undefined) throw new IlnpError('E_SOCKET', 'the border router is still starting');
    return method(params);
  };
  return Object.fromEntries(METHODS.map((name) => [name, late(name)]));
}

/** What `ilnp show config` says: the configuration in force, in the words of the file, and how packets are read. */
function shownConfig(border: Border): object {
  const { bindings, control, ...config } = border.config;
  return {
    ...config,
    uplinks: config.uplinks.map((u) => ({ ...u, l64: formatL64(u.l64), via: u.via ?? null })),
    inside: config.inside.map((i) => ({
      ...i,
      l64: formatL64(i.l64),
      gateway: i.gateway ?? null,
      guests: i.guests.map(formatL64),
    })),
    peers: config.peers.map((p) => ({
      ...p,
      l64: formatL64(p.l64),
      control: p.control ? `[${p.control.host}]:${p.control.port}` : null,
    })),
    registries: config.registries.map(({ range: { from, to }, ...registry }) => ({
      range: `${formatNid(from)} - ${formatNid(to)}`,
      ...registry,
    })),
    subnets: config.subnets.map((s) => ({ ...s, inside: formatPrefix(s.inside), outside: formatPrefix(s.outside) })),
    control: {
      socket: control.socket,
      listen: control.listen ? `[${control.listen.host}]:${control.listen.port}` : null,
      keyFile: control.keyFile ?? null,
    },
    dns: config.dns
      ? {
          ...config.dns,
          server: `[${config.dns.server.host}]:${config.dns.server.port}`,
          names: config.dns.names.map((n) => ({ ...n, nid: formatNid(n.nid) })),
        }
      : null,
    running: { io: border.io, bindings: border.bindings.size, pid: process.pid },
  };
}
