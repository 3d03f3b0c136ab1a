/**
 * The secret that makes a border one of ours: 32 random octets, the same file at every site of one operator.
 *
 * No connection uses it directly. Each direction of each pair of sites has its own pre-shared key, derived by
 * HKDF-SHA256 (RFC 5869) from the secret and the two names, so a key for site1 > site2 opens nothing else and a
 * reflected hand-shake fails. TLS 1.3 adds an ephemeral X25519 exchange (RFC 8446 section 4.2.9, psk_dhe_ke).
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { IlnpError } from '../runtime/errors.ts';

const KEY_OCTETS = 32;

const HEX = /^[0-9a-f]{64}$/i;
const BASE64 = /^[A-Za-z0-9+/]{43}=$/;
/** Reason: longer than either form with a line end, so that a wrong path is not read into memory. */
const LONGEST_FILE = 128;
const GROUP_AND_OTHERS = 0o077;

/** Gives the text of a new key file: 64 hexadecimal digits. */
export function newSiteKey(): string {
  return randomBytes(KEY_OCTETS).toString('hex');
}

/** Reads a key file; IlnpError E_KEY if it is missing, open to group or others, or not a key. */
export async function readSiteKey(path: string): Promise<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new IlnpError('E_KEY', `${path}: cannot be read (${codeOf(error)}); make one with: ilnp key > ${path}`, {
      cause: error,
    });
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw new IlnpError('E_KEY', `${path}: is not a file`);
    if ((mode & GROUP_AND_OTHERS) !== 0) {
      const octal = (mode & 0o777).toString(8).padStart(4, '0');
      throw new IlnpError('E_KEY', `${path}: mode is ${octal}, expected 0600; chmod 600 ${path}`);
    }
    if (size > LONGEST_FILE) throw notAKey(path, `${size} octets`);
    return parseSiteKey((await file.readFile('latin1')).trim(), path);
  } finally {
    await file.close();
  }
}

/** Reads a key from its text, 64 hexadecimal digits or base64; `source` is named in the error, the text never is. */
export function parseSiteKey(text: string, source: string): Uint8Array {
  if (HEX.test(text)) return new Uint8Array(Buffer.from(text, 'hex'));
  if (BASE64.test(text)) return new Uint8Array(Buffer.from(text, 'base64'));
  throw notAKey(source, `${text.length} characters that are neither`);
}

/** Gives the pre-shared key of connections that `client` opens to `server`. */
export function linkKey(key: Uint8Array, client: string, server: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', key, '', `ilnp control 1 ${JSON.stringify([client, server])}`, KEY_OCTETS));
}

/** Gives the name under which `client` opens connections to `server`; it is sent in the clear. */
export function linkIdentity(client: string, server: string): string {
  return `ilnp1 ${JSON.stringify([client, server])}`;
}

const notAKey = (source: string, what: string): IlnpError =>
  new IlnpError('E_KEY', `${source}: expected 64 hexadecimal digits or base64 of 32 octets, got ${what}`);

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
