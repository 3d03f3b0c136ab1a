/**
 * Guests that speak ILNP through this border, on its control plane: their correspondents are told when uplinks or guests come
 * and go (sbr/updates.ts), and what is known of them goes along with a guest that moves to another site.
 */
import type { SiteConfig } from '../config/site-config.ts';
import type { Bindings } from '../ilnp/bindings.ts';
import { earliest, type KeepCounts } from '../ilnp/keeping.ts';
import type { KnownPair, Pairs } from '../ilnp/pairs.ts';
import { GuestUpdates } from '../sbr/updates.ts';
import { formatL64, formatNid, type Nid } from '../wire/text.ts';
import { reachOf, type Uplinks } from './reach.ts';

/**
 * How often the border looks for sessions that guests of other sites have begun here, and for those that were idle when their
 * uplink was lost and go on now: nothing else would tell it.
 */
const LOOK_MS = 1000;

export interface SpeakersOptions {
  readonly pairs: Pairs;
  readonly bindings: Bindings;
  readonly config: () => SiteConfig;
  /** Hands packets to the kernel as if they had come from the path towards the uplinks. */
  readonly emit: (packets: readonly Uint8Array[]) => void;
}

/** What `ilnp show sessions` says of one pair; nonces are nobody's business. */
export interface SpeakerReply {
  readonly guest: string;
  readonly correspondent: string;
  /** Where the guest sends to. */
  readonly locator: string;
  /** Name of the uplink; null: none yet, or by way of its home. */
  readonly uplink: string | null;
  /** Whose nonces have been seen. */
  readonly nonces: 'both' | 'guest';
  /** The last Locator Update of this border. */
  readonly told: 'nothing' | 'unacknowledged' | 'acknowledged';
  /** Seconds since anything was heard of them. */
  readonly idle: number;
}

export class Speakers {
  readonly #options: SpeakersOptions;
  readonly #updates: GuestUpdates;
  readonly #looks: NodeJS.Timeout;
  #uplinks: Uplinks = { ids: new Uint8Array(0), usable: [] };
  #tick: NodeJS.Timeout | undefined;
  #closed = false;
  /** What was sent for guests that have come by a move which is reported; by NID: octets, and those of the last update of each pair. */
  readonly #told = new Map<string, { octets: number; readonly last: Map<number, number> }>();

  constructor(options: SpeakersOptions) {
    this.#options = options;
    const { pairs, bindings, config, emit } = options;
    this.#updates = new GuestUpdates({
      pairs,
      reach: (nid, inside) => reachOf(config(), bindings.get(nid), inside, this.#uplinks),
      emit,
      onSent: (pair, octets) => {
        const told = this.#told.get(formatNid(pairs.place(pair).guest));
        if (told === undefined) return;
        told.octets += octets;
        told.last.set(pair, octets);
      },
      seconds,
    });
    this.#looks = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  get counters(): Record<string, number> {
    const { sent, givenUp } = this.#updates;
    return { updates_sent: sent, updates_given_up: givenUp };
  }

  /** Uplinks are other ones now; `choose`: because the operator says so. */
  uplinksAre(uplinks: Uplinks, options?: { readonly choose: boolean }): void {
    this.#uplinks = uplinks;
    this.#begin(options);
  }

  /** Guests have come from other sites; the bindings say so already. `reported`: those whose updates `toldOf` counts. */
  arrived(nids: readonly Nid[], reported: readonly Nid[] = []): void {
    for (const nid of reported) this.#told.set(formatNid(nid), { octets: 0, last: new Map() });
    for (const pair of this.#of(nids)) this.#options.pairs.arrived(pair);
    this.#begin();
  }

  /** Guests have gone; what is known of their live sessions, for where they are now. */
  departed(nids: readonly Nid[]): KnownPair[] {
    const { pairs } = this.#options;
    const known: KnownPair[] = [];
    for (const pair of this.#of(nids)) {
      const one = pairs.known(pair);
      if (one !== null && pairs.idle(pair, seconds()) <= GuestUpdates.ACTIVE_SECONDS) known.push(one);
      pairs.departed(pair);
    }
    return known;
  }

  /**
   * What correspondents of a guest were told since it has come, updates and acknowledgements, and when the first one has
   * acknowledged, microseconds of the wall clock; counts no more.
   */
  toldOf(nid: Nid, now: number): Pick<KeepCounts, 'updateOctets' | 'acknowledgedAt'> {
    const { pairs } = this.#options;
    const key = formatNid(nid);
    const told = this.#told.get(key);
    this.#told.delete(key);
    let updateOctets = told?.octets ?? 0;
    let acknowledgedAt = 0;
    for (const [pair, octets] of told?.last ?? []) {
      if (formatNid(pairs.place(pair).guest) !== key || !pairs.isAcknowledged(pair)) continue;
      updateOctets += octets + nonceOctets(pairs.inLength(pair)) - nonceOctets(pairs.outLength(pair)); // the list comes back
      acknowledgedAt = earliest(acknowledgedAt, pairs.acknowledgedAt(pair, now));
    }
    return { updateOctets, acknowledgedAt };
  }

  /** All that another border could go on with. */
  known(): KnownPair[] {
    const { pairs } = this.#options;
    return [...pairs.all()].flatMap((pair) => pairs.known(pair) ?? []);
  }

  /** Another border knows these sessions of guests that are here, or will be at once. */
  take(known: readonly KnownPair[]): void {
    const { pairs, bindings } = this.#options;
    for (const one of known) if (bindings.get(one.guest) !== undefined) pairs.learn(one, seconds());
    this.#begin();
  }

  shown(): SpeakerReply[] {
    const { pairs, config } = this.#options;
    const now = seconds();
    return [...pairs.all()].map((pair) => {
      const { guest, correspondent, locator } = pairs.place(pair);
      const index = this.#uplinks.ids.indexOf(pairs.uplink(pair));
      const isAcknowledged = pairs.isAcknowledged(pair);
      return {
        guest: formatNid(guest),
        correspondent: formatNid(correspondent),
        locator: formatL64(locator),
        uplink: config().uplinks[index]?.name ?? null,
        nonces: pairs.inLength(pair) > 0 ? 'both' : 'guest',
        told: pairs.told(pair) === 0 ? 'nothing' : isAcknowledged ? 'acknowledged' : 'unacknowledged',
        idle: pairs.idle(pair, now),
      };
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#tick);
    clearInterval(this.#looks);
  }

  #begin(options?: { readonly choose: boolean }): void {
    this.#updates.begin(microseconds(), options);
    this.#untilDue();
  }

  #untilDue(): void {
    clearTimeout(this.#tick);
    const now = microseconds();
    const next = this.#closed ? null : this.#updates.next(now);
    if (next === null) return;
    const run = (): void => {
      this.#updates.run(microseconds());
      this.#untilDue();
    };
    this.#tick = setTimeout(run, Math.ceil((next - now) / 1000)).unref();
  }

  #look(): void {
    const { bindings, config } = this.#options;
    const { site } = config();
    const hasVisitors = bindings.classes.some((c) => c.at === site && c.home !== site);
    if (hasVisitors || this.#hasUntold()) this.#begin();
  }

  #hasUntold(): boolean {
    const { pairs } = this.#options;
    for (const pair of pairs.all()) if (pairs.isUntold(pair)) return true;
    return false;
  }

  *#of(nids: readonly Nid[]): IterableIterator<number> {
    if (nids.length === 0) return;
    const wanted = new Set(nids.map(formatNid));
    for (const pair of this.#options.pairs.all())
      if (wanted.has(formatNid(this.#options.pairs.place(pair).guest))) yield pair;
  }
}

/** Of a Destination Options header with a Nonce option, RFC 6744 section 2: filled up to eight. */
const nonceOctets = (length: number): number => (4 + length + 7) & ~7;

const microseconds = (): number => performance.now() * 1000;
const seconds = (): number => Math.floor(Date.now() / 1000);
