import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { etcdAccess } from '../../src/cli/etcd-access.ts';
import { CERTIFICATE } from '../sites/support/certificate.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-etcd-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('nothing is read that is not configured', async () => {
  expect(await Promise.all(etcdAccess({ caFile: undefined, passwordFile: undefined }))).toEqual([undefined, undefined]);
});

test('a certificate and a password that its owner alone can read are taken', async () => {
  const [caFile, passwordFile] = [join(folder, 'ca.pem'), join(folder, 'password')];
  await writeFile(caFile, CERTIFICATE);
  await writeFile(passwordFile, 'secret\n', { mode: 0o600 });
  expect(await Promise.all(etcdAccess({ caFile, passwordFile }))).toEqual([CERTIFICATE, 'secret']);
});

test('files that are missing, or hold something else, are E_KEY with their path', async () => {
  const file = join(folder, 'ca.pem');
  const expectWrong = async (message: string): Promise<void> => {
    const read = await Promise.allSettled(etcdAccess({ caFile: file, passwordFile: join(folder, 'password') }));
    for (const one of read)
      expect(one).toMatchObject({ reason: { code: 'E_KEY', message: expect.stringContaining(folder) } });
    expect(read[0]).toMatchObject({ reason: { message: expect.stringContaining(message) } });
  };
  await expectWrong('cannot be read (ENOENT)');
  await writeFile(file, 'no certificate');
  await expectWrong('expected a certificate');
});
