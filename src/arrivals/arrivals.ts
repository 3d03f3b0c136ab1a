/**
 * Guests that show themselves on a link of ours although they were elsewhere: they have arrived, unless their old site
 * still hears them or knew them with another link-layer address. No I/O of its own; everything comes with the world.
 *
 * What is said on a link is said by anybody on it. So it moves nothing by itself: it makes this border ask the old site, at most
 * once a second for each guest, and the old site looks for itself. All that follows from what is said is bounded by the
 * second: questions, probes, lines of log.
 */
import type { Binding } from '../ilnp/bindings.ts';
import { put32, u32 } from '../wire/bytes.ts';
import type { Sighting } from '../wire/neighbour-discovery.ts';
import { formatNid, type Ilv, type L64, type Nid } from '../wire/text.ts';

/** How long the old site listens for the guest. Reason: a machine on a local link answers in less than 1 ms, an emulated one in 20. */
const ANSWER_MS = 50;
/** How long the same guest is not asked about again. */
const AGAIN_MS = 1000;
/** Most guests, and most link-layer addresses, that are asked about in that time. Reason: every site is asked about the latter. */
const GUESTS_ASKED = 1024;
const MACHINES_ASKED = 64;
/** Guests that are looked for on the links, and warnings, a second. */
const PROBES = 256;
const WARNINGS = 4;

export interface ArrivalsWorld {
  /** Name of this site. */
  readonly site: string;
  readonly bindings: { get(nid: Nid): Binding | undefined };
  /** Names of the other sites. */
  readonly peers: () => Iterable<string>;
  /** Links of this site; `takes`: those on which guests may arrive by themselves. */
  readonly links: () => readonly { readonly interface: string; readonly takes: boolean }[];
  /** Asks a site which of `nids` it has lost, or, without any, which guests it knew at `mac` and has lost. */
  readonly ask: (site: string, mac: string, nids: readonly Nid[]) => Promise<readonly Nid[]>;
  /** Moves the guest here. */
  readonly move: (nid: Nid) => Promise<unknown>;
  /** True when somebody on the link answers for the address in time. */
  readonly whoHas: (link: string, address: Uint8Array, ms: number) => Promise<boolean>;
  /** Addresses and link-layer addresses that the kernel has heard of on the inside links. */
  readonly neighbours: () => readonly { readonly address: Uint8Array; readonly mac: string }[];
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export class Arrivals {
  readonly #world: ArrivalsWorld;
  readonly #guests = new Recently(GUESTS_ASKED);
  readonly #machines = new Recently(MACHINES_ASKED);
  /** Numbers of what was done this second. */
  readonly #probes = new Recently(PROBES);
  readonly #warnings = new Recently(WARNINGS);
  #count = 0;
  #unlogged = 0;

  constructor(world: ArrivalsWorld) {
    this.#world = world;
  }

  /** Somebody on `link` has said where it is. Resolves when all that follows is done. */
  async seen(link: string, { mac, address }: Sighting): Promise<void> {
    const { bindings, links, peers, site } = this.#world;
    if (!links().some((l) => l.takes && l.interface === link)) return;
    if (address !== null) {
      const { l64, nid } = ilvOf(address);
      const binding = bindings.get(nid);
      if (binding === undefined || binding.at === site || !isSame(binding.guest, l64)) return;
      if (this.#guests.enter(formatNid(nid), this.#world.now())) await this.#take(binding.at, mac, [nid]);
    } else if (this.#machines.enter(mac, this.#world.now())) {
      await Promise.all([...peers()].map((peer) => this.#take(peer, mac, [])));
    }
  }

  /** Another site has seen these (or, with none, a machine with this link-layer address): which of ours are gone? */
  async lost(mac: string, nids: readonly Nid[]): Promise<Nid[]> {
    const { bindings, site, neighbours } = this.#world;
    const known = neighbours().map(({ address, mac: at }) => ({ ...ilvOf(address), mac: at }));
    const about = nids.length > 0 ? nids : known.filter((k) => k.mac === mac).map((k) => k.nid);
    const gone = await Promise.all(
      about.map(async (nid) => {
        const binding = bindings.get(nid);
        if (binding === undefined || binding.at !== site) return [];
        const before = known.find((k) => isSame(k.nid, nid) && isSame(k.l64, binding.guest));
        if (before !== undefined && before.mac !== mac) {
          this.#conflict(nid, mac, `here it had ${before.mac}`);
          return [];
        }
        if (!this.#mayDo(this.#probes)) return []; // it will show itself again
        if (!(await this.#answers(binding))) return [nid];
        this.#conflict(nid, mac, 'it still answers here');
        return [];
      }),
    );
    return gone.flat();
  }

  async #take(from: string, mac: string, nids: readonly Nid[]): Promise<void> {
    const { ask, bindings, move, log, site } = this.#world;
    try {
      for (const nid of await ask(from, mac, nids)) {
        if (bindings.get(nid)?.at !== from) continue;
        log.info({ nid: formatNid(nid), from, mac }, 'a guest has shown itself here, its old site has lost it');
        await move(nid);
      }
    } catch (error) {
      const said = { mac, nids: nids.map(formatNid), from, error: String(error) };
      this.#warn(said, `a guest has shown itself at ${site} and could not be taken`);
    }
  }

  async #answers({ guest, nid }: Binding): Promise<boolean> {
    const { links, whoHas } = this.#world;
    const address = addressOf(guest, nid);
    const answers = await Promise.all(links().map((link) => whoHas(link.interface, address, ANSWER_MS)));
    return answers.includes(true);
  }

  #conflict(nid: Nid, mac: string, why: string): void {
    this.#warn({ nid: formatNid(nid), mac }, `another site sees this guest too, but ${why}`);
  }

  #warn(fields: object, message: string): void {
    if (!this.#mayDo(this.#warnings)) {
      this.#unlogged++;
      return;
    }
    this.#world.log.warn({ ...fields, unlogged: this.#unlogged }, message);
    this.#unlogged = 0;
  }

  /** One more of these this second. */
  #mayDo(done: Recently): boolean {
    return done.enter(String(this.#count++), this.#world.now());
  }
}

/** What was entered within AGAIN_MS, a bounded number. */
class Recently {
  readonly #most: number;
  readonly #until = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** False when it is there already, or there is no room. `now`: milliseconds. */
  enter(key: string, now: number): boolean {
    for (const [old, until] of this.#until) {
      if (until > now) break; // in the order they were entered
      this.#until.delete(old);
    }
    if (this.#until.has(key) || this.#until.size >= this.#most) return false;
    this.#until.set(key, now + AGAIN_MS);
    return true;
  }
}

const ilvOf = (a: Uint8Array): Ilv => ({
  l64: { hi: u32(a, 0), lo: u32(a, 4) },
  nid: { hi: u32(a, 8), lo: u32(a, 12) },
});

const isSame = (a: L64, b: L64): boolean => a.hi === b.hi && a.lo === b.lo;

function addressOf(l64: L64, nid: Nid): Uint8Array {
  const address = new Uint8Array(16);
  put32(address, 0, l64.hi);
  put32(address, 4, l64.lo);
  put32(address, 8, nid.hi);
  put32(address, 12, nid.lo);
  return address;
}
