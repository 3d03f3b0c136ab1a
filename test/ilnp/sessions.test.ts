import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IDLE_SECONDS, SESSION_FULL, SESSION_ILNP, SESSION_ZEROED, Sessions } from '../../src/ilnp/sessions.ts';

type Key = readonly [number, number, number, number, number, number, number];

const WAYS = 8;
const MAY_EVICT = true;
const STRANGER = false;

/** The session number `k`; all seven words take part. */
const pair = (k: number): Key => [k & 1, -(k & 2), (k & 4) - 4, k & 8, k >>> 4, ~k, k % 3];
const storeFor = (sessions: number): Int32Array => new Int32Array(Sessions.words(sessions));
const oneSet = (): Sessions => new Sessions(storeFor(WAYS), 5);

describe('a store of sessions', () => {
  const operations = fc.array(
    fc.record({
      kind: fc.constantFrom('open', 'find', 'uplink', 'flag', 'heard'),
      who: fc.nat(14),
      /** Seconds since the operation before; idle times on both sides of the limit. */
      later: fc.constantFrom(0, 0, 4, 60, IDLE_SECONDS - 4, IDLE_SECONDS),
      mayEvict: fc.boolean(),
      uplink: fc.nat(254),
      flag: fc.constantFrom(SESSION_ILNP, SESSION_ZEROED, SESSION_FULL),
    }),
    { maxLength: 200 },
  );

  test('of one set answers like a list of eight that gives up its longest idle entry', () => {
    fc.assert(
      fc.property(operations, (list) => {
        const sessions = oneSet();
        const model: ({ who: number; uplink: number; flags: number; heard: number } | undefined)[] = new Array(WAYS);
        let now = 1_700_000_000;
        for (const { kind, who, later, mayEvict, uplink, flag } of list) {
          now += later;
          let place = model.findIndex((e) => e?.who === who);
          if (kind === 'open' && place < 0) {
            place = Array.from(model).indexOf(undefined);
            if (place < 0) {
              const longest = Math.min(...model.map((e) => e!.heard));
              if (mayEvict || now - longest >= IDLE_SECONDS) place = model.findIndex((e) => e!.heard === longest);
            }
            if (place >= 0) model[place] = { who, uplink: -1, flags: 0, heard: now };
          }
          const entry = kind === 'open' ? sessions.open(...pair(who), now, mayEvict) : sessions.find(...pair(who));
          expect(entry).toBe(place < 0 ? -1 : place * 8);
          const known = model[place];
          if (known === undefined) continue;
          if (kind === 'uplink') {
            sessions.setUplink(entry, uplink, now);
            Object.assign(known, { uplink, heard: now });
          } else if (kind === 'flag') {
            sessions.set(entry, flag, now);
            Object.assign(known, { flags: known.flags | flag, heard: now });
          } else if (kind === 'heard') {
            sessions.heard(entry, now);
            known.heard = now;
          }
          expect(sessions.uplink(entry)).toBe(known.uplink);
          for (const f of [SESSION_ILNP, SESSION_ZEROED, SESSION_FULL])
            expect(sessions.has(entry, f)).toBe((known.flags & f) !== 0);
        }
        expect(sessions.count()).toBe(Array.from(model).filter((e) => e !== undefined).length);
      }),
      { numRuns: 200 },
    );
  });

  test('tells sessions apart by every one of their seven words', () => {
    const sessions = new Sessions(storeFor(4096), 7);
    const base: Key = [1, 2, 3, 4, 5, 6, 7];
    sessions.setUplink(sessions.open(...base, 1, STRANGER), 3, 1);

    for (let word = 0; word < 7; word++)
      for (const change of [1, -1, 1 << 31]) {
        const other = base.map((x, k) => (k === word ? x ^ change : x)) as unknown as Key;
        expect(sessions.find(...other)).toBe(-1);
      }
    expect(sessions.uplink(sessions.find(...base))).toBe(3);
  });

  test('the pair of nothing but zeros is one like any other', () => {
    const sessions = oneSet();
    expect(sessions.find(0, 0, 0, 0, 0, 0, 0)).toBe(-1);
    const entry = sessions.open(0, 0, 0, 0, 0, 0, 0, 9, STRANGER);

    expect(sessions.find(0, 0, 0, 0, 0, 0, 0)).toBe(entry);
    expect(sessions.uplink(entry)).toBe(-1);
  });

  test('has room for what it was made for: half of it fits without anybody being pushed out', () => {
    const sessions = new Sessions(storeFor(65536), 0x1234);
    let refused = 0;
    for (let k = 0; k < 32768; k++) if (sessions.open(...pair(k), 1, STRANGER) < 0) refused++;

    expect(refused).toBeLessThan(32768 * 0.03);
    expect(sessions.count()).toBe(32768 - refused);
  });

  test.each([
    [1, 64],
    [8, 64],
    [9, 128],
    [65536, 65536 * 8],
    [65537, 131072 * 8],
  ])('for %i sessions takes %i words', (sessions, words) => {
    expect(Sessions.words(sessions)).toBe(words);
  });

  test('that is no power of two of sets is refused', () => {
    expect(() => new Sessions(new Int32Array(3 * 64), 1)).toThrow(RangeError);
    expect(() => new Sessions(new Int32Array(0), 1)).toThrow(RangeError);
  });
});

describe('a full set', () => {
  const NOW = 1_700_000_000;
  const full = (): Sessions => {
    const sessions = oneSet();
    for (let k = 0; k < WAYS; k++) sessions.open(...pair(k), NOW + 4 * k, STRANGER);
    return sessions;
  };

  // shows: S25
  test('keeps live sessions however many strangers come', () => {
    const sessions = full();
    for (let k = 100; k < 1100; k++) expect(sessions.open(...pair(k), NOW + IDLE_SECONDS - 4, STRANGER)).toBe(-1);

    for (let k = 0; k < WAYS; k++) expect(sessions.find(...pair(k))).toBeGreaterThanOrEqual(0);
  });

  // shows: S25
  test('gives a stranger the place of a session that has been idle long enough, and only that one', () => {
    const sessions = full();
    expect(sessions.open(...pair(100), NOW + IDLE_SECONDS, STRANGER)).toBeGreaterThanOrEqual(0);

    expect(sessions.find(...pair(0))).toBe(-1);
    expect(sessions.open(...pair(101), NOW + IDLE_SECONDS, STRANGER)).toBe(-1);
    for (let k = 1; k < WAYS; k++) expect(sessions.find(...pair(k))).toBeGreaterThanOrEqual(0);
  });

  test('gives a packet from inside the place of the longest idle session', () => {
    const sessions = full();
    sessions.heard(sessions.find(...pair(0)), NOW + 100);
    sessions.open(...pair(100), NOW + 101, MAY_EVICT);

    expect(sessions.find(...pair(1))).toBe(-1);
    expect(sessions.find(...pair(0))).toBeGreaterThanOrEqual(0);
  });

  test('a new session does not inherit what its place knew', () => {
    const sessions = full();
    const old = sessions.find(...pair(0));
    sessions.setUplink(old, 4, NOW);
    sessions.set(old, SESSION_ZEROED | SESSION_ILNP, NOW);
    const entry = sessions.open(...pair(100), NOW + 50, MAY_EVICT);

    expect(entry).toBe(old);
    expect([sessions.uplink(entry), sessions.has(entry, SESSION_ZEROED), sessions.has(entry, SESSION_ILNP)]).toEqual([
      -1,
      false,
      false,
    ]);
  });

  test('a clock that was set back makes no live session old', () => {
    const sessions = full();

    expect(sessions.open(...pair(100), NOW - 7200, STRANGER)).toBe(-1);
    expect(sessions.count()).toBe(WAYS);
  });
});

describe('a restart', () => {
  // shows: S25
  test('finds every session in the same store, with all that was known', () => {
    const store = storeFor(1024);
    const before = new Sessions(store, 0xabcdef);
    for (let k = 0; k < 300; k++) {
      const entry = before.open(...pair(k), 5, MAY_EVICT);
      before.setUplink(entry, k % 3, 5);
      if (k % 2) before.set(entry, SESSION_ZEROED, 5);
    }
    const after = new Sessions(store, 0xabcdef);

    expect(after.count()).toBe(before.count());
    for (let k = 0; k < 300; k++) {
      const entry = after.find(...pair(k));
      expect(entry).toBe(before.find(...pair(k)));
      if (entry < 0) continue;
      expect([after.uplink(entry), after.has(entry, SESSION_ZEROED)]).toEqual([k % 3, k % 2 === 1]);
    }
  });

  test('with another seed does not take one session for another', () => {
    const store = storeFor(1024);
    const before = new Sessions(store, 1);
    for (let k = 0; k < 300; k++) before.setUplink(before.open(...pair(k), 5, MAY_EVICT), k % 7, 5);
    const after = new Sessions(store, 2);

    for (let k = 0; k < 300; k++) {
      const entry = after.find(...pair(k));
      if (entry >= 0) expect(after.uplink(entry)).toBe(k % 7);
    }
  });
});
