/** What the tables of the path take from the gateway: which uplinks are up, and whose addresses its errors have. */
import type { SiteConfig } from '../config/site-config.ts';
import { globalAddress } from '../network/gateway.ts';
import type { Surroundings } from '../sbr/compile.ts';
import { parseIpv6 } from '../wire/text.ts';
import { type SessionFile, uplinkIds } from './session-store.ts';

/** `uplinkUp`: per uplink, whether its link is up. `sessions`: what knows uplinks by numbers of its own. */
export function surroundings(
  { uplinks, inside, peers }: SiteConfig,
  uplinkUp: readonly boolean[],
  sessions: SessionFile | null,
): Surroundings {
  const l64s = uplinks.map(({ l64 }) => l64);
  return {
    uplinkUp,
    ...(sessions && { uplinkIds: uplinkIds(sessions, l64s) }),
    outsideAddress: ownAddress(uplinks),
    insideAddress: ownAddress(inside) ?? ownAddress(peers) ?? ownAddress(uplinks),
  };
}

/** All that packets come and go by, each once. */
export const interfacesOf = (config: SiteConfig): string[] => [
  ...new Set([...config.uplinks, ...config.inside, ...config.peers].map((link) => link.interface)),
];

function ownAddress(links: readonly { readonly interface: string }[]): Uint8Array | null {
  for (const link of links) {
    const text = globalAddress(link.interface);
    if (text !== null) return parseIpv6(text);
  }
  return null;
}
