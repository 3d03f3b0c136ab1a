/**
 * The DNS records of guests (RFC 6748 section 3.3): what names lead new sessions to follows uplinks and moves. Each RRset has
 * one border that speaks for it: NID and L64 the one where the guest is, AAAA that of its home. What the other one said
 * is replaced by what this one says, so nothing is ever taken out.
 */
import type { Logger } from 'pino';
import type { SiteConfig } from '../config/site-config.ts';
import { Publisher } from '../names/publisher.ts';
import type { TsigKey } from '../names/tsig.ts';
import { turns } from '../names/turns.ts';
import { forEverybody } from '../names/update.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import type { NamedReach } from './reach.ts';

type DnsConfig = NonNullable<SiteConfig['dns']>;

/** Changes that come together are told together. */
const TOGETHER_MS = 20;
/** Updates under way. */
const AT_ONCE = 16;
/** How long a word of another border that came late, or was wrong, may stand. */
const REPEAT_MS = 300_000;

export interface GuestNamesOptions {
  readonly reach: (nid: Nid) => NamedReach;
  readonly log: Logger;
  /** As of a publisher. */
  readonly send?: ConstructorParameters<typeof Publisher>[0]['send'];
}

/** What `ilnp show names` says of some records of one guest. */
export interface GuestNameReply {
  readonly guest: string;
  readonly name: string;
  readonly records: 'NID L64' | 'AAAA';
  /** As the server has taken them last; null: nothing yet, or another border speaks for it. */
  readonly published: readonly string[] | null;
  readonly state: 'current' | 'under way' | 'of another border';
  readonly problem: string | null;
}

interface Entry {
  readonly nid: Nid;
  readonly name: string;
  readonly by: keyof NamedReach;
  readonly publisher: Publisher;
  isOurs: boolean;
}

export class GuestNames {
  readonly #options: GuestNamesOptions;
  readonly #repeats: NodeJS.Timeout;
  #entries: Entry[] = [];
  /** What the entries were made of. */
  #made = '';
  #soon: NodeJS.Timeout | undefined;

  constructor(options: GuestNamesOptions) {
    this.#options = options;
    this.#repeats = setInterval(() => {
      for (const { publisher } of this.#entries) publisher.repeat();
    }, REPEAT_MS).unref();
  }

  /** Takes a configuration over, with the key it names; what is in the zone under names that are gone stays there. */
  configure(dns: DnsConfig | undefined, key: TsigKey | null): void {
    const made = JSON.stringify([dns, key]);
    if (made === this.#made) return;
    this.#made = made;
    for (const { publisher } of this.#entries) publisher.close();
    this.#entries = dns === undefined || key === null ? [] : this.#entriesOf(dns, key);
    this.look();
  }

  /** Uplinks, places or names may be other ones now. Returns at once. */
  look(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      for (const entry of this.#entries) this.#publish(entry);
    }, TOGETHER_MS).unref();
  }

  show(): GuestNameReply[] {
    return this.#entries.map(({ nid, name, by, publisher, isOurs }) => {
      const { published, isCurrent, problem } = publisher.state;
      return {
        guest: formatNid(nid),
        name,
        records: by === 'ilnp' ? 'NID L64' : 'AAAA',
        published,
        state: isOurs ? (isCurrent ? 'current' : 'under way') : 'of another border',
        problem,
      };
    });
  }

  /** Nothing more is said. The guests live on without this border, so their records stay. */
  close(): void {
    clearInterval(this.#repeats);
    clearTimeout(this.#soon);
    for (const { publisher } of this.#entries) publisher.close();
    this.#entries = [];
  }

  #entriesOf({ server, zone, ttl, names }: DnsConfig, key: TsigKey): Entry[] {
    const { log, send } = this.#options;
    const turn = turns(AT_ONCE);
    return names.flatMap(({ nid, name, ilnp }) =>
      (['ilnp', 'plain'] as const)
        .filter((by) => ilnp || by === 'plain')
        .map((by): Entry => {
          const isIlnp = by === 'ilnp';
          const records = { withNid: isIlnp, withL64: isIlnp, withAaaa: !isIlnp };
          const to = { zone, name, subnet: undefined, nid, ttl, ...records };
          const publisher = new Publisher({ server, to, key, log, turn, ...(send ? { send } : {}) });
          return { nid, name, by, publisher, isOurs: false };
        }),
    );
  }

  #publish(entry: Entry): void {
    const locators = this.#options.reach(entry.nid)[entry.by];
    entry.isOurs = locators !== null;
    if (locators === null) entry.publisher.release();
    else entry.publisher.publish(forEverybody(locators));
  }
}
