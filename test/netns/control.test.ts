/** The channel between borders: only those who have the key are heard, and what strangers send changes and breaks nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import { global } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();

beforeEach(() => lab.move('a1', 'host1'));

/** Connects to the control port of site 1 from the namespace of site 2 and sends `script`'s octets until it is shut out. */
const stranger = (script: string) =>
  lab.run(
    'sbr2',
    process.execPath,
    '-e',
    `const s = require('node:net').connect(6740, 'fd00:12::1'); s.on('error', () => {}); s.on('close', () => process.exit(0));
     s.on('connect', () => { ${script} }); setTimeout(() => process.exit(7), 20000);`,
  );

test('octets of a stranger change nothing, and the connection is closed', async () => {
  const before = await lab.show('bindings', 1);
  const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });

  const garbage = await stranger(`s.write(require('node:crypto').randomBytes(100000));`);
  const silence = await stranger('');

  expect(garbage.code).toBe(0);
  expect(silence.code).toBe(0);
  await session.connector.receives(200);
  expectIntact(await session.end());
  expect(await lab.show('bindings', 1)).toEqual(before);
  await lab.move('a1', 'site2');
});

test('borders with different keys do not agree to a move, and the VM stays where it is', async () => {
  const key = readFileSync(`${lab.directory}/site.key`, 'utf8');
  writeFileSync(`${lab.directory}/other.key`, [...key].reverse().join(''), { mode: 0o600 });
  await lab.stop(2);
  lab.editConfig(2, (text) => text.replace('/site.key', '/other.key'));
  await lab.start(2);

  const { code, stderr } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(1));

  expect(code).toBe(1);
  expect(stderr).not.toBe('');
  const bindings = await lab.show<{ nid: string; at: string }[]>('bindings', 1);
  expect(bindings.find(({ nid }) => nid === '0:0:0:a1')?.at).toBe('site1');

  await lab.stop(2);
  lab.editConfig(2, (text) => text.replace('/other.key', '/site.key'));
  await lab.start(2);
  await until('the borders to agree again', async () => {
    const again = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(1));
    return again.code === 0;
  });
});

test('what the borders say to each other cannot be read', async () => {
  const capture = await Capture.start(lab, 'sbr1', 'link0', 'tcp port 6740');
  await lab.move('a1', 'site2');
  await capture.stop();

  const asTls = ['-d', 'tcp.port==6740,tls'];
  const encrypted = await capture.fields('tls.app_data', ['frame.number'], asTls);
  const open = await capture.fields('tcp.len > 0 && !tls', ['frame.number', 'tcp.len'], asTls);
  await capture.remove();
  expect(encrypted.length).toBeGreaterThan(0);
  expect(open).toEqual([]);
});
