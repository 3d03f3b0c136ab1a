/**
 * What a border has followed of the registries, on its own disk, for a start while they are away. A file of frames
 * (log-file.ts) that grows by what has changed and is replaced when it has outgrown itself. Only a copy: written late and
 * without waiting for the disk, so it may be behind, and the greater epoch holds wherever it meets something else.
 */
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { IlnpError } from '../runtime/errors.ts';
import { entryText, readLine } from './lines.ts';
import { frameOf, framesOf } from './log-file.ts';
import type { Entry } from './registry.ts';

/** How late a change is written. */
const LATE_MS = 1000;
/** The file is replaced when it has so many octets and three times as many as after the last time. */
const REPLACE_FROM = 1 << 20;
/** Lines of a frame. */
const LINES = 4096;

export interface FollowedCopyOptions {
  readonly path: string;
  readonly warn: (message: string) => void;
  /** Calls `run` once after `ms` milliseconds unless the returned function was called before. */
  readonly after: (ms: number, run: () => void) => () => void;
  readonly replaceFrom?: number;
}

export class FollowedCopy {
  readonly #options: FollowedCopyOptions;
  #waiting: string[] = [];
  #cancel: (() => void) | undefined;
  /** One write at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  #octets = 0;
  #base = 0;
  /** What is appended would not be read: only a replacement helps. */
  #isDamaged = false;

  constructor(options: FollowedCopyOptions) {
    this.#options = options;
  }

  /** Yields what the file has, in the order of its changes; nothing if there is no file. Damage ends it with a warning. */
  async *load(): AsyncGenerator<Entry[]> {
    const { path, warn } = this.#options;
    const size = await stat(path).then(
      (file) => file.size,
      () => 0,
    );
    if (size === 0) return;
    let whole = 0;
    try {
      const frames = framesOf(path);
      let frame = await frames.next();
      for (; !frame.done; frame = await frames.next()) {
        const read = frame.value.lines.map(readLine);
        const entries = read.filter((line) => typeof line !== 'string' && 'nid' in line);
        if (entries.length < read.length) throw new IlnpError('E_STATE', `${path}: a line is no entry`);
        yield entries;
      }
      whole = frame.value;
    } catch (error) {
      warn((error as Error).message);
    }
    this.#octets = size;
    this.#base = size;
    this.#isDamaged = whole !== size;
    if (this.#isDamaged) warn(`${path}: is damaged; what could be read is used until the registry is heard`);
  }

  /** Takes settled entries that have changed something here. */
  take(entries: readonly Entry[]): void {
    if (this.#isDamaged) return;
    for (const entry of entries) this.#waiting.push(entryText(entry));
    if (this.#waiting.length > 0) this.#cancel ??= this.#options.after(LATE_MS, () => void this.flush(false));
  }

  /** Whether the file is worth replacing. */
  get isDue(): boolean {
    const { replaceFrom = REPLACE_FROM } = this.#options;
    return this.#isDamaged || this.#octets > Math.max(replaceFrom, 3 * this.#base);
  }

  /** Writes what waits; `surely`: it is on disk when this resolves, or it rejects. */
  flush(surely: boolean): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    return this.#alone(async () => {
      const lines = this.#waiting.splice(0);
      try {
        await this.#append(lines, surely);
      } catch (error) {
        this.#isDamaged = true;
        this.#options.warn(`${this.#options.path}: ${(error as Error).message}; a copy is made anew later`);
        if (surely) throw error;
      }
    });
  }

  /** Puts a file with these entries, and with what is taken meanwhile, in the place of the old one. */
  replace(entries: AsyncIterable<readonly Entry[]>): Promise<void> {
    return this.#alone(async () => {
      const { path } = this.#options;
      const fresh = `${path}.new`;
      const file = await open(fresh, 'w', 0o600);
      let octets = 0;
      try {
        for await (const page of entries) octets += await appendFrames(file, page.map(entryText));
        await file.datasync();
      } catch (error) {
        await rm(fresh, { force: true });
        throw error;
      } finally {
        await file.close();
      }
      await rename(fresh, path);
      this.#octets = octets;
      this.#base = octets;
      this.#isDamaged = false;
    });
  }

  async close(): Promise<void> {
    await this.flush(false);
  }

  async #append(lines: readonly string[], surely: boolean): Promise<void> {
    if (this.#isDamaged) throw new Error('what is there cannot be read to its end');
    if (lines.length === 0 && !surely) return;
    const file = await open(this.#options.path, 'a', 0o600);
    try {
      this.#octets += await appendFrames(file, lines);
      if (surely) await file.datasync();
    } finally {
      await file.close();
    }
  }

  #alone<T>(task: () => Promise<T>): Promise<T> {
    const mine = this.#tail.then(task);
    this.#tail = mine.catch(() => {});
    return mine;
  }
}

/** Gives the octets written. */
async function appendFrames(file: FileHandle, lines: readonly string[]): Promise<number> {
  let octets = 0;
  for (let at = 0; at < lines.length; at += LINES) {
    const frame = frameOf(0, lines.slice(at, at + LINES));
    await file.appendFile(frame);
    octets += frame.length;
  }
  return octets;
}
