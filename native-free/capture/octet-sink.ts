/** Where a capture is written: a file, in large pieces, or memory. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { IlnpError } from '../../src/runtime/errors.ts';

export interface OctetSink {
  /** Copies the octets. */
  write(octets: Uint8Array): void;
  close(): void;
}

const CHUNK = 256 << 10;

/** Writes to the file at `path`, which is replaced. */
export function fileSink(path: string): OctetSink {
  const attempt = <T>(step: () => T): T => {
    try {
      return step();
    } catch (error) {
      throw new IlnpError('E_CAPTURE', `${path}: cannot be written: ${(error as Error).message}`);
    }
  };
  const fd = attempt(() => openSync(path, 'w'));
  const chunk = new Uint8Array(CHUNK);
  let filled = 0;
  const writeAll = (octets: Uint8Array): void => {
    for (let at = 0; at < octets.length; ) at += attempt(() => writeSync(fd, octets, at));
  };
  const flush = (): void => {
    writeAll(chunk.subarray(0, filled));
    filled = 0;
  };
  return {
    write: (octets) => {
      if (filled + octets.length > CHUNK) flush();
      if (octets.length > CHUNK) return writeAll(octets);
      chunk.set(octets, filled);
      filled += octets.length;
    },
    close: () => {
      try {
        flush();
      } finally {
        closeSync(fd);
      }
    },
  };
}

/** Keeps what is written. */
export class MemorySink implements OctetSink {
  readonly #pieces: Uint8Array[] = [];

  write(octets: Uint8Array): void {
    this.#pieces.push(octets.slice());
  }

  close(): void {}

  /** Everything written so far. */
  get octets(): Uint8Array {
    const all = new Uint8Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}
