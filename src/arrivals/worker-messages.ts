/** What the thread that listens on the inside links and its owner say to each other. */
export interface ListenStart {
  /** One packet socket for each link. */
  readonly fds: readonly number[];
  /** Non-blocking eventfd that ends the thread. */
  readonly wakeFd: number;
}

/** Frames of link `link` (index into `fds`) that passed the filter. */
export interface Heard {
  readonly link: number;
  readonly frame: Uint8Array;
}
