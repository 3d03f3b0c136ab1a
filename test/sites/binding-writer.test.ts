import { expect, test } from 'vitest';
import { type Binding, Bindings } from '../../src/ilnp/bindings.ts';
import { BindingWriter } from '../../src/sites/binding-writer.ts';

const NID = { hi: 0, lo: 0xa1 };

function writer(apply: (moved: readonly Binding[], onOrdered: () => void) => void): BindingWriter {
  const bindings = new Bindings(1, [1, 2]);
  bindings.put({ nid: NID, guest: { hi: 0xfd000001, lo: 0 }, home: 'h', uplink: undefined, at: 'a', epoch: 0 });
  return new BindingWriter({
    site: 'h',
    bindings,
    record: { append: async () => {} },
    apply: async (moved, onOrdered) => {
      apply(moved, onOrdered);
      for (const binding of moved) bindings.put(binding);
    },
    log: { info: () => {}, warn: () => {} },
  });
}

test('changes that share a round are told when their newest is ordered, each once; what is in force already at once', async () => {
  const said: string[] = [];
  const { write } = bound(
    writer((moved, onOrdered) => {
      said.push(`apply ${moved.map(({ epoch }) => epoch)}`);
      onOrdered();
      said.push('in force');
    }),
  );
  const told = (epoch: number) => write(epoch, () => said.push(`ordered ${epoch}`));
  await Promise.all([told(1), told(2), told(3)]);
  await told(3);
  expect(said).toEqual([
    ...['apply 1', 'ordered 1', 'in force'],
    ...['apply 3', 'ordered 2', 'ordered 3', 'in force', 'ordered 3'],
  ]);
});

test('changes that cannot be applied are not told; where nobody says when they are ordered, they are told in force', async () => {
  const said: string[] = [];
  let round = 0;
  const { write } = bound(
    writer(() => {
      if (++round === 1) throw new Error('no');
    }),
  );
  await expect(write(1, () => said.push('ordered 1'))).rejects.toThrow('no');
  await write(2, () => said.push('ordered 2'));
  expect(said).toEqual(['ordered 2']);
});

test('a change is not settled before it is in force and on disk, nor when it could not be applied', async () => {
  let isApplied = false;
  const one = writer(() => {
    if (!isApplied) throw new Error('no');
  });
  const { write } = bound(one);
  const nothing = (): void => {};
  expect(one.isUnsettled(NID)).toBe(false);
  const failing = write(1, nothing);
  expect(one.isUnsettled(NID)).toBe(true);
  await expect(failing).rejects.toThrow('no');
  expect(one.isUnsettled(NID)).toBe(true); // it is on disk, and not in force
  isApplied = true;
  const { recorded } = await write(2, nothing);
  await recorded;
  expect(one.isUnsettled(NID)).toBe(false);
});

const bound = (of: BindingWriter) => ({
  write: (epoch: number, onOrdered: () => void) => of.write([{ nid: NID, at: 'b', epoch }], { onOrdered }),
});
