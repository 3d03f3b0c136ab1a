/**
 * Sets up the gateway and takes exactly that back. What is to be undone is written to a journal before it is done, so that
 * the next start cleans up after a crash.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SiteConfig } from '../config/site-config.ts';
import { ifNameToIndex } from '../device/libc.ts';
import { tunNames } from '../device/tun-names.ts';
import { IlnpError } from '../runtime/errors.ts';
import { makeFolder } from '../runtime/folder.ts';
import type { L64 } from '../wire/text.ts';
import { ipBatch, ipJson, readSysctl, writeSysctl } from './ip.ts';
import { journalFile } from './journal-file.ts';
import { type Facts, plan, type Step } from './plan.ts';

const IFF_UP = 1;

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
  /** The same in memory, should the file be lost. */
  #current: Journal | null = null;

  /** `runFolder`: where the journal lives, e.g. /run/ilnp. */
  constructor(runFolder: string) {
    this.#journal = journalFile(runFolder, 'gateway');
  }

  /** Takes back what an earlier run left; true when there was something. */
  recover(): boolean {
    if (!existsSync(this.#journal)) return false;
    this.#undo(readJournal(this.#journal));
    return true;
  }

  /** Sets up everything; the TUN devices exist and are down. Returns the commands run. */
  up(config: SiteConfig, guests: readonly L64[]): string[] {
    const steps = plan(config, guests, facts(config));
    const sysctls = wantedSysctls(config);
    const undo = undoOf(steps).reverse();
    this.#write({ undo, sysctls: toRestore(config, sysctls) });
    try {
      ipBatch(undo, { force: true }); // somebody may have lost our journal but not our rules
      for (const { name, key, value } of sysctls.filter((s) => !isForwarding(s))) writeSysctl(name, key, value);
      ipBatch(
        steps.map((s) => s.run),
        { force: false },
      );
      // last here and first in `down`: without the rules the kernel would forward with inside Locators
      for (const { name, key, value } of sysctls.filter(isForwarding)) writeSysctl(name, key, value);
    } catch (error) {
      this.down();
      throw error;
    }
    return describe(steps, sysctls);
  }

  /** Puts back what the kernel forgot with a link that went down or was made anew; what is there stays. */
  repair(config: SiteConfig, guests: readonly L64[]): void {
    const sysctls = wantedSysctls(config);
    if (sysctls.length > 0) {
      const journal = this.#current ?? readJournal(this.#journal);
      this.#write({ ...journal, sysctls: withNew(journal.sysctls, toRestore(config, sysctls)) });
      for (const { name, key, value } of sysctls) writeSysctl(name, key, value);
    }
    // an address given to a link that is down lacks, once it is up, what the kernel makes along with others
    const later = config.inside.filter((link) => !isUp(link.interface));
    const addresses = new Set(later.map((link) => `${link.interface} ${link.gateway}`));
    ipBatch(
      plan(config, guests, { ...facts(config), addresses }).map((s) => s.run),
      { force: true },
    );
  }

  /** Goes over to another configuration; what both set up stays as it is. Returns the commands run. */
  change(config: SiteConfig, guests: readonly L64[]): string[] {
    const journal = this.#current ?? readJournal(this.#journal);
    const known = new Set(journal.undo.map(text));
    const seen = facts(config);
    const addresses = new Set([...seen.addresses].filter((a) => !known.has(addressUndo(a))));
    const steps = plan(config, guests, { ...seen, addresses }).filter((s) => s.undo !== null);
    const wanted = new Set(undoOf(steps).map(text));
    const added = steps.filter((s) => !known.has(text(s.undo!)));
    const gone = journal.undo.filter((words) => !wanted.has(text(words)));
    const stays = journal.undo.filter((words) => wanted.has(text(words)));
    const sysctls = wantedSysctls(config);
    const kept = { sysctls: withNew(journal.sysctls, toRestore(config, sysctls)) };
    const undoAdded = undoOf(added).reverse();
    this.#write({ ...kept, undo: [...undoAdded, ...gone, ...stays] });
    for (const { name, key, value } of sysctls) writeSysctl(name, key, value);
    ipBatch(
      added.map((s) => s.run),
      { force: false },
    );
    ipBatch(gone, { force: true });
    this.#write({ ...kept, undo: [...undoAdded, ...stays] });
    return [...describe(added, sysctls), ...gone.map((words) => `ip -6 ${text(words)}`)];
  }

  /** Takes back what this process has set up, if anything. */
  down(): void {
    if (this.#current !== null) this.#undo(this.#current);
  }

  /** Undoes everything in a journal, whether or not it was done. */
  #undo(journal: Journal): void {
    const restore = (forwarding: boolean): void => {
      for (const { name, key, value } of journal.sysctls)
        if ((key === 'forwarding') === forwarding && readSysctl(name, key) !== null) writeSysctl(name, key, value);
    };
    restore(true);
    ipBatch(journal.undo, { force: true });
    restore(false);
    rmSync(this.#journal, { force: true });
    this.#current = null;
  }

  #write(journal: Journal): void {
    const fresh = `${this.#journal}.new`;
    try {
      makeFolder(dirname(this.#journal), 0o755);
      writeFileSync(fresh, JSON.stringify(journal));
      renameSync(fresh, this.#journal);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw new IlnpError('E_STATE', `${this.#journal}: ${(error as Error).message}`);
    }
    this.#current = journal;
  }
}

/** Removes TUN devices that a ring in the kernel still holds for some milliseconds after their process let go. */
export function removeTuns(config: SiteConfig): void {
  ipBatch(
    tunNames(config.tun.name).map((name) => ['link', 'del', 'dev', name]),
    { force: true },
  );
}

/** What a journal keeps of sysctls; those of the TUNs go with the TUNs. */
function toRestore(config: SiteConfig, sysctls: readonly Sysctl[]): Journal['sysctls'] {
  const tuns: readonly string[] = tunNames(config.tun.name);
  const restore = sysctls
    .filter(({ name }) => !tuns.includes(name))
    .map(({ name, key, before: value }) => ({ name, key, value }));
  // writing `all` writes every interface; those that forwarded before shall do so again, after it
  const each = sysctls.some(({ name, key }) => name === 'all' && key === 'forwarding') ? forwardingInterfaces() : [];
  return [...restore, ...each.map((name) => ({ name, key: 'forwarding', value: '1' }))];
}

/** What was there before the first change is what counts. */
function withNew(known: Journal['sysctls'], found: Journal['sysctls']): Journal['sysctls'] {
  const keys = new Set(known.map(({ name, key }) => `${name} ${key}`));
  return [...known, ...found.filter(({ name, key }) => !keys.has(`${name} ${key}`))];
}

/** Interfaces that forward although `all` says no. */
const forwardingInterfaces = (): string[] =>
  readdirSync('/proc/sys/net/ipv6/conf').filter((name) => name !== 'all' && readSysctl(name, 'forwarding') === '1');

/** What the operator runs by hand with `network: manual`, once the TUN devices exist, and what takes it back. */
export function manualCommands(config: SiteConfig, guests: readonly L64[]): { run: string[]; undo: string[] } {
  const steps = plan(config, guests, facts(config));
  const sysctls = wantedSysctls(config);
  const before = toRestore(config, sysctls);
  const undo = [
    ...before.filter(isForwarding).map(sysctlCommand),
    ...undoOf(steps)
      .reverse()
      .map((words) => `ip -6 ${text(words)}`),
    ...before.filter((s) => !isForwarding(s)).map(sysctlCommand),
  ];
  return { run: describe(steps, sysctls), undo };
}

interface Sysctl {
  readonly name: string;
  readonly key: string;
  readonly value: string;
  readonly before: string;
}

/**
 * What differs from: forwarding, on; on TUNs no addresses of their own; router advertisements of an uplink still heard;
 * neighbours answered for.
 */
function wantedSysctls(config: SiteConfig): Sysctl[] {
  const wanted = [{ name: 'all', key: 'forwarding', value: '1' }];
  for (const tun of tunNames(config.tun.name)) wanted.push({ name: tun, key: 'addr_gen_mode', value: '1' });
  for (const uplink of config.uplinks) {
    if (readSysctl(uplink.interface, 'accept_ra') === '1')
      wanted.push({ name: uplink.interface, key: 'accept_ra', value: '2' });
    if (uplink.onLink) wanted.push({ name: uplink.interface, key: 'proxy_ndp', value: '1' });
  }
  for (const link of config.inside) wanted.push({ name: link.interface, key: 'proxy_ndp', value: '1' });
  return wanted.flatMap((w) => {
    const before = readSysctl(w.name, w.key);
    return before === null || before === w.value ? [] : [{ ...w, before }];
  });
}

const text = (words: readonly string[]): string => words.join(' ');
const undoOf = (steps: readonly Step[]): (readonly string[])[] =>
  steps.flatMap((s) => (s.undo === null ? [] : [s.undo]));

/** The undoing of a gateway address (network/plan.ts) for an entry of Facts.addresses. */
function addressUndo(entry: string): string {
  const [name, address] = entry.split(' ');
  return `addr del ${address}/64 dev ${name}`;
}

const isForwarding = ({ key }: { readonly key: string }): boolean => key === 'forwarding';
const sysctlCommand = ({ name, key, value }: Journal['sysctls'][number]): string =>
  `sysctl -w net.ipv6.conf.${name}.${key}=${value}`;

/** In the order in which `up` does it. */
const describe = (steps: readonly Step[], sysctls: readonly Sysctl[]): string[] => [
  ...sysctls.filter((s) => !isForwarding(s)).map(sysctlCommand),
  ...steps.map((s) => `ip -6 ${text(s.run)}`),
  ...sysctls.filter(isForwarding).map(sysctlCommand),
];

/** Throws E_NETWORK naming every interface of the configuration that does not exist. */
export function requireInterfaces(config: SiteConfig): void {
  const names = [...config.uplinks, ...config.inside, ...config.peers].map((l) => l.interface);
  const missing = [...new Set(names)].filter((name) => ifNameToIndex(name) === 0);
  if (missing.length > 0)
    throw new IlnpError('E_NETWORK', `expected these interfaces to exist, got none: ${missing.join(', ')}`);
}

/** Whether somebody has set it up, with or without a carrier. */
function isUp(name: string): boolean {
  try {
    return (Number(readFileSync(`/sys/class/net/${name}/flags`, 'utf8')) & IFF_UP) !== 0;
  } catch {
    return false; // it may vanish while we run
  }
}

/** What the plan needs to know of this machine. */
function facts(config: SiteConfig): Facts {
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
  if (ifNameToIndex(name) === 0) return null; // it may vanish while we run
  for (const entry of ipJson<AddressEntry>('addr', 'show', 'dev', name, 'scope', 'global')) {
    for (const a of entry.addr_info) if (a.local) return a.local;
  }
  return null;
}

const isText = (value: unknown): boolean => typeof value === 'string';

function isJournal(value: unknown): value is Journal {
  const { undo, sysctls } = (value ?? {}) as Record<string, unknown>;
  return (
    Array.isArray(undo) &&
    undo.every((words) => Array.isArray(words) && words.every(isText)) &&
    Array.isArray(sysctls) &&
    sysctls.every((s) => isText(s?.name) && isText(s?.key) && isText(s?.value))
  );
}

function readJournal(path: string): Journal {
  try {
    const journal: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (isJournal(journal)) return journal;
    throw new Error('something else');
  } catch (error) {
    throw new IlnpError(
      'E_STATE',
      `${path}: expected the journal of an earlier run, got ${(error as Error).message}; look at ip -6 rule, then remove it`,
    );
  }
}
