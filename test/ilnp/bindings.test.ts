import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Binding, Bindings } from '../../src/ilnp/bindings.ts';
import { formatNid, type Nid } from '../../src/wire/text.ts';
import { l64, nid } from '../support/sites.ts';

const A = { guest: l64('fd00:1::/64'), home: 'site1', uplink: undefined, at: 'site1' };

const u32 = fc.oneof(fc.constantFrom(0, 1, 0x80000000, 0xffffffff, 0x01020304), fc.nat(6));
const nids = fc.record({ hi: u32, lo: u32 });
const bindings: fc.Arbitrary<Binding> = fc.record({
  nid: nids,
  guest: fc.constantFrom(l64('fd00:1::/64'), l64('fd00:1:0:1::/64'), l64('fd00:2::/64')),
  home: fc.constantFrom('site1', 'site2'),
  uplink: fc.constantFrom(undefined, 'isp1', 'isp2'),
  at: fc.constantFrom('site1', 'site2', 'site3'),
  epoch: fc.nat(100),
});
const key = (n: Nid): string => formatNid(n);

describe('bindings', () => {
  test('answer like a map by NID, whatever is put and deleted', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(bindings, nids), { maxLength: 120 }), (operations) => {
        const store = new Bindings(1000, [3, 4]);
        const model = new Map<string, Binding>();
        for (const operation of operations) {
          if ('nid' in operation) {
            store.put(operation);
            model.set(key(operation.nid), operation);
          } else {
            expect(store.delete(operation)).toBe(model.delete(key(operation)));
            expect(store.get(operation)).toBeUndefined();
          }
        }
        expect(store.size).toBe(model.size);
        for (const binding of model.values()) expect(store.get(binding.nid)).toEqual(binding);
        expect(new Map([...store.all()].map((b) => [key(b.nid), b]))).toEqual(model);
      }),
    );
  });

  test('with the same guest, home, uplink and place share one class, and differ by each of them', () => {
    const store = new Bindings(10, [1, 2]);
    const base = store.put({ ...A, nid: nid('0:0:0:1'), epoch: 0 });

    expect(store.put({ ...A, nid: nid('0:0:0:2'), epoch: 9 })).toBe(base);
    const others = [
      { ...A, guest: l64('fd00:3::/64') },
      { ...A, home: 'site2' },
      { ...A, uplink: 'isp1' },
      { ...A, at: 'site2' },
    ].map((c) => store.classOf(c));
    expect(new Set([base, ...others]).size).toBe(5);
    expect(store.classes).toHaveLength(5);
    expect(store.classes[base]).toEqual(A);
  });

  test('names that run into each other make different classes', () => {
    const store = new Bindings(10, [1, 2]);

    expect(store.classOf({ ...A, home: 'site1', uplink: 'x' })).not.toBe(store.classOf({ ...A, home: 'site1x' }));
    expect(store.classOf({ ...A, uplink: undefined, at: 'b' })).not.toBe(store.classOf({ ...A, uplink: 'b', at: '' }));
  });

  test('keep the classes of what has moved, because workers refer to them by index', () => {
    const store = new Bindings(10, [1, 2]);
    const home = store.put({ ...A, nid: nid('0:0:0:1'), epoch: 0 });
    const away = store.put({ ...A, nid: nid('0:0:0:1'), at: 'site2', epoch: 1 });
    const back = store.put({ ...A, nid: nid('0:0:0:1'), epoch: 2 });
    store.delete(nid('0:0:0:1'));

    expect([home, away, back]).toEqual([0, 1, 0]);
    expect(store.classes.map((c) => c.at)).toEqual(['site1', 'site2']);
  });

  test('beyond the limit are refused with E_FULL', () => {
    const store = new Bindings(1, [1, 2]);
    store.put({ ...A, nid: nid('0:0:0:1'), epoch: 0 });

    expect(() => store.put({ ...A, nid: nid('0:0:0:2'), epoch: 0 })).toThrow(
      expect.objectContaining({ code: 'E_FULL' }),
    );
    expect(store.size).toBe(1);
  });
});
