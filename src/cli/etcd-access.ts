/** The files that a border needs to be let in by etcd. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { EtcdRegistryConfig } from '../config/site-config.ts';
import { IlnpError } from '../runtime/errors.ts';
import { readSecretFile } from '../runtime/secret-file.ts';

/** Reads the certificate of the authority, then the password, each undefined if none is configured; both reject with E_KEY. */
export function etcdAccess({
  caFile,
  passwordFile,
}: Pick<EtcdRegistryConfig, 'caFile' | 'passwordFile'>): [Promise<string | undefined>, Promise<string | undefined>] {
  const words = { expected: 'the password of a user of etcd', hint: '' };
  const none = Promise.resolve(undefined);
  return [
    caFile === undefined ? none : readAuthority(caFile),
    passwordFile === undefined ? none : readSecretFile(passwordFile, words),
  ];
}

async function readAuthority(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new IlnpError('E_KEY', `${path}: cannot be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
  try {
    new X509Certificate(text);
  } catch (error) {
    throw new IlnpError('E_KEY', `${path}: expected a certificate in PEM form`, { cause: error });
  }
  return text;
}
