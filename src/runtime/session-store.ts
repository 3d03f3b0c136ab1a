/**
 * The file behind the sessions of a border: a shared mapping, so that workers see each other's entries and a restart, even
 * after a crash, finds the sessions it left.
 *
 *   header, 4096 octets: magic, version, words of the store, seed | entries (ilnp/sessions.ts)
 */
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Sessions } from '../ilnp/sessions.ts';
import { IlnpError } from './errors.ts';

const HEADER_OCTETS = 4096;
const MAGIC = 0x494c4e50; // "ILNP"
const VERSION = 2;

export interface SessionFile {
  readonly fd: number;
  readonly octets: number;
}

/** Opens the store for at least `sessions` entries; a file of another size or version is begun anew. */
export function openSessionFile(path: string, sessions: number, seed: number): SessionFile {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const words = Sessions.words(sessions);
    const header = new Int32Array(HEADER_OCTETS / 4);
    let fd = openSync(path, 'a+', 0o600);
    readSync(fd, header, 0, HEADER_OCTETS, 0);
    closeSync(fd);
    const same = header[0] === MAGIC && header[1] === VERSION && header[2] === words;
    fd = openSync(path, same ? 'r+' : 'w+', 0o600);
    if (!same) writeSync(fd, Int32Array.of(MAGIC, VERSION, words, seed | 0), 0, 16, 0);
    return { fd, octets: HEADER_OCTETS + words * 4 };
  } catch (error) {
    throw new IlnpError('E_STATE', `the session store ${path} cannot be opened: ${(error as Error).message}`);
  }
}

/** The sessions in a mapping of the file. */
export function sessionsOf(mapping: ArrayBufferLike): Sessions {
  const header = new Int32Array(mapping, 0, 4);
  return new Sessions(new Int32Array(mapping, HEADER_OCTETS), header[3]!);
}
