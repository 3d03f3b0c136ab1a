import { expect, test } from 'vitest';
import { checkConfig } from '../../src/cli/check.ts';
import { IlnpError } from '../../src/runtime/errors.ts';

async function check(json: boolean, load: () => { site: string }, secrets: readonly Promise<unknown>[] = []) {
  const said = { out: '', warnings: '', thrown: '' };
  await checkConfig({ config: 'a.yaml', json }, load, {
    summary: ({ site }) => ({ site, uplinks: 2 }),
    secrets: () => secrets,
    out: {
      write: async (text) => {
        said.out += text;
      },
    },
    warn: (text) => {
      said.warnings += text;
    },
  }).catch((error: Error) => {
    said.thrown = error.message;
  });
  return said;
}
const wrong = (): never => {
  throw new IlnpError('E_CONFIG', 'a.yaml:1:1 site: one\na.yaml:2:1 uplinks: two');
};
const noKey = () => Promise.reject(new IlnpError('E_KEY', 'a.key: expected a file, got none'));

test('what is right is said for people and for programs', async () => {
  expect(await check(false, () => ({ site: 's' }))).toEqual({
    out: 'a.yaml: right: site s, uplinks 2\n',
    warnings: '',
    thrown: '',
  });
  expect(JSON.parse((await check(true, () => ({ site: 's' }))).out)).toEqual({
    ok: true,
    site: 's',
    uplinks: 2,
    warnings: [],
  });
});

test('a key that is not there is a warning', async () => {
  const text = 'a.key: expected a file, got none';
  expect(await check(false, () => ({ site: 's' }), [noKey()])).toMatchObject({
    out: 'a.yaml: right: site s, uplinks 2\n',
    warnings: `ilnp: warning: it would not start: ${text}\n`,
  });
  expect(JSON.parse((await check(true, () => ({ site: 's' }), [noKey()])).out)).toMatchObject({ warnings: [text] });
});

test('what is wrong is thrown; with --json every mistake is said before', async () => {
  expect(await check(false, wrong)).toMatchObject({ out: '', thrown: expect.stringContaining('site: one') });
  expect(JSON.parse((await check(true, wrong)).out)).toEqual({
    ok: false,
    code: 'E_CONFIG',
    errors: ['a.yaml:1:1 site: one', 'a.yaml:2:1 uplinks: two'],
  });
});
