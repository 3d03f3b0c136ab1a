/**
 * The file behind the sessions of a border: a shared mapping, so that workers see each other's entries and a restart, even
 * after a crash, finds the sessions it left.
 *
 *   header, 4096 octets: magic, version, words of the store, seed, uplinks by id | entries (ilnp/sessions.ts)
 */
import { closeSync, openSync, read, readSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { Sessions, type SessionView } from '../ilnp/sessions.ts';
import { IlnpError } from '../runtime/errors.ts';
import { makeFolder } from '../runtime/folder.ts';
import type { L64 } from '../wire/text.ts';

const HEADER_OCTETS = 4096;
/** Where the header keeps the Locators of uplinks, by id. */
const IDS_AT = 64;
const MAX_UPLINKS = 255;
const MAGIC = 0x494c4e50; // "ILNP"
const VERSION = 2;

export interface SessionFile {
  readonly fd: number;
  readonly octets: number;
}

/** Opens the store for at least `sessions` entries; a file of another size or version is begun anew. */
export function openSessionFile(path: string, sessions: number, seed: number): SessionFile {
  try {
    makeFolder(dirname(path), 0o700);
    const words = Sessions.words(sessions);
    const header = new Int32Array(HEADER_OCTETS / 4);
    let fd = openSync(path, 'a+', 0o600);
    readSync(fd, header, 0, HEADER_OCTETS, 0);
    closeSync(fd);
    const same = header[0] === MAGIC && header[1] === VERSION && header[2] === words;
    fd = openSync(path, same ? 'r+' : 'w+', 0o600);
    const octets = HEADER_OCTETS + words * 4;
    if (!same) {
      try {
        begin(fd, octets, Int32Array.of(MAGIC, VERSION, words, seed | 0));
      } catch (error) {
        closeSync(fd);
        rmSync(path, { force: true });
        throw error;
      }
    }
    return { fd, octets };
  } catch (error) {
    throw new IlnpError('E_STATE', `the session store ${path} cannot be opened: ${(error as Error).message}`);
  }
}

/** Writes every block now, because a full disk under a mapping would kill the process; the header last. */
function begin(fd: number, octets: number, header: Int32Array): void {
  const zeros = new Uint8Array(1 << 16);
  for (let at = 0; at < octets; ) at += writeSync(fd, zeros, 0, Math.min(zeros.length, octets - at), at);
  writeSync(fd, header, 0, header.byteLength, 0);
}

/** Gives each uplink the id the store has for its Locator, new ones a free id; E_FULL after 255 different uplinks. */
export function uplinkIds(file: SessionFile, uplinks: readonly L64[]): Uint8Array {
  const known = new Uint32Array(MAX_UPLINKS * 2);
  readSync(file.fd, known, 0, known.byteLength, IDS_AT);
  const ids = uplinks.map(({ hi, lo }) => {
    let free = -1;
    for (let id = 0; id < MAX_UPLINKS; id++) {
      if (known[2 * id] === hi && known[2 * id + 1] === lo) return id;
      if (free < 0 && known[2 * id] === 0) free = id;
    }
    if (free < 0)
      throw new IlnpError('E_FULL', `the session store has had ${MAX_UPLINKS} uplinks; remove it to begin anew`);
    known.set([hi, lo], 2 * free);
    return free;
  });
  writeSync(file.fd, known, 0, known.byteLength, IDS_AT);
  return Uint8Array.from(ids);
}

/** Octets read at a time. */
const PART = 1 << 20;

/** Sessions of some nodes, as workers have noted them so far; for people, reads the whole file. */
export async function sessionsOfNodes(
  { fd, octets }: SessionFile,
  has: (n0: number, n1: number) => boolean,
  seconds: number,
): Promise<SessionView[]> {
  const found: SessionView[] = [];
  const words = new Int32Array(Math.min(PART, octets - HEADER_OCTETS) / 4);
  const bytes = new Uint8Array(words.buffer);
  for (let at = HEADER_OCTETS; at < octets; at += bytes.length) {
    const { bytesRead } = await readAt(fd, bytes, 0, bytes.length, at);
    if (bytesRead !== bytes.length) throw new IlnpError('E_STATE', `the session store ends at octet ${at + bytesRead}`);
    found.push(...new Sessions(words, 0).of(has, seconds)); // the seed only says where to look
  }
  return found;
}

const readAt = promisify(read);

/** The sessions in a mapping of the file. */
export function sessionsOf(mapping: ArrayBufferLike): Sessions {
  const header = new Int32Array(mapping, 0, 4);
  return new Sessions(new Int32Array(mapping, HEADER_OCTETS), header[3]!);
}
