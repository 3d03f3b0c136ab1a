/**
 * Frames between borders: a length of 32 bits in network order, then that many octets of msgpack.
 *
 * The reader trusts nothing: a frame longer than the cap is refused as soon as its length is known, and memory is taken
 * for octets that came, not for octets that were announced.
 */
import { IlnpError } from '../runtime/errors.ts';
import { put32, u32 } from '../wire/bytes.ts';
import { pack, unpack } from './pack.ts';

/** Longest payload in octets. Reason: a chunk of 4096 bindings with site names of 64 octets takes a third of it. */
export const MAX_FRAME = 1 << 20;

const LENGTH_OCTETS = 4;

/** Gives the frame of one message; RangeError if it is too long, which is a fault of the sender's chunking. */
export function frame(message: unknown): Uint8Array {
  const payload = pack(message);
  if (payload.length > MAX_FRAME) throw new RangeError(`frame of ${payload.length} octets, at most ${MAX_FRAME}`);
  const octets = new Uint8Array(LENGTH_OCTETS + payload.length);
  put32(octets, 0, payload.length);
  octets.set(payload, LENGTH_OCTETS);
  return octets;
}

/** Cuts a stream of octets into messages. After it threw E_PROTOCOL the stream has no further meaning: close it. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #held = 0;

  /** Takes what the stream gave and yields the messages that are now complete. */
  *push(chunk: Uint8Array): Generator<unknown, void, void> {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    while (this.#held >= LENGTH_OCTETS) {
      const length = u32(this.#front(LENGTH_OCTETS), 0);
      if (length > MAX_FRAME) throw new IlnpError('E_PROTOCOL', `frame of ${length} octets, at most ${MAX_FRAME}`);
      if (this.#held < LENGTH_OCTETS + length) return;
      const whole = this.#front(LENGTH_OCTETS + length);
      const payload = whole.subarray(LENGTH_OCTETS, LENGTH_OCTETS + length);
      this.#chunks[0] = whole.subarray(LENGTH_OCTETS + length);
      this.#held -= LENGTH_OCTETS + length;
      yield unpack(payload);
    }
  }

  /** Makes the first chunk hold at least `octets`, joining only when it does not: each octet is copied at most twice. */
  #front(octets: number): Uint8Array {
    const first = this.#chunks[0]!;
    if (first.length >= octets) return first;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
