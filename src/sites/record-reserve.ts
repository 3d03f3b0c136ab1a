/**
 * Room on the disk that is set aside for the ends of moves: a file beside the record, filled while there is room and emptied
 * when there is none, so that a move that was begun before the disk was full can be carried out, or taken back.
 */
import { type FileHandle, open, rm } from 'node:fs/promises';

/** Reason: four lines for each of two hundred moves at a time. */
const OCTETS = 64 << 10;

/** What the kernel says when there is no room, or no more for this user. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT']);

export class RecordReserve {
  readonly #path: string;
  #isFull = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Sets room aside if there is none; rejects as the file system does. */
  async fill(): Promise<void> {
    if (this.#isFull) return;
    let file: FileHandle | undefined;
    try {
      file = await open(this.#path, 'w', 0o600);
      await file.writeFile(jumble());
      await file.datasync(); // some file systems look for room only now
      this.#isFull = true;
    } catch (error) {
      await file?.truncate(0).catch(() => {});
      throw error;
    } finally {
      await file?.close();
    }
  }

  /** Gives the room back for what could not be written because of `error`; false: that is no help. */
  async give(error: unknown): Promise<boolean> {
    if (!this.#isFull || !NO_ROOM.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    this.#isFull = false;
    const file = await open(this.#path, 'w', 0o600);
    await file.close();
    return true;
  }

  async close(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** Octets that no file system makes shorter (a linear congruential generator). */
function jumble(): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length: OCTETS }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state >>> 24;
  });
}
