/** Octets from a file or from memory, piece by piece, so that a capture may be larger than memory. */
import { closeSync, openSync, readSync } from 'node:fs';
import { IlnpError } from '../../src/runtime/errors.ts';

const CHUNK = 1 << 20;

export class OctetSource {
  /** For messages. */
  readonly name: string;
  /** Octets taken so far. */
  offset = 0;
  readonly #fd: number | null;
  #chunk: Uint8Array;
  #at = 0;

  private constructor(name: string, fd: number | null, first: Uint8Array) {
    this.name = name;
    this.#fd = fd;
    this.#chunk = first;
  }

  static file(path: string): OctetSource {
    try {
      return new OctetSource(path, openSync(path, 'r'), new Uint8Array(0));
    } catch (error) {
      throw new IlnpError('E_CAPTURE', `${path}: cannot be read: ${(error as Error).message}`);
    }
  }

  static memory(octets: Uint8Array, name = 'capture'): OctetSource {
    return new OctetSource(name, null, octets);
  }

  /** The next `length` octets, fewer at the end; valid until the next call. */
  take(length: number): Uint8Array {
    if (this.#chunk.length - this.#at < length) this.#fill(length);
    const taken = this.#chunk.subarray(this.#at, this.#at + length);
    this.#at += taken.length;
    this.offset += taken.length;
    return taken;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
  }

  #fill(length: number): void {
    if (this.#fd === null) return;
    const rest = this.#chunk.subarray(this.#at);
    const next = new Uint8Array(Math.max(CHUNK, length));
    next.set(rest);
    let filled = rest.length;
    while (filled < length) {
      const got = this.#read(next, filled);
      if (got === 0) break;
      filled += got;
    }
    this.#chunk = next.subarray(0, filled);
    this.#at = 0;
  }

  #read(into: Uint8Array, at: number): number {
    try {
      return readSync(this.#fd!, into, at, into.length - at, null);
    } catch (error) {
      throw new IlnpError('E_CAPTURE', `${this.name}: cannot be read: ${(error as Error).message}`);
    }
  }
}
