/** Secrets come from files that only their owner can read; their text never reaches a message. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { IlnpError } from './errors.ts';

/** Reason: longer than any secret here, so that a wrong path is not read into memory. */
const LONGEST_FILE = 1024;
const GROUP_AND_OTHERS = 0o077;

/** What a file should hold, for messages, and what to do if there is none. */
export interface SecretWords {
  readonly expected: string;
  readonly hint: string;
}

/** Reads a secret without the white space around it; E_KEY if it is missing, or open to group or others. */
export async function readSecretFile(path: string, { expected, hint }: SecretWords): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new IlnpError('E_KEY', `${path}: cannot be read (${codeOf(error)})${hint}`, { cause: error });
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw new IlnpError('E_KEY', `${path}: is not a file`);
    if ((mode & GROUP_AND_OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new IlnpError('E_KEY', `${path}: mode is ${octal}, expected 0600; chmod 600 ${path}`);
    }
    if (size > LONGEST_FILE) throw new IlnpError('E_KEY', `${path}: expected ${expected}, got ${size} octets`);
    return (await file.readFile('utf8')).trim();
  } finally {
    await file.close();
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
