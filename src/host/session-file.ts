/**
 * The file of sessions, `<state>/<node>.shim`: a header and a record of 512 octets for each place in the cache. Changed
 * records are written in place; one that a crash has cut has a wrong CRC and is passed over. At the start everything is
 * written into a new file, which then takes the place of the old one. Only its owner may read it: who has a nonce can speak
 * for us.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { lockState } from '../runtime/state-lock.ts';
import { put32 } from '../wire/bytes.ts';
import type { L64, Nid } from '../wire/text.ts';
import { isRecord, RECORD_OCTETS } from './session-record.ts';
import type { SavedRecord } from './unsaved.ts';

const MAGIC = 'ILNP sessions 1\n';
const OWNER_AT = MAGIC.length;

/** Whose sessions they are: those of another node are not ours. */
interface Owner {
  readonly nid: Nid;
  readonly stable: L64;
}

export class SessionFile {
  readonly #path: string;
  readonly #header: Uint8Array;
  readonly #lock: { release: () => void };
  #file: FileHandle | null = null;
  #isNew = true;

  /** Throws IlnpError E_RUNNING, E_STATE when the folder cannot be used. */
  constructor(state: string, node: string, { nid, stable }: Owner) {
    this.#path = `${state}/${node}.shim`;
    this.#header = new Uint8Array(RECORD_OCTETS);
    this.#header.set(Buffer.from(MAGIC, 'latin1'));
    for (const [k, half] of [nid.hi, nid.lo, stable.hi, stable.lo].entries())
      put32(this.#header, OWNER_AT + 4 * k, half);
    this.#lock = lockState(state, `${node}.shim`);
  }

  /** The records of an earlier run, at most `most`, and how many were damaged. Throws where the file as a whole is no good. */
  read(most: number): { records: Uint8Array[]; damaged: number } {
    if (!existsSync(this.#path)) return { records: [], damaged: 0 };
    const fd = openSync(this.#path, 'r');
    try {
      const records: Uint8Array[] = [];
      let damaged = 0;
      for (let n = 0; n <= most; n++) {
        const octets = new Uint8Array(RECORD_OCTETS);
        const count = readSync(fd, octets, 0, RECORD_OCTETS, n * RECORD_OCTETS);
        if (n === 0) {
          if (Buffer.compare(octets, this.#header) !== 0) throw new Error('it is not of this node, or damaged');
        } else if (isRecord(octets)) records.push(octets);
        else if (octets.some((octet) => octet !== 0)) damaged++;
        if (count < RECORD_OCTETS) break;
      }
      return { records, damaged };
    } finally {
      closeSync(fd);
    }
  }

  /**
   * `isOver`: with these records everything has been written once. Throws when it cannot be written, or somebody has removed
   * the file; then everything is to be written again.
   */
  async write(records: readonly SavedRecord[], isOver: boolean): Promise<void> {
    if (this.#file !== null && (await this.#file.stat()).nlink === 0) {
      await this.#file.close();
      this.#file = null;
      this.#isNew = true;
      throw new Error('somebody has removed the file');
    }
    if (this.#file === null) {
      this.#file = await open(`${this.#path}.new`, 'w', 0o600);
      await this.#file.chmod(0o600);
      await this.#file.write(this.#header, 0, RECORD_OCTETS, 0);
    }
    for (const { slot, octets } of records)
      await this.#file.write(octets, 0, RECORD_OCTETS, RECORD_OCTETS * (slot + 1));
    if (!this.#isNew || !isOver) return;
    await rename(`${this.#path}.new`, this.#path);
    this.#isNew = false;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
    this.#lock.release();
  }
}
