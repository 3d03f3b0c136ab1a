/**
 * The file with the key of dynamic updates, as the tools of the servers write it: `tsig-keygen NAME` of BIND (a `key`
 * statement), or the line `hmac-sha256:NAME:SECRET` that `keymgr -t NAME` of Knot has in its first comment.
 */
import { IlnpError } from '../runtime/errors.ts';
import { readSecretFile } from '../runtime/secret-file.ts';
import { writeName } from '../wire/dns-name.ts';
import { isTsigAlgorithm, type TsigKey } from './tsig.ts';

const EXPECTED = 'a key as tsig-keygen writes it, or algorithm:name:secret';
const COMMENT = /^\s*(?:#|\/\/).*$/gm;
const STATEMENT = /^key\s+"?([^"\s{]+)"?\s*\{([^}]*)\}\s*;?$/;
const LINE = /^(?:#\s*)?([a-z0-9-]+):([^:\s]+):([A-Za-z0-9+/=]+)$/m;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;

/** Reads the file; IlnpError E_KEY if it is missing, open to group or others, or not a key. */
export async function readTsigKey(path: string): Promise<TsigKey> {
  const hint = `; make one with: tsig-keygen NAME > ${path}`;
  return parseTsigKey(await readSecretFile(path, { expected: EXPECTED, hint }), path);
}

/** Reads the key from its text; `source` is named in the error, the text never is. */
export function parseTsigKey(text: string, source: string): TsigKey {
  const statement = STATEMENT.exec(text.replace(COMMENT, '').trim());
  const line = statement === null ? LINE.exec(text) : null;
  const inside = (word: string): string =>
    new RegExp(`(?:^|;)\\s*${word}\\s+"?([^";\\s]+)"?\\s*;`).exec(statement?.[2] ?? '')?.[1] ?? '';
  const name = statement?.[1] ?? line?.[2] ?? '';
  const algorithm = (line?.[1] ?? inside('algorithm')).toLowerCase().replace(/\.$/, '');
  const secret = line?.[3] ?? inside('secret');
  if (writeName(name) === null || !BASE64.test(secret))
    throw new IlnpError('E_KEY', `${source}: expected ${EXPECTED}, got something else`);
  if (!isTsigAlgorithm(algorithm))
    throw new IlnpError('E_KEY', `${source}: expected hmac-sha256, hmac-sha384 or hmac-sha512, got ${algorithm}`);
  return { name, algorithm, secret: Uint8Array.from(Buffer.from(secret, 'base64')) };
}
