/** What the configuration says of single nodes, put into their entries when they enter the cache. */
import type { Correspondent } from '../ilnp/correspondent.ts';
import type { Convention, PeerSettings } from './messages.ts';

/** `checksum`: of whom nothing is said. */
export function admission(peers: readonly PeerSettings[], checksum: Convention): (c: Correspondent) => void {
  const key = (nid0: number, nid1: number): string => `${nid0} ${nid1}`;
  const byNid = new Map(peers.map((peer) => [key(peer.nid0, peer.nid1), peer]));
  return (c) => {
    const peer = byNid.get(key(c.nid0, c.nid1));
    c.checksum = peer?.checksum ?? checksum;
    c.key = peer?.key ?? null;
    c.isKeyRequired = peer?.isKeyRequired ?? false;
    c.zeroed = c.checksum === 'zeroed' || (c.checksum === 'auto' && c.zeroed);
  };
}
