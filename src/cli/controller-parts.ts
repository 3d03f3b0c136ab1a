/** What a controller is made of, whether it is alone or one of a pair. */
import type { Logger } from 'pino';
import { type ControllerConfig, loadControllerConfig } from '../config/load-controller.ts';
import type { PolicyRule } from '../config/site-config.ts';
import type { Entry } from '../registry/registry.ts';
import { RegistryService } from '../registry/service.ts';
import type { RegistryStore } from '../registry/store.ts';
import {
  type BindingReply,
  type BindingsPage,
  bindingReply,
  bindingsParams,
  noParams,
  readParams,
} from '../runtime/control-methods.ts';
import type { ControlMethods } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';
import { underWayOf } from '../sites/decision.ts';
import { controllerObjection } from '../sites/entry-rules.ts';
import { errorReply, type Reply, type Request } from '../sites/messages.ts';
import { type ChannelPeer, PeerChannel } from '../sites/peer-channel.ts';
import { readSiteKey } from '../sites/site-key.ts';
import { formatNid } from '../wire/text.ts';
import { MONOTONIC } from './monotonic.ts';
import { shownPeers } from './shown-peers.ts';

/** Answers borders from `store`, and refuses what the configuration of that moment knows against it. */
export const serviceOf = (store: RegistryStore, config: () => ControllerConfig): RegistryService =>
  new RegistryService(store, MONOTONIC.after, (next, held) => controllerObjection(config(), next, held));

/** The channel on which borders ask a controller; it listens from `start` on. */
export const openChannel = async (
  config: ControllerConfig,
  answer: (from: string, request: Request) => Promise<Reply>,
  log: Logger,
): Promise<PeerChannel> =>
  new PeerChannel({
    site: config.controller,
    key: await readSiteKey(config.keyFile),
    listen: config.listen,
    peers: peersOf(config),
    answer: (from, request) => answer(from, request).catch(errorReply),
    onConnected: () => {},
    log,
  });

export const noController = ({ controller }: ControllerConfig): IlnpError =>
  new IlnpError('E_PROTOCOL', `${controller} is a controller, it keeps a registry and nothing else`);

/** What `ilnp show` asks of a controller that serves. */
export function methodsOf(
  config: () => ControllerConfig,
  { store, channel }: { readonly store: RegistryStore; readonly channel: () => PeerChannel | undefined },
): ControlMethods {
  return {
    bindings: (params): BindingsPage => {
      const { after = 0 } = readParams(bindingsParams, params);
      const { entries, next } = store.state.page(after);
      return { bindings: entries.flatMap(shownEntry), next };
    },
    counters: (params) => {
      readParams(noParams, params);
      const { revision, size } = store.state;
      return { revision, entries: size, control: { ...channel()?.counters } };
    },
    config: (params) => {
      readParams(noParams, params);
      const { listen, policy, ...rest } = config();
      return {
        ...{ ...rest, listen: `[${listen.host}]:${listen.port}`, policy: policy.map(shownRule) },
        running: { pid: process.pid },
      };
    },
    peers: (params) => {
      readParams(noParams, params);
      return shownPeers(channel() ?? null);
    },
  };
}

/** Reads the file again, and the key; `take` puts both into force. What is wrong with either is logged, and nothing changes. */
export async function reread(
  path: string,
  config: ControllerConfig,
  take: (next: ControllerConfig, key: Uint8Array) => void,
  log: Logger,
): Promise<void> {
  try {
    const next = loadControllerConfig(path);
    const fixed = (['controller', 'listen', 'socket', 'state', 'limits', 'pair'] as const).filter(
      (key) => JSON.stringify(next[key]) !== JSON.stringify(config[key]),
    );
    if (fixed.length > 0)
      throw new IlnpError('E_CONFIG', `these settings change only by a restart: ${fixed.join(', ')}`);
    take(next, await readSiteKey(next.keyFile));
    log.level = next.log.level;
    log.info({ sites: next.sites }, 'took the configuration over');
  } catch (error) {
    const code = error instanceof IlnpError ? error.code : undefined;
    log.error({ code }, `the configuration stays as it was: ${(error as Error).message}`);
  }
}

export const peersOf = ({ sites }: ControllerConfig): ChannelPeer[] =>
  sites.map((site) => ({ site, control: undefined }));

const shownRule = ({ nids: { from, to }, sites }: PolicyRule) => ({
  nids: `${formatNid(from)} - ${formatNid(to)}`,
  sites,
});

function shownEntry({ nid, epoch, binding, active }: Entry): BindingReply[] {
  if (binding === null) return [];
  const move = active && underWayOf({ at: binding.at, active, problem: null });
  return [bindingReply({ nid, epoch, ...binding }, move)];
}
