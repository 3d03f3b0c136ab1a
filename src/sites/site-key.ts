/**
 * The secret that makes a border one of ours: 32 random octets, the same file at every site of one operator.
 *
 * No connection uses it directly. Each direction of each pair of sites has its own pre-shared key, derived by
 * HKDF-SHA256 (RFC 5869) from the secret and the two names, so a key for site1 > site2 opens nothing else and a
 * reflected hand-shake fails. TLS 1.3 adds an ephemeral X25519 exchange (RFC 8446 section 4.2.9, psk_dhe_ke).
 */
import { hkdfSync, randomBytes } from 'node:crypto';
import { IlnpError } from '../runtime/errors.ts';
import { readSecretFile } from '../runtime/secret-file.ts';

const KEY_OCTETS = 32;

const HEX = /^[0-9a-f]{64}$/i;
const BASE64 = /^[A-Za-z0-9+/]{43}=$/;
const FORMS = '64 hexadecimal digits or base64 of 32 octets';

/** Gives the text of a new key file: 64 hexadecimal digits. */
export function newSiteKey(): string {
  return randomBytes(KEY_OCTETS).toString('hex');
}

/** Reads a key file; IlnpError E_KEY if it is missing, open to group or others, or not a key. */
export async function readSiteKey(path: string): Promise<Uint8Array> {
  const hint = `; make one with: ilnp key > ${path}`;
  return parseSiteKey(await readSecretFile(path, { expected: FORMS, hint }), path);
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
  new IlnpError('E_KEY', `${source}: expected ${FORMS}, got ${what}`);
