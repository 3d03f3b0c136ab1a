/**
 * Whether the links of the border are up, so that new sessions take an uplink that is (digest section 12.11) and what the
 * kernel forgot with a link is put back. Looks every ten seconds: cheap, and a link that flaps faster should not be
 * followed. A link that was made anew under the same name counts as one that went down and came up.
 */
import { readFileSync } from 'node:fs';

const PERIOD_MS = 10_000;
const DOWN = 'down';

export class LinkWatch {
  #names: readonly string[];
  #states = new Map<string, string>();
  readonly #onChange: (cameUp: boolean) => void;
  #timer: NodeJS.Timeout | undefined;

  /** `onChange`: some link went up or down; `cameUp`: one is up that was not, or was made anew, since the last look. */
  constructor(names: readonly string[], onChange: (cameUp: boolean) => void) {
    this.#names = names;
    this.#onChange = onChange;
    this.#states = look(names);
  }

  /** Per link with an interface: it is up. */
  up(links: readonly { readonly interface: string }[]): boolean[] {
    return links.map((link) => (this.#states.get(link.interface) ?? stateOf(link.interface)) !== DOWN);
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), PERIOD_MS).unref();
  }

  watch(names: readonly string[]): void {
    this.#names = names;
    this.#states = look(names);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const before = this.#states;
    this.#states = look(this.#names);
    const changed = this.#names.filter((name) => this.#states.get(name) !== before.get(name));
    if (changed.length > 0) this.#onChange(changed.some((name) => this.#states.get(name) !== DOWN));
  }
}

const look = (names: readonly string[]): Map<string, string> => new Map(names.map((name) => [name, stateOf(name)]));

/** `down`, or what tells this time up from another: the index of the interface and how often its carrier has changed. */
function stateOf(name: string): string {
  try {
    const read = (key: string): string => readFileSync(`/sys/class/net/${name}/${key}`, 'utf8').trim();
    const state = read('operstate'); // an interface without a link layer of its own says "unknown", which counts as up
    return state === 'up' || state === 'unknown' ? `${read('ifindex')} ${read('carrier_changes')}` : DOWN;
  } catch {
    return DOWN;
  }
}
