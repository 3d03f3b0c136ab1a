/** An end system as a process: path, kernel set-up, control socket and signals together. */
import type { Logger } from 'pino';
import type { ShimConfig } from '../config/load-shim.ts';
import { EndSystem } from '../host/end-system.ts';
import type { LocatorReply } from '../host/messages.ts';
import { noParams, readParams, tracedParams, traceParams } from '../runtime/control-methods.ts';
import { ControlSocket } from '../runtime/control-socket.ts';
import { formatIlv, formatL64, formatNid } from '../wire/text.ts';

/** Runs until SIGTERM or SIGINT, or until the path fails. */
export async function runShim(config: ShimConfig, options: { runFolder: string; log: Logger }): Promise<void> {
  const { log, runFolder } = options;
  const undo: (() => unknown)[] = [];
  let fail = (_: Error): void => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const signalled = new Promise<string>((resolve) => {
    const on = (name: NodeJS.Signals): void => resolve(name);
    process.on('SIGTERM', on).on('SIGINT', on);
    // a terminal that closes, or who takes this for a border, does not end sessions
    const stay = (): void => log.warn({}, 'SIGHUP: nothing is read again; a restart takes over a new configuration');
    process.on('SIGHUP', stay);
    undo.push(() => process.off('SIGTERM', on).off('SIGINT', on).off('SIGHUP', stay));
  });
  try {
    const system = new EndSystem(config, { runFolder, log, onFailure: (error) => fail(error) });
    const asked =
      <T>(answer: () => T) =>
      (params: unknown): T => {
        readParams(noParams, params);
        return answer();
      };
    const control = await ControlSocket.open(config.control.socket, {
      sessions: asked(() => system.sessions()),
      updates: asked(() => system.ask({ what: 'updates' })),
      trace: async (params) => {
        const { count } = readParams(traceParams, params);
        return { trace: await system.ask({ what: 'trace', count }) };
      },
      traced: (params) => system.ask({ what: 'traced', ...readParams(tracedParams, params) }),
      counters: asked(() => system.counters()),
      names: asked(() => system.names()),
      locators: asked(() => shownLocators(system)),
      config: asked(() => shownConfig(system)),
    });
    undo.push(() => control.close());
    const commands = await system.start();
    undo.push(() => system.stop());
    log.info({ commands }, 'set up this node');
    log.info({ io: system.io, address: formatIlv(config.stable, system.nid), pid: process.pid }, 'ready');
    const signal = await Promise.race([signalled, failed]);
    log.info({ signal }, 'stopping');
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

const shownLocators = (system: EndSystem): LocatorReply[] =>
  system.locators.map((l) => ({
    locator: formatL64(l.l64),
    interface: l.interface,
    gateway: l.gateway,
    preference: l.preference,
    lifetime: l.lifetime,
  }));

const shownConfig = (system: EndSystem) => {
  const { config } = system;
  return {
    ...config,
    nid: formatNid(system.nid),
    stable: formatL64(config.stable),
    peers: config.peers.map((peer) => ({ ...peer, nid: formatNid(peer.nid) })),
    hosts: config.hosts.map((h) => ({
      nid: formatNid(h.nid),
      names: h.names,
      locators: h.locators.map((l) => `${formatL64(l.l64)} ${l.preference}`),
    })),
    running: { io: system.io, pid: process.pid },
  };
};
