/** A registry as a process: store, channel to the borders, control socket and signals. Forwards nothing. */
import type { Logger } from 'pino';
import type { ControllerConfig } from '../config/load-controller.ts';
import { noParams, type PairReply, readParams } from '../runtime/control-methods.ts';
import { ControlSocket } from '../runtime/control-socket.ts';
import { lockState } from '../runtime/state-lock.ts';
import type { Reply, Request } from '../sites/messages.ts';
import { methodsOf, noController, openChannel, peersOf, reread, serviceOf } from './controller-parts.ts';
import { openStore } from './open-store.ts';
import { runControllerPair } from './run-controller-pair.ts';
import { untilSignal } from './until-signal.ts';

/** Runs the controller of the configuration in file `path` until SIGTERM or SIGINT; SIGHUP reads sites, key and log level again. */
export async function runController(config: ControllerConfig, path: string, log: Logger): Promise<void> {
  const undo: (() => unknown)[] = [];
  const stopped = untilSignal();
  try {
    const lock = lockState(config.state, config.controller);
    undo.push(() => lock.release());
    if (config.pair !== undefined) {
      await runControllerPair(config, config.pair, { log, path, stopped: stopped.signal });
      return;
    }
    let now = config;
    const store = await openStore(config.controller, config, log);
    undo.push(() => store.close());
    const service = serviceOf(store, () => now);
    undo.push(() => service.close());
    const answer = async (from: string, request: Request): Promise<Reply> => {
      if (request.kind === 'registry') return { kind: 'registry', answer: await service.answer(from, request.ask) };
      if (request.kind === 'witness') return { kind: 'ready' }; // there is no other controller
      throw noController(config);
    };
    const channel = await openChannel(config, answer, log);
    const pair = (params: unknown): PairReply => {
      readParams(noParams, params);
      return { role: 'alone', isReady: false };
    };
    const control = await ControlSocket.open(config.socket, {
      ...methodsOf(() => now, { store, channel: () => channel }),
      pair,
    });
    undo.push(() => control.close());
    await channel.start();
    undo.push(() => channel.close());
    const take = (next: ControllerConfig, key: Uint8Array): void => {
      now = next;
      channel.setPeers(peersOf(next), key);
    };
    const reload = (): void => void reread(path, now, take, log);
    process.on('SIGHUP', reload);
    undo.push(() => process.off('SIGHUP', reload));
    log.info({ entries: store.state.size, revision: store.state.revision, pid: process.pid }, 'ready');
    log.info({ signal: await stopped.signal }, 'stopping');
  } finally {
    for (const step of undo.reverse()) await step();
    stopped.close();
  }
}
