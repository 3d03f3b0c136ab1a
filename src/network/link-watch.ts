/**
 * Whether the links of the border are up, so that new sessions take an uplink that is and what the
 * kernel forgot with a link, or somebody else removed of our rules and routes, is put back. Follows `ip monitor` and
 * looks at most once a second, so that a link that flaps is not followed faster; every ten seconds it looks anyway. A
 * link that was made anew under the same name, or has other global addresses (routes through it need one), counts as
 * one that went down and came up.
 */
import { readFileSync } from 'node:fs';
import { Monitor } from './monitor.ts';
import { PROTOCOL } from './plan.ts';
import { type Probed, UplinkProbes } from './uplink-probes.ts';

const PERIOD_MS = 10_000;
const GAP_MS = 1000;
/** Reason: a change is several events, and addresses come right behind the link. */
const SETTLE_MS = 100;
const DOWN = 'down';
const MONITOR = ['monitor', 'link', 'address', 'route', 'rule'];
/** What it says of a rule or route of ours that is gone. */
const LOST = new RegExp(`^Deleted .* proto ${PROTOCOL}( |$)`);

export class LinkWatch {
  #names: readonly string[];
  #states = new Map<string, string>();
  readonly #onChange: (repair: boolean) => void;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  readonly #monitor: Monitor;
  readonly #probes: UplinkProbes;
  #lookedAt = 0;
  /** A change is followed a second time: what a router has to announce first comes behind the link. */
  #again = false;
  #lost = false;

  /**
   * `uplinks`: those of the links whose path may be probed. `onChange`: some link went up or down, a path is silent or no
   * longer, or something of ours is gone; `repair`: it is, or a link is up that was not, or was made anew, since the last look.
   */
  constructor(names: readonly string[], uplinks: readonly Probed[], onChange: (repair: boolean) => void) {
    this.#names = names;
    this.#probes = new UplinkProbes(() => onChange(false));
    this.#probes.watch(uplinks);
    this.#onChange = onChange;
    this.#states = look(names);
    this.#monitor = new Monitor(
      MONITOR,
      (line) => {
        if (LOST.test(line)) this.#lost = true;
        this.#lookSoon();
      },
      () => {
        this.#again = true; // nobody knows what it has missed
      },
    );
  }

  /** Per uplink: its link is up, and its path, if it is probed, not silent. */
  up(uplinks: readonly Probed[]): boolean[] {
    const isUp = (name: string): boolean => (this.#states.get(name) ?? stateOf(name)) !== DOWN;
    return uplinks.map((uplink) => isUp(uplink.interface) && !this.#probes.isSilent(uplink));
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#period(), PERIOD_MS).unref();
    this.#probes.start();
    this.#monitor.follow(); // where there is none, the look every ten seconds remains
  }

  watch(names: readonly string[], uplinks: readonly Probed[]): void {
    this.#names = names;
    this.#probes.watch(uplinks);
    this.#states = look(names);
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    this.#timer = undefined;
    this.#soon = undefined;
    this.#monitor.stop();
    this.#probes.stop();
  }

  #period(): void {
    this.#monitor.follow(); // again, should it have ended
    const again = this.#again;
    this.#again = false;
    if (!this.#look() && again) this.#onChange(true);
  }

  #lookSoon(): void {
    if (this.#timer === undefined) return;
    const wait = Math.max(SETTLE_MS, this.#lookedAt + GAP_MS - performance.now());
    this.#soon ??= setTimeout(() => this.#look(), wait).unref();
  }

  /** True when something has changed. */
  #look(): boolean {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    this.#lookedAt = performance.now();
    const before = this.#states;
    this.#states = look(this.#names);
    const changed = this.#names.filter((name) => this.#states.get(name) !== before.get(name));
    const lost = this.#lost;
    this.#lost = false;
    if (changed.length === 0 && !lost) return false;
    this.#again = true;
    this.#onChange(lost || changed.some((name) => this.#states.get(name) !== DOWN));
    return true;
  }
}

function look(names: readonly string[]): Map<string, string> {
  const addresses = globalAddresses();
  return new Map(names.map((name) => [name, stateOf(name, addresses.get(name))]));
}

/**
 * `down`, or what tells this time up from another: the index of the interface, how often its carrier has changed, its
 * addresses.
 */
function stateOf(name: string, addresses: readonly string[] = []): string {
  try {
    const read = (key: string): string => readFileSync(`/sys/class/net/${name}/${key}`, 'utf8').trim();
    const state = read('operstate'); // an interface without a link layer of its own says "unknown", which counts as up
    if (state !== 'up' && state !== 'unknown') return DOWN;
    return [read('ifindex'), read('carrier_changes'), ...addresses].join(' ');
  } catch {
    return DOWN;
  }
}

/** Usable addresses by interface, from if_inet6: address, index, prefix length, scope, flags, interface. */
function globalAddresses(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of readFileSync('/proc/net/if_inet6', 'utf8').split('\n')) {
    const [address, , , scope, flags, name] = line.trim().split(/ +/);
    if (name === undefined || scope !== '00' || (Number.parseInt(flags!, 16) & TENTATIVE) !== 0) continue;
    found.set(name, [...(found.get(name) ?? []), address!].sort());
  }
  return found;
}

const TENTATIVE = 0x40;
