/**
 * The memory of moves, `<state>/<site>.moves.jsonl`: one change per line, appended and on disk before anybody is told.
 *
 *   {"nid":"0:0:0:a1","at":"site2","epoch":3}                        this border switched
 *   {"nid":"0:0:0:a1","at":"site2","epoch":3,"active":["site1"]}     home decided; `active` may still think it is theirs
 *   {"nid":"0:0:0:a1","at":"site2","epoch":3,"settled":true}         home: everybody concerned has switched
 *   {"nid":"0:0:0:a1","at":"site2","epoch":0}                        it may have gone there, its first move (written-ahead.ts)
 *   {"nid":"0:0:0:a1","at":"site1","epoch":0,"settled":true}         it has not
 *
 * Appends that arrive while the disk is busy share the next write. At start the file is rewritten with one or two
 * lines per identifier and replaced by rename. A last line cut by a power failure is dropped with a warning, since
 * what was told without it stands in lines before (written-ahead.ts), or is told again; damage before it is E_STATE with file and line, for an operator to look at.
 *
 * Behind the lines is room, empty lines that are on disk already. What is written into it changes no size, so it does not wait
 * for the journal of the file system, and needs no room on a full disk: there who asks before a move (an append
 * without entries) is refused, and what was begun is written. A write of some lines stays within a sector, which a disk
 * writes whole or not at all; more are appended as to any file, and whoever asks next lays new room.
 */
import { constants, createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { IlnpError } from '../runtime/errors.ts';
import { makeFolder, syncFolder } from '../runtime/folder.ts';
import { formatNid, type Nid, parseNid } from '../wire/text.ts';
import { type Change, MAX_EPOCH, MAX_SITE_NAME } from './messages.ts';
import { nidKey } from './nid-key.ts';

/** A line of the record. */
export interface RecordEntry extends Change {
  /** Sites that may consider themselves active until they have heard of this decision. */
  readonly active?: readonly string[];
  readonly settled?: true;
}

/** A decision of home that was not known to be carried out when the process ended. */
export interface OpenDecision extends Change {
  readonly active: readonly string[];
}

/** What the record says, by nidKey. */
export interface RecordedMoves {
  readonly moved: ReadonlyMap<string, Change>;
  readonly open: ReadonlyMap<string, OpenDecision>;
}

const site = z.string().min(1).max(MAX_SITE_NAME);
const line = z.strictObject({
  nid: z.string().transform((text, context): Nid => {
    const nid = parseNid(text);
    if (nid !== null) return nid;
    context.addIssue({ code: 'custom', message: `expected a Node Identifier, got "${text}"` });
    return z.NEVER;
  }),
  at: site,
  epoch: z.int().min(0).max(MAX_EPOCH),
  active: z.array(site).optional(),
  settled: z.literal(true).optional(),
});

/** Every write is on disk when it is done: one call instead of two. */
const DURABLE = constants.O_WRONLY | constants.O_CREAT | constants.O_DSYNC;

/** Reason: four lines for each of two hundred moves at a time. */
const ROOM = Buffer.alloc(64 << 10, '\n');
const SECTOR = 512;
/** What the kernel says when there is no room, or no more for this user. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);
/** Octets of free disk at which room is not in question. */
const MUCH = 1 << 20;

interface Waiting {
  readonly text: string;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class MoveRecord {
  readonly path: string;
  readonly #file: FileHandle;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #failure: IlnpError | undefined;
  /** The last write has failed. */
  #isDoubtful = false;
  #size: number;
  /** Where the room ends. */
  #end: number;

  private constructor(path: string, file: FileHandle, size: number) {
    this.path = path;
    this.#file = file;
    this.#size = size;
    this.#end = size;
  }

  /** Octets of what was appended: what is before is never written again, what is behind is room. */
  get size(): number {
    return this.#size;
  }

  /** Reads, compacts and opens the record of `site` in folder `state`, making both when they are missing. */
  static async open(
    state: string,
    site: string,
    warn: (message: string) => void,
  ): Promise<{ record: MoveRecord; loaded: RecordedMoves }> {
    const path = join(state, `${site}.moves.jsonl`);
    try {
      makeFolder(state, 0o700);
      const loaded = await load(path, warn);
      await compact(path, loaded);
      const file = await open(path, DURABLE, 0o600);
      const record = new MoveRecord(path, file, (await file.stat()).size);
      await record.#layRoom().catch(() => {}); // a border forwards without; who asks before a move is told
      return { record, loaded };
    } catch (error) {
      throw error instanceof IlnpError ? error : stateError(path, error);
    }
  }

  /** Resolves when the entries are on disk, in the order of the calls; without any, when there is room for some. */
  append(entries: readonly RecordEntry[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((done, failed) => {
      this.#waiting.push({ text: entries.map(lineOf).join(''), done, failed });
      this.#writing ??= afterThis().then(() => this.#writeAll());
    });
  }

  /** Waits for what was appended, gives the room back, and closes the file. */
  async close(): Promise<void> {
    await this.#writing;
    const isWell = this.#failure === undefined;
    this.#failure ??= new IlnpError('E_STATE', `${this.path}: is closed`);
    if (isWell) await this.#cut();
    await this.#file.close();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#writeBatch(batch.map((one) => one.text).join(''));
        for (const one of batch) one.done();
      } catch (error) {
        for (const one of batch) one.failed(stateError(this.path, error));
      }
    }
    this.#writing = undefined;
  }

  async #writeBatch(text: string): Promise<void> {
    const now = this.#file.stat(); // meanwhile
    now.catch(() => {});
    try {
      const size = text === '' ? await this.#tryRoom() : await this.#writeLines(Buffer.from(text));
      if ((await now).nlink === 0)
        throw new Error('somebody has removed it; what is written now would be forgotten: restart the border');
      this.#size = size;
      this.#isDoubtful = false;
    } catch (error) {
      this.#isDoubtful = true;
      if (text !== '') await this.#cut();
      throw error;
    }
  }

  /** Whether something could be written: looked at where there is much room, as that costs no write, else tried. */
  async #tryRoom(): Promise<number> {
    const { bavail, bsize } = await statfs(dirname(this.path));
    const isPlenty = !this.#isDoubtful && bavail * bsize >= MUCH;
    if (!isPlenty || this.#end - this.#size < ROOM.length / 2) await this.#layRoom();
    return this.#size;
  }

  /** Lays room behind that which is left, so much at most that there is ROOM in all; fails where the disk is full. */
  async #layRoom(): Promise<void> {
    const had = this.#end;
    try {
      await this.#write(ROOM, had);
      this.#end = Math.max(had, this.#size + ROOM.length);
    } finally {
      await this.#file.truncate(this.#end);
    }
  }

  /** Gives the size then. */
  async #writeLines(octets: Uint8Array): Promise<number> {
    const left = SECTOR - (this.#size % SECTOR);
    const at = octets.length <= left ? this.#size : this.#size + left;
    if (octets.length <= SECTOR && at + octets.length <= this.#end) {
      try {
        await this.#write(octets, at);
        return at + octets.length;
      } catch (error) {
        if (!NO_ROOM.has((error as NodeJS.ErrnoException).code ?? '')) throw error; // else it is one that writes elsewhere
      }
    }
    if (this.#end > this.#size) {
      await this.#file.truncate(this.#size);
      await this.#file.sync(); // after a power failure nothing lies behind what was appended to the shorter file
    }
    this.#end = this.#size;
    await this.#write(octets, this.#size);
    this.#end += octets.length;
    return this.#end;
  }

  async #write(octets: Uint8Array, at: number): Promise<void> {
    for (let done = 0; done < octets.length; ) {
      const { bytesWritten } = await this.#file.write(octets, done, octets.length - done, at + done);
      done += bytesWritten;
    }
  }

  /** A partial line must not become the corrupted middle of the next append. If even cutting fails, write no more. */
  async #cut(): Promise<void> {
    this.#end = this.#size;
    await this.#file.truncate(this.#size).catch((cause) => {
      this.#failure = stateError(this.path, cause);
    });
  }
}

async function load(path: string, warn: (message: string) => void): Promise<RecordedMoves> {
  const moved = new Map<string, Change>();
  const open = new Map<string, OpenDecision>();
  let number = 0;
  let damage: { readonly where: string; readonly what: string; isAtEnd: boolean } | undefined;
  for await (const { text, ended } of lines(path)) {
    number++;
    if (damage !== undefined) {
      damage.isAtEnd = text === '';
      if (!damage.isAtEnd) break;
    }
    if (text === '') continue;
    const entry = parseLine(text);
    if (typeof entry !== 'string') replay(entry, moved, open);
    else damage = { where: `${path}:${number}`, what: entry, isAtEnd: !ended };
  }
  if (damage === undefined) return { moved, open };
  const { where, what, isAtEnd } = damage;
  if (!isAtEnd) throw new IlnpError('E_STATE', `${where}: ${what}`);
  warn(`${where}: last line is incomplete and is dropped: ${what}`);
  return { moved, open };
}

/** Brings what the record says so far up to date with its next line. */
export function replay(entry: RecordEntry, moved: Map<string, Change>, open: Map<string, OpenDecision>): void {
  const { nid, at, epoch, active, settled } = entry;
  const key = nidKey(nid);
  if (active !== undefined) {
    open.set(key, { nid, at, epoch, active });
    return;
  }
  const known = moved.get(key)?.epoch ?? 0;
  if (epoch === 0 && settled) {
    if (known > 0) return;
    moved.delete(key); // it has never moved: the configuration says where it is
    open.delete(key);
    return;
  }
  if (epoch >= known) moved.set(key, { nid, at, epoch });
  if (settled && epoch >= (open.get(key)?.epoch ?? 0)) open.delete(key);
}

/** Writes what is known beside the file and renames it over: a crash leaves the old record or the new one. */
async function compact(path: string, { moved, open: decisions }: RecordedMoves): Promise<void> {
  const fresh = `${path}.new`;
  const file = await open(fresh, 'w', 0o600);
  try {
    for (const text of linesOf(moved.values(), decisions.values())) await file.appendFile(text);
    await file.datasync();
  } catch (error) {
    await rm(fresh, { force: true }); // a full disk is not helped by half a file
    throw error;
  } finally {
    await file.close();
  }
  await rename(fresh, path);
  await syncFolder(dirname(path));
}

/** What follows at once from the same event goes first: tables switch before threads for the disk take the processor. */
const afterThis = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const LINES_PER_WRITE = 4096;

function* linesOf(...sources: Iterable<RecordEntry>[]): Generator<string> {
  let text: string[] = [];
  for (const source of sources) {
    for (const entry of source) {
      text.push(lineOf(entry));
      if (text.length < LINES_PER_WRITE) continue;
      yield text.join('');
      text = [];
    }
  }
  yield text.join('');
}

/** Gives the line of an entry. */
export const lineOf = ({ nid, ...rest }: RecordEntry): string =>
  `${JSON.stringify({ nid: formatNid(nid), ...rest })}\n`;

/** Gives the entry of a line, or what is wrong with it. */
export function parseLine(text: string): RecordEntry | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `expected a change as JSON, got ${JSON.stringify(text.slice(0, 80))}`;
  }
  const result = line.safeParse(value);
  if (result.success) return result.data as RecordEntry;
  const [first] = result.error.issues;
  return `${first?.path.join('.') || 'line'}: ${first?.message}`;
}

/** Yields the lines of a file with whether they end in a line feed; nothing if there is no file. */
async function* lines(path: string): AsyncGenerator<{ text: string; ended: boolean }> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop()!;
      for (const text of parts) yield { text, ended: true };
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  if (rest !== '') yield { text: rest, ended: false };
}

const stateError = (path: string, error: unknown): IlnpError =>
  new IlnpError('E_STATE', `${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
