/**
 * A file of frames, each whole or not there:
 *
 *   ilnp1 REVISION OCTETS CRC32\n   then OCTETS octets of lines (lines.ts), together on disk before anybody is told
 *
 * REVISION is that of the last change in the frame; the checksum covers it and the lines. A last frame that is not whole
 * is what a crash leaves: nobody was told what it says, it is cut off. Damage with whole frames behind it is E_STATE, and so is
 * what does not even begin as a frame does, as far as its blocks were written.
 */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, truncate } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { IlnpError } from '../runtime/errors.ts';

const HEADER = /^ilnp1 (\d{1,15}) (\d{1,10}) ([0-9a-f]{8})$/;
const START = Buffer.from('ilnp1 ');
const LONGEST_HEADER = 48;
const LINE_FEED = 0x0a;
/** Longest frame. Reason: what one round of the store writes is far below; a damaged length must not take all memory. */
const MAX_FRAME = 256 << 20;

export interface Frame {
  readonly revision: number;
  readonly lines: readonly string[];
}

/** Gives the octets of a frame. */
export function frameOf(revision: number, lines: readonly string[]): Buffer {
  const body = Buffer.from(lines.length === 0 ? '' : `${lines.join('\n')}\n`);
  return Buffer.concat([Buffer.from(`ilnp1 ${revision} ${body.length} ${sum(revision, body)}\n`), body]);
}

const sum = (revision: number, body: Uint8Array): string =>
  crc32(body, crc32(String(revision)))
    .toString(16)
    .padStart(8, '0');

/**
 * Yields the frames of a file; gives the length of the whole frames at last. E_STATE for damage that no crash leaves:
 * whole frames follow it.
 */
export async function* framesOf(path: string): AsyncGenerator<Frame, number> {
  let held: Buffer = Buffer.alloc(0);
  let good = 0;
  let damaged = false;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
    while (!damaged) {
      const frame = firstFrame(held);
      if (frame === 'more') break;
      if (frame === 'damaged') damaged = true;
      else {
        good += frame.octets;
        held = held.subarray(frame.octets);
        yield frame;
      }
    }
  }
  if (held.length > 0 && hasWholeFrame(held)) {
    throw new IlnpError('E_STATE', `${path}: is damaged from octet ${good} on, with whole changes behind it`);
  }
  if (held.length > 0 && !mayBeTorn(held)) {
    const help = 'put back a copy, or move the file away to begin without what it had';
    throw new IlnpError('E_STATE', `${path}: what begins at octet ${good} no crash has left; ${help}`);
  }
  return good;
}

/** Cuts off what is not whole. */
export const cutTo = (path: string, octets: number): Promise<void> => truncate(path, octets);

function firstFrame(held: Buffer): (Frame & { readonly octets: number }) | 'more' | 'damaged' {
  const end = held.subarray(0, LONGEST_HEADER).indexOf(LINE_FEED);
  if (end < 0) return held.length < LONGEST_HEADER ? 'more' : 'damaged';
  const header = HEADER.exec(held.toString('latin1', 0, end));
  if (header === null) return 'damaged';
  const [, revision, octets, crc] = header;
  const length = Number(octets);
  if (length > MAX_FRAME) return 'damaged';
  const whole = end + 1 + length;
  if (held.length < whole) return 'more';
  const body = held.subarray(end + 1, whole);
  if (sum(Number(revision), body) !== crc) return 'damaged';
  const lines = length === 0 ? [] : body.toString('utf8', 0, length - 1).split('\n');
  return { revision: Number(revision), lines, octets: whole };
}

/** Whether a frame may have begun here whose end, or whose first block, is missing. */
function mayBeTorn(held: Buffer): boolean {
  let same = 0;
  while (same < START.length && held[same] === START[same]) same++;
  return same === START.length || same === held.length || held[same] === 0;
}

/** Whether a whole frame begins anywhere behind the first octet. */
function hasWholeFrame(held: Buffer): boolean {
  for (let at = held.indexOf(START, 1); at >= 0; at = held.indexOf(START, at + 1)) {
    if (typeof firstFrame(held.subarray(at)) !== 'string') return true;
  }
  return false;
}

/** A file that only grows, whole frame by whole frame. */
export class LogFile {
  readonly path: string;
  readonly #file: FileHandle;
  octets: number;
  #failure: Error | undefined;

  private constructor(path: string, file: FileHandle, octets: number) {
    this.path = path;
    this.#file = file;
    this.octets = octets;
  }

  static async open(path: string): Promise<LogFile> {
    const file = await open(path, 'a', 0o600);
    const { size } = await file.stat();
    return new LogFile(path, file, size);
  }

  /** Resolves when the frame is on disk; rejects with the file as it was before, or for ever if even that failed. */
  async append(frame: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const { nlink } = await this.#file.stat();
    if (nlink === 0) throw new Error('somebody has removed it; what is written now would be forgotten: restart');
    try {
      await this.#file.appendFile(frame);
      await this.#file.datasync();
      this.octets += frame.length;
    } catch (error) {
      await this.#file.truncate(this.octets).catch((cause) => {
        this.#failure = cause as Error;
      });
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
