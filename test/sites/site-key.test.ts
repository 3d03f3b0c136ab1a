import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerKey } from '../../src/cli/key.ts';
import { linkIdentity, linkKey, newSiteKey, parseSiteKey, readSiteKey } from '../../src/sites/site-key.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-key-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function keyFile(text: string, mode = 0o600): Promise<string> {
  const path = join(folder, 'site.key');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

describe('the key file', () => {
  test('what `ilnp key` prints is read back', async () => {
    const printed: string[] = [];
    const program = new Command();
    registerKey(program, { write: async (text) => void printed.push(text) });

    await program.parseAsync(['node', 'ilnp', 'key']);

    const key = await readSiteKey(await keyFile(printed.join('')));
    expect(printed.join('')).toMatch(/^[0-9a-f]{64}\n$/);
    expect(Buffer.from(key).toString('hex')).toBe(printed.join('').trim());
  });

  test('two keys are never the same', () => {
    expect(newSiteKey()).not.toBe(newSiteKey());
  });

  test('base64 of 32 octets is read too', async () => {
    const octets = Buffer.alloc(32, 7);

    expect(await readSiteKey(await keyFile(`${octets.toString('base64')}\n`))).toEqual(new Uint8Array(octets));
  });

  test.each([0o640, 0o604, 0o660, 0o601])('mode %o is refused', async (mode) => {
    const path = await keyFile(newSiteKey(), mode);

    await expect(readSiteKey(path)).rejects.toMatchObject({
      code: 'E_KEY',
      message: expect.stringContaining(`mode is 0${mode.toString(8)}, expected 0600`),
    });
  });

  test('a missing file says how to make one', async () => {
    await expect(readSiteKey(join(folder, 'none.key'))).rejects.toMatchObject({
      code: 'E_KEY',
      message: expect.stringMatching(/none\.key: cannot be read \(ENOENT\); make one with: ilnp key >/),
    });
  });

  test.each(['', 'secret', 'ab'.repeat(31), 'zz'.repeat(32), Buffer.alloc(31).toString('base64'), 'a'.repeat(5000)])(
    'malformed text %# is refused and not repeated in the message',
    async (text) => {
      const error = await readSiteKey(await keyFile(text)).catch((caught) => caught);

      expect(error.code).toBe('E_KEY');
      expect(error.message).toContain('expected 64 hexadecimal digits or base64 of 32 octets');
      if (text !== '') expect(error.message).not.toContain(text);
    },
  );

  test('a folder is refused', async () => {
    const path = join(folder, 'folder');
    await mkdir(path, { mode: 0o700 });

    await expect(readSiteKey(path)).rejects.toMatchObject({ code: 'E_KEY', message: `${path}: is not a file` });
  });
});

describe('keys of connections', () => {
  const key = parseSiteKey('0b'.repeat(32), 'test');

  test('each direction of each pair has its own', () => {
    const all = [
      linkKey(key, 'site1', 'site2'),
      linkKey(key, 'site2', 'site1'),
      linkKey(key, 'site1', 'site3'),
      linkKey(key, 'site1site', '2'),
      linkKey(parseSiteKey('0c'.repeat(32), 'test'), 'site1', 'site2'),
    ].map((octets) => Buffer.from(octets).toString('hex'));

    expect(new Set(all).size).toBe(all.length);
    expect(linkKey(key, 'site1', 'site2')).toEqual(linkKey(key, 'site1', 'site2'));
  });

  test('names with separators in them cannot be confused', () => {
    expect(linkIdentity('a","b', 'c')).not.toBe(linkIdentity('a', 'b","c'));
  });
});
