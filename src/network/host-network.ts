/**
 * Sets up an end system and takes exactly that back; like the gateway of a border (gateway.ts) it writes to a journal what
 * is to be undone before it does it.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { IlnpError } from '../runtime/errors.ts';
import { formatL64 } from '../wire/text.ts';
import { type HostIdentity, type HostLocator, hostSteps, locatorSteps, OUT, otherSteps } from './host-plan.ts';
import { ipBatch } from './ip.ts';
import { changeOf } from './ip-words.ts';
import { leadsSomewhere, proxiesIn, rulesIn } from './kernel-view.ts';
import type { RouteSocket } from './netlink.ts';
import type { Step } from './plan.ts';

/** What the kernel says when there is nothing to do: it exists, or it (or its device) does not. */
const NOTHING_TO_DO = [17, 2, 3, 6, 19];

const FORWARDING = '/proc/sys/net/ipv6/conf/all/forwarding';

/** A file under /proc/sys and what was in it. */
interface Setting {
  readonly path: string;
  readonly before: string;
}

interface Journal {
  readonly undo: readonly (readonly string[])[];
  readonly settings: readonly Setting[];
}

export class HostNetwork {
  readonly #journal: string;
  readonly #identity: HostIdentity;
  readonly #interfaces: readonly string[];
  readonly #socket: RouteSocket;
  /**
   * Which Locator has which table, at whatever interface it is: one that comes back at another one is led there by the rule
   * that it has. A place is free again when its Locator is forgotten.
   */
  readonly #places: (string | null)[] = [];
  #settings: Setting[] = [];
  #fixed: Step[] = [];
  #moving: Step[] = [];
  /** For the destinations of other interfaces. */
  #aside: Step[] = [];
  /** Of Locators that are gone, whose packets may still be on their way. */
  #leaving: Step[] = [];
  #locators: readonly HostLocator[] = [];

  /** `journal`: a file for what is to be undone. */
  constructor(journal: string, socket: RouteSocket, identity: HostIdentity, interfaces: readonly string[]) {
    this.#journal = journal;
    this.#socket = socket;
    this.#identity = identity;
    this.#interfaces = interfaces;
  }

  /** Takes back what an earlier run left; true when there was something. */
  recover(): boolean {
    if (!existsSync(this.#journal)) return false;
    let journal: Journal;
    try {
      journal = JSON.parse(readFileSync(this.#journal, 'utf8')) as Journal;
    } catch (error) {
      throw new IlnpError(
        'E_STATE',
        `${this.#journal}: expected the journal of an earlier run: ${(error as Error).message}`,
      );
    }
    undo(journal);
    rmSync(this.#journal, { force: true });
    return true;
  }

  /** The TUN exists and is down. `mtu`: the smallest of the interfaces. Returns the commands run. */
  up(mtu: number): string[] {
    const isRouter = read(FORWARDING) === '1';
    this.#fixed = hostSteps(this.#identity, { mtu, interfaces: this.#interfaces, isRouter });
    const wanted = this.#wantedSettings();
    // those of the TUN go with it
    const lasting = wanted.filter(({ path }) => !this.#isOfTun(path));
    this.#settings = lasting.map(({ path, before }) => ({ path, before }));
    this.#write();
    try {
      const left = this.#fixed.flatMap(({ undo }) => (undo === null ? [] : [undo])).reverse();
      ipBatch(left, { force: true }); // somebody may have lost our journal but not our rules
      for (const { path, value } of wanted) if (path !== FORWARDING) write(path, value);
      ipBatch(
        this.#fixed.map((s) => s.run),
        { force: false },
      );
      // last: a router forgets the default routes it has from advertisements unless accept_ra is 2 already
      for (const { path, value } of wanted) if (path === FORWARDING) write(path, value);
    } catch (error) {
      this.down();
      throw error;
    }
    return [...wanted.map(({ path, value }) => `echo ${value} > ${path}`), ...this.#fixed.map((s) => text(s.run))];
  }

  /**
   * The Locators of the node are these now, and other interfaces lead to `others`. What earlier ones need stays until
   * `forget`. The commands run, with what the kernel had against them, and the Locators that were not there before.
   */
  setLocators<L extends HostLocator>(
    locators: readonly L[],
    others: readonly string[],
  ): { commands: string[]; arrived: L[] } {
    const placeOf = ({ l64 }: HostLocator): number => this.#placeOf(formatL64(l64));
    const next = locatorSteps(this.#identity, locators, placeOf);
    const aside = otherSteps(others);
    const wanted = new Set([...next, ...aside].map((s) => text(s.run)));
    const unwanted = (s: Step): boolean => s.undo !== null && !wanted.has(text(s.run));
    this.#leaving = [...this.#aside, ...this.#leaving, ...this.#moving].filter(unwanted);
    // at once: what leads elsewhere, and what answers at an interface that a Locator has left for another one
    const answered = new Set(next.map(proxied));
    const isInTheWay = (s: Step): boolean =>
      this.#aside.includes(s) || (proxied(s) !== null && answered.has(proxied(s)));
    const gone = this.#leaving.filter(isInTheWay).map((s) => s.undo!);
    this.#moving = next;
    this.#aside = aside;
    this.#write();
    const said = this.#run([...aside.map((s) => s.run), ...gone, ...next.map((s) => s.run)]);
    const known = new Set(this.#locators.map(keyOf));
    const arrived = locators.filter((l) => !known.has(keyOf(l)));
    this.#locators = locators;
    return { commands: said, arrived };
  }

  /**
   * Makes settings again that an interface of this name has not (it was taken out, and another one came), or that somebody
   * has changed. True when there were any.
   */
  resettle(): boolean {
    const wanted = this.#wantedSettings();
    if (wanted.length === 0) return false;
    const known = new Set(this.#settings.map(({ path }) => path));
    const isNew = ({ path }: Setting): boolean => !known.has(path) && !this.#isOfTun(path);
    this.#settings.push(...wanted.filter(isNew).map(({ path, before }) => ({ path, before })));
    this.#write();
    for (const { path, value } of wanted) write(path, value);
    return true;
  }

  /**
   * Puts everything back when somebody has removed the rules, or has put the TUN down: network managers do so with what
   * they do not know. With an interface that goes down and up at once the kernel forgets its routes and whom it answers
   * for, even where addresses stay. True when something was missing. A few questions to the kernel, a process only then.
   */
  repair(): boolean {
    const rules = rulesIn(this.#socket);
    const proxies = proxiesIn(this.#socket);
    const isThere = (step: Step): boolean => {
      const { run } = step;
      const after = (word: string): string => run[run.indexOf(word) + 1]!;
      if (run[0] === 'rule') return rules.has(`${after('priority')} ${after('iif')}`);
      const address = proxied(step);
      return address === null || proxies.has(`${address} ${after('dev')}`);
    };
    const isWay = ({ run }: Step): boolean => run[0] === 'route' && run.includes('table');
    const tables = new Set(this.#moving.filter(isWay).map(({ run }) => Number(run[run.indexOf('table') + 1])));
    const leads = [OUT, ...tables].every((table) => leadsSomewhere(this.#socket, table));
    if (leads && [...this.#fixed, ...this.#moving].every(isThere)) return false;
    ipBatch(
      this.#fixed.map((s) => s.run),
      { force: true },
    );
    this.#run([...this.#aside, ...this.#moving].map((s) => s.run));
    return true;
  }

  /** Takes back what only earlier Locators need; the commands run. */
  forget(): string[] {
    const said = this.#run(this.#leaving.map((s) => s.undo!));
    this.#leaving = [];
    const here = new Set(this.#locators.map(({ l64 }) => formatL64(l64)));
    for (const [k, l64] of this.#places.entries()) if (l64 !== null && !here.has(l64)) this.#places[k] = null;
    this.#write();
    return said;
  }

  #placeOf(l64: string): number {
    const known = this.#places.indexOf(l64);
    if (known >= 0) return known;
    const free = this.#places.indexOf(null);
    const place = free < 0 ? this.#places.length : free;
    this.#places[place] = l64;
    return place;
  }

  /** Runs commands one after the other; what fails does not keep the others. */
  #run(commands: readonly (readonly string[])[]): string[] {
    return commands.map((words) => {
      const change = changeOf(words);
      if (change === null) ipBatch([words], { force: true });
      const errno = change === null ? 0 : this.#socket.change(change);
      return errno === 0 || NOTHING_TO_DO.includes(errno) ? text(words) : `${text(words)} (errno ${errno})`;
    });
  }

  /** Undoes everything, whether or not it was done. */
  down(): void {
    if (this.#fixed.length === 0 && this.#settings.length === 0) return;
    undo(this.#content());
    rmSync(this.#journal, { force: true });
    this.#fixed = [];
    this.#moving = [];
    this.#aside = [];
    this.#leaving = [];
    this.#settings = [];
  }

  /** Removes a TUN that a ring in the kernel still holds for some milliseconds after its process let go. */
  removeTun(): void {
    ipBatch([['link', 'del', 'dev', this.#identity.tun]], { force: true });
  }

  /** Forwarding between TUN and links; neighbours answered for at once; router advertisements still heard. */
  #wantedSettings(): { path: string; before: string; value: string }[] {
    const conf = (name: string, key: string): string => `/proc/sys/net/ipv6/conf/${name}/${key}`;
    const wanted = [{ path: conf(this.#identity.tun, 'addr_gen_mode'), value: '1' }];
    for (const name of this.#interfaces) {
      if (read(conf(name, 'accept_ra')) === '1') wanted.push({ path: conf(name, 'accept_ra'), value: '2' });
      wanted.push({ path: conf(name, 'proxy_ndp'), value: '1' });
      wanted.push({ path: `/proc/sys/net/ipv6/neigh/${name}/proxy_delay`, value: '0' });
    }
    wanted.push({ path: FORWARDING, value: '1' });
    return wanted.flatMap((w) => {
      const before = read(w.path);
      return before === null || before === w.value ? [] : [{ ...w, before }];
    });
  }

  #isOfTun(path: string): boolean {
    return path.includes(`/${this.#identity.tun}/`);
  }

  #content(): Journal {
    const steps = [...this.#fixed, ...this.#aside, ...this.#leaving, ...this.#moving];
    return { undo: steps.flatMap((s) => (s.undo === null ? [] : [s.undo])).reverse(), settings: this.#settings };
  }

  #write(): void {
    mkdirSync(dirname(this.#journal), { recursive: true, mode: 0o755 });
    writeFileSync(`${this.#journal}.new`, JSON.stringify(this.#content()));
    renameSync(`${this.#journal}.new`, this.#journal);
  }
}

function undo(journal: Journal): void {
  ipBatch(journal.undo, { force: true });
  for (const { path, before } of [...journal.settings].reverse()) {
    const now = read(path);
    if (now !== null && now !== before) write(path, before);
  }
}

const keyOf = ({ l64, interface: name }: Pick<HostLocator, 'l64' | 'interface'>): string => `${formatL64(l64)} ${name}`;

/** The address that a step lets this node answer for, or null. */
const proxied = ({ run }: Step): string | null => (run[0] === 'neigh' && run[2] === 'proxy' ? run[3]! : null);

const text = (words: readonly string[]): string => `ip -6 ${words.join(' ')}`;

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}

function write(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch (error) {
    throw new IlnpError('E_NETWORK', `${path}: cannot write ${value}: ${(error as Error).message}`);
  }
}
