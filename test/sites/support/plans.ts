/** Links of sites as a configuration has them, for tests that need no more than their Locators and names. */
import type { PeerConfig, SiteConfig } from '../../../src/config/site-config.ts';

const numberOf = (site: string): number => Number(site.replace(/\D/g, ''));

/** Each site has one uplink, 2001:db8:N::/64. */
export const uplinkOf = (site: string): SiteConfig['uplinks'][number] => ({
  name: 'isp1',
  interface: 'up0',
  l64: { hi: 0x2001_0db8, lo: (numberOf(site) << 16) >>> 0 },
  preference: 10,
  via: undefined,
  onLink: false,
  probe: undefined,
});

/** Its site Locator is fd00:N::/64. */
export const peerOf = (site: string): PeerConfig => ({
  site,
  l64: { hi: (0xfd00_0000 + numberOf(site)) >>> 0, lo: 0 },
  interface: 'link0',
  via: 'fd00:12::2',
  control: undefined,
});
