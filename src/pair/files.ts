/** The files of a pair: what is copied, and the copy. */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../runtime/folder.ts';
import { Copy, type CopyFile } from './copy.ts';
import type { Original } from './mirror.ts';

/** An open file that is copied. */
export const original = (fd: number): Original => ({
  size: () => fstatSync(fd).size,
  read: (into, from) => void readSync(fd, into, 0, into.length, from),
});

/** A copy in the folder where the border of `site` looks when it starts. Throws what the file system throws. */
export function copyIn(state: string, site: string): Copy {
  makeFolder(state, 0o700);
  return new Copy(new CopiedFile(join(state, `${site}.moves.jsonl`)), new CopiedFile(join(state, `${site}.sessions`)));
}

class CopiedFile implements CopyFile {
  readonly #path: string;
  #fd = -1;
  #isInPlace = false;

  constructor(path: string) {
    this.#path = path;
  }

  begin(): void {
    this.close();
    this.#fd = openSync(`${this.#path}.copy`, 'w+', 0o600);
    this.#isInPlace = false;
  }

  write(octets: Uint8Array, at: number): void {
    for (let done = 0; done < octets.length; )
      done += writeSync(this.#fd, octets, done, octets.length - done, at + done);
  }

  flush(): void {
    fdatasyncSync(this.#fd);
  }

  put(): void {
    if (this.#isInPlace) return;
    this.#isInPlace = true;
    renameSync(`${this.#path}.copy`, this.#path);
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    if (!this.#isInPlace) rmSync(`${this.#path}.copy`, { force: true });
    this.#fd = -1;
  }
}
