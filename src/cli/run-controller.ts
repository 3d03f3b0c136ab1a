/** A registry as a process: store, channel to the borders, control socket and signals. Forwards nothing. */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import { type ControllerConfig, loadControllerConfig } from '../config/load-controller.ts';
import type { Entry } from '../registry/registry.ts';
import { RegistryService } from '../registry/service.ts';
import { RegistryStore } from '../registry/store.ts';
import {
  type BindingReply,
  type BindingsPage,
  bindingReply,
  bindingsParams,
  noParams,
  readParams,
} from '../runtime/control-methods.ts';
import { ControlSocket } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';
import { lockState } from '../runtime/state-lock.ts';
import { errorReply } from '../sites/messages.ts';
import { type ChannelPeer, PeerChannel } from '../sites/peer-channel.ts';
import { readSiteKey } from '../sites/site-key.ts';
import { shownPeers } from './shown-peers.ts';
import { untilSignal } from './until-signal.ts';

/** Runs the controller of the configuration in file `path` until SIGTERM or SIGINT; SIGHUP reads sites, key and log level again. */
export async function runController(config: ControllerConfig, path: string, log: Logger): Promise<void> {
  const undo: (() => unknown)[] = [];
  const stopped = untilSignal();
  try {
    const lock = lockState(config.state, config.controller);
    undo.push(() => lock.release());
    const store = await RegistryStore.open({
      state: config.state,
      name: config.controller,
      limit: config.limits.bindings,
      seed: [randomInt(0, 2 ** 32), randomInt(0, 2 ** 32)],
      warn: (text) => log.warn(text),
    });
    undo.push(() => store.close());
    const service = new RegistryService(store, (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    });
    undo.push(() => service.close());
    const channel = new PeerChannel({
      site: config.controller,
      key: await readSiteKey(config.keyFile),
      listen: config.listen,
      peers: peersOf(config),
      answer: async (from, request) => {
        try {
          if (request.kind === 'registry') return { kind: 'registry', answer: await service.answer(from, request.ask) };
          throw new IlnpError(
            'E_PROTOCOL',
            `${config.controller} is a controller, it keeps a registry and nothing else`,
          );
        } catch (error) {
          return errorReply(error);
        }
      },
      onConnected: () => {},
      log,
    });
    const control = await ControlSocket.open(config.socket, {
      bindings: (params): BindingsPage => {
        const { after = 0 } = readParams(bindingsParams, params);
        const { entries, next } = store.state.page(after);
        return { bindings: entries.flatMap(shownEntry), next };
      },
      counters: (params) => {
        readParams(noParams, params);
        const { revision, size } = store.state;
        return { revision, entries: size, control: { ...channel.counters } };
      },
      config: (params) => {
        readParams(noParams, params);
        return { ...config, listen: `[${config.listen.host}]:${config.listen.port}`, running: { pid: process.pid } };
      },
      peers: (params) => {
        readParams(noParams, params);
        return shownPeers(channel);
      },
    });
    undo.push(() => control.close());
    await channel.start();
    undo.push(() => channel.close());
    const reload = (): void => void reread(path, config, channel, log);
    process.on('SIGHUP', reload);
    undo.push(() => process.off('SIGHUP', reload));
    log.info({ entries: store.state.size, revision: store.state.revision, pid: process.pid }, 'ready');
    log.info({ signal: await stopped.signal }, 'stopping');
  } finally {
    for (const step of undo.reverse()) await step();
    stopped.close();
  }
}

async function reread(path: string, before: ControllerConfig, channel: PeerChannel, log: Logger): Promise<void> {
  try {
    const next = loadControllerConfig(path);
    const fixed = (['controller', 'listen', 'socket', 'state', 'limits'] as const).filter(
      (key) => JSON.stringify(next[key]) !== JSON.stringify(before[key]),
    );
    if (fixed.length > 0)
      throw new IlnpError('E_CONFIG', `these settings change only by a restart: ${fixed.join(', ')}`);
    channel.setPeers(peersOf(next), await readSiteKey(next.keyFile));
    log.level = next.log.level;
    log.info({ sites: next.sites }, 'took the configuration over');
  } catch (error) {
    const code = error instanceof IlnpError ? error.code : undefined;
    log.error({ code }, `the configuration stays as it was: ${(error as Error).message}`);
  }
}

const peersOf = ({ sites }: ControllerConfig): ChannelPeer[] => sites.map((site) => ({ site, control: undefined }));

const shownEntry = ({ nid, epoch, binding }: Entry): BindingReply[] =>
  binding === null ? [] : [bindingReply({ nid, epoch, ...binding })];
