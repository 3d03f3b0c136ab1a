/** What `ilnp show peers` says of a channel. */
import type { PeerReply } from '../runtime/control-methods.ts';
import type { PeerChannel } from '../sites/peer-channel.ts';

export const shownPeers = (channel: PeerChannel | null): PeerReply[] =>
  (channel?.peers() ?? []).map(({ control: at, problem, ...rest }) => ({
    ...rest,
    control: at ? `[${at.host}]:${at.port}` : null,
    problem: problem ?? null,
  }));
