import { describe, expect, test } from 'vitest';
import { IDLE_SECONDS, Pairs, printOf } from '../../src/ilnp/pairs.ts';

const OUT = Uint8Array.of(1, 2, 3, 4);
const IN = Uint8Array.of(5, 6, 7, 8);
const LONG = Uint8Array.from({ length: 12 }, (_, k) => k);
const made = (pairs = 64): Pairs => new Pairs(new SharedArrayBuffer(Pairs.octets(pairs)), 7);

/** A pair of guest 1:g and correspondent 2:c at Locator 9:9; `answered`: both nonces are known. */
function speak(pairs: Pairs, g: number, c: number, seconds = 1, answered = true): number {
  const pair = pairs.open(1, g, 2, c, seconds);
  if (pair < 0) return pair;
  pairs.heardGuest(pair, OUT, 0, 4, 9, 9, 8, 8, seconds);
  if (answered) pairs.heardCorrespondent(pair, IN, 0, 4, 9, 9, seconds);
  return pair;
}

describe('a pair', () => {
  test('is found by both identifiers, and only by both', () => {
    const pairs = made();
    const pair = speak(pairs, 3, 4);

    expect(pairs.find(1, 3, 2, 4)).toBe(pair);
    expect([pairs.find(1, 3, 2, 5), pairs.find(1, 4, 2, 3), pairs.find(2, 4, 1, 3)]).toEqual([-1, -1, -1]);
    expect([...pairs.all()]).toEqual([pair]);
  });

  test('is seen by all who share the store, and each once', () => {
    const store = new SharedArrayBuffer(Pairs.octets(4096));
    const [path, control] = [new Pairs(store, 7), new Pairs(store, 7)];
    const made = Array.from({ length: 500 }, (_, g) => speak(path, g, 4));

    expect([...control.all()].sort((a, b) => a - b)).toEqual(made.sort((a, b) => a - b));
    expect(new Set(made).size).toBe(500);
  });

  test('keeps nonces of 4 and of 12 octets, and no longer ones', () => {
    const pairs = made();
    const pair = speak(pairs, 3, 4);
    pairs.heardGuest(pair, LONG, 0, 12, 9, 9, 8, 8, 1);
    expect(pairs.nonceOut(pair)).toEqual(LONG);
    pairs.heardGuest(pair, new Uint8Array(13), 0, 13, 9, 9, 8, 8, 1);
    expect(pairs.nonceOut(pair)).toEqual(LONG);
  });

  test('of a guest that begins anew forgets the nonce of its correspondent', () => {
    const pairs = made();
    const pair = speak(pairs, 3, 4);
    pairs.heardGuest(pair, LONG, 0, 12, 9, 9, 8, 8, 1);

    expect(pairs.inLength(pair)).toBe(0);
  });

  test('believes another nonce of its correspondent only after a long silence, and from where the guest sends to', () => {
    const pairs = made();
    const pair = speak(pairs, 3, 4);

    expect(pairs.heardCorrespondent(pair, OUT, 0, 4, 9, 9, 100)).toBe(false);
    expect(pairs.heardCorrespondent(pair, OUT, 0, 4, 7, 7, 500)).toBe(false);
    expect(pairs.heardCorrespondent(pair, OUT, 0, 4, 9, 9, 500)).toBe(true);
    expect(pairs.isIn(pair, OUT, 0, 4)).toBe(true);
  });

  test('goes over to the next uplink when it is acknowledged; a surprise has to be told', () => {
    const pairs = made();
    const pair = speak(pairs, 3, 4);
    expect(pairs.uplink(pair)).toBe(-1);
    pairs.setUplink(pair, 0);
    expect(pairs.isUntold(pair)).toBe(false);
    pairs.tell(pair, 77, 5);
    expect([pairs.uplink(pair), pairs.next(pair), pairs.told(pair), pairs.knowsUs(pair)]).toEqual([0, 5, 77, true]);
    pairs.acknowledge(pair, 2 ** 33 - 10);
    pairs.acknowledge(pair, 2 ** 33 + 1000);
    expect([pairs.uplink(pair), pairs.isAcknowledged(pair)]).toEqual([5, true]);
    expect(pairs.acknowledgedAt(pair, 2 ** 33 + 2000)).toBe(2 ** 33 - 10); // the first time counts
    pairs.setUplink(pair, 3);
    expect(pairs.isUntold(pair)).toBe(true);
  });

  test('goes to another border and is known there', () => {
    const [here, there] = [made(), made()];
    const pair = speak(here, 3, 4);
    here.setUplink(pair, 0);
    const known = here.known(pair)!;
    here.departed(pair);
    there.learn(known, 5);

    const arrived = there.find(1, 3, 2, 4);
    expect(there.known(arrived)).toEqual(known);
    expect([there.isUntold(arrived), there.uplink(arrived), here.uplink(pair)]).toEqual([true, -1, -1]);
  });
});

describe('a full store', () => {
  /** More pairs than fit; how many are there at the end. */
  const flood = (pairs: Pairs, seconds: number, answered: boolean): void => {
    for (let k = 0; k < 1000; k++) speak(pairs, 0xdead, 1000 + k, seconds, answered);
  };

  // shows: S25
  test('keeps those that have been answered from those that have not', () => {
    const pairs = made(8);
    speak(pairs, 3, 4);
    flood(pairs, 2, false);

    expect([...pairs.all()].length).toBe(8);
    expect(pairs.find(1, 3, 2, 4)).toBeGreaterThanOrEqual(0);
  });

  // shows: S25
  test('keeps live ones from everybody, until they are idle', () => {
    const pairs = made(8);
    speak(pairs, 3, 4);
    flood(pairs, 2, true);
    expect(pairs.find(1, 3, 2, 4)).toBeGreaterThanOrEqual(0);
    flood(pairs, 2 + IDLE_SECONDS, true);
    expect(pairs.find(1, 3, 2, 4)).toBe(-1);
  });
});

test('a print tells lists apart and is never 0', () => {
  expect(printOf(OUT, 0, 4)).not.toBe(printOf(IN, 0, 4));
  expect(printOf(OUT, 0, 0)).not.toBe(0);
});

test('what was translated is given back once, and only to its pair', () => {
  const { originals } = made();
  originals.keep(20, 77, LONG, 0, 12);
  const b = new Uint8Array(16);

  expect([originals.lengthOf(20, 78), originals.lengthOf(40, 77), originals.lengthOf(20, 77)]).toEqual([0, 0, 12]);
  originals.restore(20, b, 2, 12);
  expect(b.slice(2, 14)).toEqual(LONG);
  expect(originals.lengthOf(20, 77)).toBe(0);
});
