/** Arrivals of a real site: its links, its kernel's neighbours, its peers. */
import type { SiteConfig } from '../config/site-config.ts';
import type { Binding } from '../ilnp/bindings.ts';
import { ipJson } from '../network/ip.ts';
import { whoHas } from '../network/who-has.ts';
import { errorReply, type Reply, type Request } from '../sites/messages.ts';
import { type Nid, parseIpv6 } from '../wire/text.ts';
import { Arrivals, type ArrivalsWorld } from './arrivals.ts';
import { Listener } from './listener.ts';

/** How long a look at the kernel's neighbours is good for. Reason: it takes a process, and anybody on a link can ask for it. */
const LOOK_MS = 100;

export interface ArrivalWatchOptions {
  /** As in force now. */
  readonly config: () => SiteConfig;
  readonly bindings: { get(nid: Nid): Binding | undefined };
  /** Asks another site. */
  readonly send: (site: string, request: Request) => Promise<Reply>;
  /** Moves the guest here. */
  readonly move: (nid: Nid) => Promise<unknown>;
  readonly log: ArrivalsWorld['log'];
}

export class ArrivalWatch {
  readonly #config: () => SiteConfig;
  readonly #arrivals: Arrivals;
  readonly #listener: Listener;
  #looked: { readonly at: number; readonly found: ReturnType<typeof neighboursOn> } | null = null;

  constructor({ config, bindings, send, move, log }: ArrivalWatchOptions) {
    this.#config = config;
    this.#arrivals = new Arrivals({
      site: config().site,
      bindings,
      peers: () => config().peers.map((peer) => peer.site),
      links: () => config().inside.map((link) => ({ interface: link.interface, takes: link.arrivals })),
      ask: async (site, mac, nids) => {
        const reply = await send(site, { kind: 'seen', mac, nids: nids.map(({ hi, lo }) => [hi, lo]) });
        return reply.kind === 'gone' ? reply.nids.map(([hi, lo]) => ({ hi, lo })) : [];
      },
      move,
      whoHas,
      neighbours: () => this.#neighbours(),
      now: () => performance.now(),
      log,
    });
    this.#listener = new Listener((link, sighting) => void this.#arrivals.seen(link, sighting));
  }

  /** Listens on the links that the configuration names; again after it was re-read. */
  listen(): Promise<void> {
    return this.#listener.listen(
      this.#config()
        .inside.filter((link) => link.arrivals)
        .map((link) => link.interface),
    );
  }

  stop(): Promise<void> {
    return this.#listener.stop();
  }

  #neighbours(): ReturnType<typeof neighboursOn> {
    const at = performance.now();
    if (this.#looked === null || at - this.#looked.at > LOOK_MS)
      this.#looked = { at, found: this.#config().inside.flatMap((link) => neighboursOn(link.interface)) };
    return this.#looked.found;
  }

  /** Answers another site that has seen a guest of ours; never rejects. */
  async answer({ mac, nids }: Request & { kind: 'seen' }): Promise<Reply> {
    try {
      const gone = await this.#arrivals.lost(
        mac,
        nids.map(([hi, lo]) => ({ hi, lo })),
      );
      return { kind: 'gone', nids: gone.map(({ hi, lo }) => [hi, lo]) };
    } catch (error) {
      return errorReply(error);
    }
  }
}

function neighboursOn(link: string): { address: Uint8Array; mac: string }[] {
  return ipJson<{ dst: string; lladdr?: string }>('neigh', 'show', 'dev', link).flatMap(({ dst, lladdr }) => {
    const address = parseIpv6(dst);
    return address === null || lladdr === undefined ? [] : [{ address, mac: lladdr }];
  });
}
