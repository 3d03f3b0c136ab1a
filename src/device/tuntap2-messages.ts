/** What a `Tun` and its reading worker share. */

export interface TunReaderStart {
  readonly fd: number;
  readonly wakeFd: number;
  /** Two words: messages on their way, and whether to stop. */
  readonly state: SharedArrayBuffer;
}

/** Packets, one behind the other. */
export interface TunReading {
  readonly lengths: Uint32Array<ArrayBuffer>;
  readonly octets: Uint8Array<ArrayBuffer>;
}

export const IN_FLIGHT = 0;
export const STOPPED = 1;
export const STATE_WORDS = 2;

/** Most readings the program has not taken; each has up to 64 packets. */
export const IN_FLIGHT_MAX = 8;
