/**
 * Sets up the gateway and takes exactly that back. What is to be undone is written to a journal before it is done, so that
 * the next start cleans up after a crash.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SiteConfig } from '../config/site-config.ts';
import { ifNameToIndex } from '../device/libc.ts';
import { tunNames } from '../device/tun-names.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { L64 } from '../wire/text.ts';
import { ipBatch, ipJson, readSysctl, writeSysctl } from './ip.ts';
import { type Facts, plan, type Step } from './plan.ts';

interface Journal {
  readonly undo: readonly (readonly string[])[];
  readonly sysctls: readonly { readonly name: string; readonly key: string; readonly value: string }[];
}

interface AddressEntry {
  readonly ifname: string;
  readonly addr_info: readonly { readonly family?: string; readonly local?: string; readonly scope?: string }[];
}

export class Gateway {
  readonly #journal: string;

  /** `runFolder`: where the journal lives, e.g. /run/ilnp. */
  constructor(runFolder: string, site: string) {
    this.#journal = `${runFolder}/${site}.undo`;
  }

  /** Takes back what an earlier run left; true when there was something. */
  recover(): boolean {
    if (!existsSync(this.#journal)) return false;
    this.down();
    return true;
  }

  /** The TUN devices exist and are down. Returns the steps taken. */
  up(config: SiteConfig, guests: readonly L64[]): readonly Step[] {
    const steps = plan(config, guests, facts(config));
    const sysctls = this.#wantedSysctls(config).filter(({ name, key, value }) => {
      const now = readSysctl(name, key);
      return now !== null && now !== value;
    });
    const journal: Journal = {
      undo: steps.flatMap((s) => (s.undo === null ? [] : [s.undo])).reverse(),
      sysctls: sysctls.map(({ name, key }) => ({ name, key, value: readSysctl(name, key)! })),
    };
    mkdirSync(dirname(this.#journal), { recursive: true, mode: 0o755 });
    writeFileSync(`${this.#journal}.new`, JSON.stringify(journal));
    renameSync(`${this.#journal}.new`, this.#journal);
    try {
      for (const { name, key, value } of sysctls) writeSysctl(name, key, value);
      ipBatch(journal.undo, { force: true }); // somebody may have lost our journal but not our rules
      ipBatch(
        steps.map((s) => s.run),
        { force: false },
      );
    } catch (error) {
      this.down();
      throw error;
    }
    return steps;
  }

  /** Undoes everything in the journal, whether or not it was done. */
  down(): void {
    if (!existsSync(this.#journal)) return;
    const journal = readJournal(this.#journal);
    ipBatch(journal.undo, { force: true });
    for (const { name, key, value } of journal.sysctls)
      if (readSysctl(name, key) !== null) writeSysctl(name, key, value);
    rmSync(this.#journal, { force: true });
  }

  /** Forwarding, on; on TUNs, no addresses of their own; router advertisements of an uplink still heard. */
  #wantedSysctls(config: SiteConfig): { name: string; key: string; value: string }[] {
    const wanted = [{ name: 'all', key: 'forwarding', value: '1' }];
    for (const tun of tunNames(config.tun.name)) wanted.push({ name: tun, key: 'addr_gen_mode', value: '1' });
    for (const uplink of config.uplinks) {
      if (readSysctl(uplink.interface, 'accept_ra') === '1')
        wanted.push({ name: uplink.interface, key: 'accept_ra', value: '2' });
      if (uplink.onLink) wanted.push({ name: uplink.interface, key: 'proxy_ndp', value: '1' });
    }
    for (const link of config.inside) wanted.push({ name: link.interface, key: 'proxy_ndp', value: '1' });
    return wanted;
  }
}

/** Throws E_NETWORK naming every interface of the configuration that does not exist. */
export function requireInterfaces(config: SiteConfig): void {
  const names = [...config.uplinks, ...config.inside, ...config.peers].map((l) => l.interface);
  const missing = [...new Set(names)].filter((name) => ifNameToIndex(name) === 0);
  if (missing.length > 0)
    throw new IlnpError('E_NETWORK', `expected these interfaces to exist, got none: ${missing.join(', ')}`);
}

/** What the plan needs to know of this machine. */
export function facts(config: SiteConfig): Facts {
  const gateways = new Map<string, string>();
  for (const { interface: name } of config.uplinks) {
    const routes = ipJson<{ gateway?: string }>('route', 'show', 'default', 'dev', name);
    const gateway = routes.find((r) => r.gateway !== undefined)?.gateway;
    if (gateway !== undefined) gateways.set(name, gateway);
  }
  const addresses = new Set<string>();
  for (const entry of ipJson<AddressEntry>('addr', 'show')) {
    for (const a of entry.addr_info) if (a.local) addresses.add(`${entry.ifname} ${a.local}`);
  }
  return { gateways, addresses };
}

/** First global address of an interface, as text, or null. */
export function globalAddress(name: string): string | null {
  for (const entry of ipJson<AddressEntry>('addr', 'show', 'dev', name, 'scope', 'global')) {
    for (const a of entry.addr_info) if (a.local) return a.local;
  }
  return null;
}

function readJournal(path: string): Journal {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Journal;
  } catch (error) {
    throw new IlnpError('E_STATE', `${path}: expected the journal of an earlier run, got ${(error as Error).message}`);
  }
}
