import { appendFile, chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lineOf, MoveRecord, type RecordEntry } from '../../src/sites/move-record.ts';

const A1 = { hi: 0, lo: 0xa1 };
const A2 = { hi: 0x00020003, lo: 0xa2 };

let folder: string;
let warnings: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-record-'));
  warnings = [];
});
afterEach(() => rm(folder, { recursive: true }));

const open = (state = folder) => MoveRecord.open(state, 'site1', (message) => warnings.push(message));
const path = () => join(folder, 'site1.moves.jsonl');

async function written(...entries: RecordEntry[]) {
  const { record } = await open();
  for (const entry of entries) await record.append([entry]);
  await record.close();
  const { record: again, loaded } = await open();
  await again.close();
  return { moved: [...loaded.moved.values()], open: [...loaded.open.values()] };
}

describe('the record of moves', () => {
  test('is empty at first, in a folder that it makes', async () => {
    const { record, loaded } = await open(join(folder, 'deep', 'state'));
    await record.close();

    expect(loaded.moved.size + loaded.open.size).toBe(0);
    expect(await readdir(join(folder, 'deep', 'state'))).toEqual(['site1.moves.jsonl']);
  });

  test('gives back the newest change of each identifier', async () => {
    const { moved } = await written(
      { nid: A1, at: 'site2', epoch: 1 },
      { nid: A2, at: 'site3', epoch: 7 },
      { nid: A1, at: 'site3', epoch: 2 },
    );

    expect(moved).toEqual([
      { nid: A1, at: 'site3', epoch: 2 },
      { nid: A2, at: 'site3', epoch: 7 },
    ]);
  });

  test('a decision is open until it is settled, whatever was switched here meanwhile', async () => {
    const decision = { nid: A1, at: 'site2', epoch: 1, active: ['site1'] };
    const switched = { nid: A1, at: 'site2', epoch: 1 };

    expect(await written(decision)).toEqual({ moved: [], open: [decision] });
    expect(await written(switched)).toEqual({ moved: [switched], open: [decision] });
    expect(await written({ ...switched, settled: true })).toEqual({ moved: [switched], open: [] });
  });

  test('a late settled line does not close a newer decision', async () => {
    const newer = { nid: A1, at: 'site3', epoch: 2, active: ['site2'] };

    const { open: decisions } = await written(newer, { nid: A1, at: 'site2', epoch: 1, settled: true });

    expect(decisions).toEqual([newer]);
  });

  test('is compacted at the next start', async () => {
    await written(...Array.from({ length: 50 }, (_, i) => ({ nid: A1, at: `site${i}`, epoch: i + 1 })));

    expect(await readFile(path(), 'utf8')).toBe('{"nid":"0:0:0:a1","at":"site49","epoch":50}\n');
    expect(await readdir(folder)).toEqual(['site1.moves.jsonl']);
  });

  test('many appends at once are all on disk when they resolve, in order', async () => {
    const { record } = await open();
    const entries = Array.from({ length: 5000 }, (_, i) => ({ nid: { hi: 1, lo: i }, at: 'site2', epoch: 1 }));
    await Promise.all(entries.map((entry) => record.append([entry])));

    const lines = (await readFile(path(), 'utf8')).trimEnd().split('\n');
    await record.close();

    expect(lines).toHaveLength(5000);
    expect(lines[4999]).toBe('{"nid":"0:1:0:1387","at":"site2","epoch":1}');
  });

  test('some lines change no size of the file, stay within a sector each time, and are read after a kill', async () => {
    const { record } = await open();
    const { size } = await stat(path());
    const entries = Array.from({ length: 300 }, (_, i) => ({ nid: { hi: 1, lo: i }, at: 'site2', epoch: i + 1 }));
    for (let i = 0; i < entries.length; i += 3) {
      await record.append(entries.slice(i, i + 3));
      const end = record.size;
      const begin =
        end -
        Buffer.byteLength(
          entries
            .slice(i, i + 3)
            .map(lineOf)
            .join(''),
        );
      expect(Math.floor(begin / 512)).toBe(Math.floor((end - 1) / 512));
    }

    expect((await stat(path())).size).toBe(size);
    const { record: again, loaded } = await open(); // the first was not closed
    await again.close();
    expect(warnings).toEqual([]);
    expect([...loaded.moved.values()]).toEqual(entries);
    await record.close();
  });

  test('room that is used up, or given up for a large write, is laid anew by who asks', async () => {
    const { record } = await open();
    const room = async () => (await stat(path())).size - record.size;
    const many = (epoch: number) =>
      Array.from({ length: 100 }, (_, lo) => ({ nid: { hi: 1, lo }, at: 'site2', epoch }));
    expect(await room()).toBe(64 << 10);

    await record.append(many(1));
    expect(await room()).toBe(0);
    await record.append(many(2).slice(0, 1));
    expect(await room()).toBe(0);
    await record.append([]);
    expect(await room()).toBe(64 << 10);
    for (let epoch = 3; (await room()) > 512; epoch++) await record.append(many(epoch).slice(1, 2));
    for (let epoch = 2000; epoch < 2020; epoch++) await record.append(many(epoch).slice(1, 2));
    expect(await room()).toBe(0);
    await record.append([]);
    await record.append(many(3000).slice(2, 3));
    await record.close();

    const { record: again, loaded } = await open();
    await again.close();
    expect([0, 1, 2, 3].map((lo) => loaded.moved.get(`1:${lo}`)?.epoch)).toEqual([2, 2019, 3000, 1]);
    expect((await stat(path())).size).toBe(again.size);
  });

  test.each([
    ['half a line in its room', '{"nid":"0:0:0:a2","a\n\n\n', 1],
    ['the other half', '\n\n\nsite2","epoch":1}\n\n', 1],
    ['room only', '\n\n\n', 0],
  ])('%s at the end is dropped', async (_, end, count) => {
    await writeFile(path(), `{"nid":"0:0:0:a1","at":"site2","epoch":1}\n${end}`);

    const { record, loaded } = await open();
    await record.close();

    expect(loaded.moved.size).toBe(1);
    expect(warnings).toHaveLength(count);
  });

  test('damage behind which there is more is damage, with room between them too', async () => {
    await writeFile(path(), `rubbish\n\n\n{"nid":"0:0:0:a1","at":"site2","epoch":1}\n\n`);

    await expect(open()).rejects.toMatchObject({ code: 'E_STATE', message: expect.stringContaining(`${path()}:1: `) });
  });

  test('100 000 moved identifiers are written and read back', async () => {
    const { record } = await open();
    await record.append(Array.from({ length: 100_000 }, (_, i) => ({ nid: { hi: 2, lo: i }, at: 'site2', epoch: 3 })));
    await record.close();

    const { record: again, loaded } = await open();
    await again.close();

    expect(loaded.moved.size).toBe(100_000);
  });

  test('a last line cut anywhere is dropped with a warning, or was complete', async () => {
    const whole = '{"nid":"0:0:0:a1","at":"site2","epoch":1}\n';
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.length - 1 }), async (octets) => {
        warnings = [];
        await writeFile(path(), whole + whole.replace('a1', 'a2').slice(0, octets));
        const { record, loaded } = await open();
        await record.append([{ nid: A2, at: 'site3', epoch: 1 }]);
        await record.close();

        const complete = octets === whole.length - 1;
        expect(loaded.moved.size).toBe(complete ? 2 : 1);
        expect(warnings).toHaveLength(complete ? 0 : 1);
        for (const warning of warnings) expect(warning).toContain(`${path()}:2: last line is incomplete`);
        const { record: again, loaded: reloaded } = await open();
        await again.close();
        expect(reloaded.moved.get(`${A2.hi}:${A2.lo}`)).toEqual({ nid: A2, at: 'site3', epoch: 1 });
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ['rubbish', 'expected a change as JSON, got "rubbish"'],
    ['{"nid":"zz","at":"site2","epoch":1}', 'nid: expected a Node Identifier, got "zz"'],
    ['{"nid":"0:0:0:a1","at":"site2","epoch":-1}', 'epoch:'],
    ['{"nid":"0:0:0:a1","at":"","epoch":1}', 'at:'],
    ['{"nid":"0:0:0:a1","at":"site2","epoch":1,"more":1}', 'Unrecognized key'],
  ])('damage before the end is E_STATE with file and line: %s', async (damage, expected) => {
    const good = '{"nid":"0:0:0:a1","at":"site2","epoch":1}\n';
    await writeFile(path(), `${good}${damage}\n${good}`);

    const error = await open().catch((caught) => caught);

    expect(error.code).toBe('E_STATE');
    expect(error.message).toContain(`${path()}:2: `);
    expect(error.message).toContain(expected);
    expect(await readFile(path(), 'utf8')).toContain(damage);
  });

  test('a leftover of an interrupted compaction is overwritten', async () => {
    await writeFile(`${path()}.new`, 'half a li');
    await appendFile(path(), '{"nid":"0:0:0:a1","at":"site2","epoch":1}\n');

    expect((await written()).moved).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['site1.moves.jsonl']);
  });

  test('a folder that cannot be made is E_STATE', async () => {
    await writeFile(join(folder, 'file'), '');

    await expect(open(join(folder, 'file', 'state'))).rejects.toMatchObject({ code: 'E_STATE' });
  });

  test('an append without entries tries whether there is room, and leaves nothing', async () => {
    const { record } = await open();
    const entry = { nid: A1, at: 'site2', epoch: 1 };
    await record.append([entry]);
    const text = async () => (await readFile(path(), 'utf8')).trimEnd();
    const before = await text();

    await record.append([]);

    expect(await text()).toBe(before);
    await Promise.all([record.append([]), record.append([{ ...entry, epoch: 2 }]), record.append([])]);
    expect(await text()).toBe(`${before}\n${before.replace('"epoch":1', '"epoch":2')}`);
    await record.close();
  });

  test('a record that somebody has removed takes nothing more: it would be forgotten', async () => {
    const { record } = await open();
    await rm(path());

    await expect(record.append([{ nid: A1, at: 'site2', epoch: 1 }])).rejects.toMatchObject({ code: 'E_STATE' });
    await record.close();
  });

  test('after close nothing is taken any more', async () => {
    const { record } = await open();
    await record.close();

    await expect(record.append([{ nid: A1, at: 'site2', epoch: 1 }])).rejects.toMatchObject({ code: 'E_STATE' });
  });

  test('only its owner may read it', async () => {
    await writeFile(path(), '');
    await chmod(path(), 0o644);
    const { record } = await open();
    await record.close();

    const { mode } = await stat(path());
    expect(mode & 0o777).toBe(0o600);
  });
});
