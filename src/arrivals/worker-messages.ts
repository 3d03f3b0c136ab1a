/** What the thread that listens on the inside links and its owner say to each other. */
import type { Sighting } from '../wire/neighbour-discovery.ts';

export interface ListenStart {
  /** Names of the links. */
  readonly links: readonly string[];
  /** One packet socket for each. */
  readonly fds: readonly number[];
  /** Non-blocking eventfd that ends the thread. */
  readonly wakeFd: number;
}

/** Somebody on a link has said where it is. The thread says a list of these. */
export interface Seen {
  readonly link: string;
  readonly sighting: Sighting;
}
