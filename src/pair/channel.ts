/** The connection of the two borders of a pair: the standby asks, the active one answers. */
import type { PairConfig, SiteConfig } from '../config/site-config.ts';
import { IlnpError } from '../runtime/errors.ts';
import { errorReply, type Reply } from '../sites/messages.ts';
import type { MovesClock, SitesLog } from '../sites/moves-world.ts';
import { PeerChannel } from '../sites/peer-channel.ts';
import type { Copy } from './copy.ts';
import { keepCopy } from './keep-copy.ts';
import type { Mirror } from './mirror.ts';

/** Two borders of one site are no sites; no site has such a name. */
const names = (site: string) => ({ active: `${site}~active`, standby: `${site}~standby` });
const ASK_MS = 5000;

interface ChannelOptions {
  readonly config: SiteConfig;
  readonly pair: PairConfig;
  readonly key: Uint8Array;
  readonly log: SitesLog;
}

/** Answers the standby from now on; resolves when it listens. The result ends it. E_NETWORK. */
export async function answerStandby(
  mirror: Mirror,
  { config, pair, key, log }: ChannelOptions,
): Promise<() => Promise<void>> {
  const { active, standby } = names(config.site);
  const channel = new PeerChannel({
    site: active,
    key,
    listen: pair.listen,
    peers: [{ site: standby, control: undefined, via: pair.peer.host }],
    answer: async (_, request): Promise<Reply> => {
      try {
        if (request.kind !== 'mirror') throw new IlnpError('E_PROTOCOL', 'a standby asks for a copy and nothing else');
        return { kind: 'mirrored', ...(await mirror.answer(request)) };
      } catch (error) {
        return errorReply(error);
      }
    },
    onConnected: () => {},
    log,
  });
  await channel.start();
  return () => channel.close();
}

/** Keeps `copy` up to date from now on. The result ends it. */
export async function followActive(
  copy: Copy,
  { config, pair, key, log, clock }: ChannelOptions & { readonly clock: Pick<MovesClock, 'after'> },
): Promise<() => Promise<void>> {
  const { active, standby } = names(config.site);
  let isOver = false;
  const channel = new PeerChannel({
    site: standby,
    key,
    listen: undefined,
    peers: [{ site: active, control: pair.peer }],
    answer: async () => errorReply(new IlnpError('E_PROTOCOL', 'a standby answers nobody')),
    onConnected: () => {},
    log,
  });
  await channel.start();
  const done = keepCopy({
    copy,
    ask: async (ask) => {
      const reply = await channel.send(active, { kind: 'mirror', ...ask }, ASK_MS);
      if (reply.kind !== 'mirrored') throw new IlnpError('E_PROTOCOL', `${active} answered ${reply.kind} to mirror`);
      return reply;
    },
    isOver: () => isOver,
    clock,
    log,
  });
  return async () => {
    isOver = true;
    await channel.close();
    await done;
  };
}
