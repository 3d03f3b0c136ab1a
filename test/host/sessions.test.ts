/** What outlives a restart: records, which of them have changed, the file, and that both ends go on with it. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SessionFile } from '../../src/host/session-file.ts';
import { correspondentOf, isRecord, recordOf } from '../../src/host/session-record.ts';
import { Unsaved } from '../../src/host/unsaved.ts';
import { Correspondent, locatorOf, type RemoteLocator } from '../../src/ilnp/correspondent.ts';
import { teach } from '../../src/shim/teach.ts';
import { insertNonce } from '../../src/wire/nonce-option.ts';
import { parseL64 } from '../../src/wire/text.ts';
import { type End, endSystem, know, l64, move, STABLE_A, STABLE_B, answer as sendBack } from '../shim/support.ts';
import { addressesOf, error6, full, tcp6, udp6 } from '../support/packets.ts';

const A = '2001:db8:1::a1';
const B = '2001:db8:b::b1';
const NONCE = Uint8Array.of(1, 2, 3, 4);
const WALL = 1.8e12;
/** The path has run for 5 s when it is written, and for 1 s when it is read, a minute later. */
const BEFORE = { now: 5e6, wallMs: WALL };
const AFTER = { now: 1e6, wallMs: WALL + 60_000 };

const locator = (text: string, more: Partial<RemoteLocator> = {}): RemoteLocator => ({
  ...locatorOf(l64(text)),
  preference: 10,
  expires: Number.POSITIVE_INFINITY,
  ...more,
});

/** Talks to B, which has moved and has said so. */
function talking(): Correspondent {
  const c = new Correspondent(1, -2, { localNonce: NONCE, locators: [locator('2001:db8:b::')], isConfigured: true });
  c.remoteNonce = Uint8Array.of(9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9);
  c.proved = true;
  c.viewIndex(locatorOf(parseL64('2001:db8:b::')!).l0, 0);
  c.replace([locator('2001:db8:bb::', { expires: 605e6, preference: 7 })], 4e6);
  c.sentAt = c.heardAt = 4e6;
  Object.assign(c, { usesKey: true, isSpokenTo: true, remoteSequence: 1.8e15, localSequence: 1.9e15 });
  return c;
}

describe('a record', () => {
  test('says what the correspondent is, by the clock of another run', () => {
    const c = talking();
    const again = correspondentOf(recordOf(c, BEFORE), AFTER)!;

    expect(again).toMatchObject({ nid: c.nid, localNonce: NONCE, remoteNonce: c.remoteNonce, views: c.views });
    expect(again).toMatchObject({ proved: true, isConfigured: true, zeroed: false, plainUntil: 0 });
    expect(again).toMatchObject({ usesKey: true, isSpokenTo: true, remoteSequence: 1.8e15, localSequence: 1.9e15 });
    expect(again.locators).toEqual([{ ...c.locators[0], expires: 1e6 + 540e6 }]); // 600 s, less a minute
    expect(again.heardAt).toBe(AFTER.now - 60e6); // it was 61 s; a minute's grain
  });

  test('any of its octets changed, and it is none', () => {
    const right = recordOf(talking(), BEFORE);
    fc.assert(
      fc.property(fc.nat(right.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const octets = right.slice();
        octets[at]! ^= flip;
        expect(isRecord(octets)).toBe(false);
        expect(correspondentOf(octets, AFTER)).toBeNull();
      }),
    );
    expect(correspondentOf(right.slice(0, 100), AFTER)).toBeNull();
  });

  test('of who was silent for a day is of no use', () => {
    expect(correspondentOf(recordOf(talking(), BEFORE), { now: 1, wallMs: WALL + 25 * 3600e3 })).toBeNull();
  });

  test('who has no ILNP has none for the rest of that time, and not longer when the clock was set back', () => {
    const c = new Correspondent(1, 2, { localNonce: NONCE, locators: [locator('2001:db8:c::')], isConfigured: true });
    c.plainUntil = 5e6 + 300e6;
    const record = recordOf(c, BEFORE);
    expect(correspondentOf(record, AFTER)!.plainUntil).toBe(1e6 + 240e6);
    expect(correspondentOf(record, { now: 1e6, wallMs: WALL - 1e9 })!.plainUntil).toBe(1e6 + 600e6);
    expect(correspondentOf(record, AFTER)).toMatchObject({ remoteNonce: null, heardAt: 0, sentAt: 0 });
  });
});

describe('what the hosts file says of a node that is remembered', () => {
  const first = (clocks: typeof AFTER): Correspondent => {
    const end = endSystem(STABLE_A, ['2001:db8:1::']);
    const { node } = end.shim;
    const c = correspondentOf(recordOf(talking(), BEFORE), clocks)!;
    node.ilcc.add(c);
    const locators = [{ ...locator('2001:db8:c::'), lifetime: Number.POSITIVE_INFINITY }];
    teach(node, end.shim, { nid0: c.nid0, nid1: c.nid1, isKnownName: true, locators }, clocks.now);
    return c;
  };
  const words = (text: string) => locatorOf(l64(text));

  test('its nonces are those of before, and it is where it said it is', () => {
    expect(first(AFTER)).toMatchObject({ localNonce: NONCE, locators: [words('2001:db8:bb::')] });
  });

  test('and where the file says once it was silent for long', () => {
    const c = first({ now: 1e6, wallMs: WALL + 700e3 });
    expect(c).toMatchObject({ localNonce: NONCE, locators: [words('2001:db8:c::')] });
  });
});

/** The end system `of` after a restart: another one that has its records. */
function restarted(of: End, stable: string, locators: readonly string[], now = 5e6): End {
  const { records } = new Unsaved(of.shim.node.ilcc, 128).next({ now, wallMs: WALL }, true);
  const next = endSystem(stable, [], undefined, { random: (n) => new Uint8Array(n).fill(0xee) });
  for (const { octets } of records) next.shim.node.ilcc.add(correspondentOf(octets, AFTER)!);
  move(next, locators, AFTER.now);
  return next;
}

describe('a restart', () => {
  /** A knows B by name, B learns A, and both are proved by what follows. */
  function session(): { a: End; b: End } {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const b = endSystem(STABLE_B, ['2001:db8:b::']);
    know(a, B);
    b.pass(a.pass(udp6({ src: STABLE_A, dst: B }), 4e6) as Uint8Array, 4e6);
    a.pass(b.pass(udp6({ src: STABLE_B, dst: A }), 4e6) as Uint8Array, 4e6);
    sendBack(a, [...b.shim.node.ilcc.all()][0]!.localNonce, 4e6);
    return { a, b };
  }

  test('of one end, then of the other: the session goes on with the next packet', () => {
    const { a, b } = session();
    const b2 = restarted(b, STABLE_B, ['2001:db8:b::']);
    const answer = b2.pass(udp6({ src: STABLE_B, dst: A }), 2e6) as Uint8Array;
    expect(a.pass(answer, 6e6)).toBeInstanceOf(Uint8Array);

    const a2 = restarted(a, STABLE_A, ['2001:db8:1::'], 6e6);
    const got = b2.pass(a2.pass(udp6({ src: STABLE_A, dst: B }), 2e6) as Uint8Array, 3e6) as Uint8Array;
    expect(addressesOf(got)).toEqual({ src: full(A), dst: full(STABLE_B) });
    expect(a2.pass(insertNonce(udp6({ src: B, dst: A }), NONCE)!, 3e6)).toBe('drop_wrong_nonce');
  });

  test('at another site: everybody is told at once', () => {
    const { a, b } = session();
    const a2 = restarted(a, STABLE_A, ['2001:db8:2::']);
    expect(a2.sent).toHaveLength(1);
    expect(b.pass(a2.sent[0]!, 7e6)).toBe('taken');
  });

  test('who has no ILNP is not asked again', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    know(a, B);
    const wire = a.pass(tcp6({ src: STABLE_A, dst: B }), 4e6) as Uint8Array;
    expect(a.pass(error6({ src: B, dst: A }, 4, 2, 42, wire), 4e6)).toBe('taken');
    const a2 = restarted(a, STABLE_A, ['2001:db8:1::']);
    a2.pass(tcp6({ src: STABLE_A, dst: B }), 2e6);
    expect(a2.count('plain')).toBe(1);
  });
});

describe('what has changed', () => {
  test('is given once, and again when it changes; who was never spoken to is not worth it', () => {
    const a = endSystem(STABLE_A, ['2001:db8:1::']);
    const unsaved = new Unsaved(a.shim.node.ilcc, 128);
    const slots = () => unsaved.next(BEFORE, false).records.map(({ slot }) => slot);
    a.pass(insertNonce(udp6({ src: B, dst: A }), NONCE)!, 4e6);
    expect(slots()).toEqual([]);
    a.pass(udp6({ src: STABLE_A, dst: B }), 4e6);
    expect(slots()).toEqual([0]);
    expect(slots()).toEqual([]);
    a.pass(insertNonce(udp6({ src: B, dst: A }), Uint8Array.of(8, 8, 8, 8))!, 4e6); // not proved: another nonce
    expect(slots()).toEqual([0]);
    unsaved.forget();
    expect(slots()).toEqual([0]);
  });

  test('a round of many comes in parts, and ends; who left is written over', () => {
    const limits = { strangers: 600, known: 600 };
    const a = endSystem(STABLE_A, ['2001:db8:1::'], limits);
    const talk = (n: number) => {
      const src = `2001:db8:b::${n}:1`;
      a.pass(insertNonce(udp6({ src, dst: A }), NONCE)!, 4e6);
      a.pass(udp6({ src: STABLE_A, dst: src }), 4e6);
    };
    for (let n = 1; n <= 600; n++) talk(n);
    const unsaved = new Unsaved(a.shim.node.ilcc, 1200);
    const parts = [1, 2, 3].map(() => unsaved.next(BEFORE, false));
    expect(parts.map(({ records, isOver }) => [records.length, isOver])).toEqual([
      [256, false],
      [256, false],
      [88, true],
    ]);

    for (const c of a.shim.node.ilcc.all()) c.credit = 0;
    a.pass(insertNonce(udp6({ src: '2001:db8:b::999:1', dst: A }), NONCE)!, 4e6); // takes the oldest one's place
    const { records } = unsaved.next(BEFORE, true);
    expect(records).toHaveLength(1);
    expect(records[0]!.octets.every((octet) => octet === 0)).toBe(true);
  });
});

describe('the file', () => {
  const OWNER = { nid: { hi: 0, lo: 0xa1 }, stable: { hi: 0xfd00000a, lo: 0 } };
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ilnp-sessions-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const record = (slot: number) => ({ slot, octets: recordOf(talking(), BEFORE) });

  async function written(slots: readonly number[]): Promise<string> {
    const file = new SessionFile(folder, 'a', OWNER);
    await file.write(slots.map(record), true);
    await file.close();
    return join(folder, 'a.shim');
  }
  async function read(owner = OWNER, most = 100) {
    const file = new SessionFile(folder, 'a', owner);
    try {
      return file.read(most);
    } finally {
      await file.close();
    }
  }

  test('gives back what was written, is for its owner only, and may have holes', async () => {
    const path = await written([0, 3]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { records, damaged } = await read();
    expect([records.length, damaged]).toEqual([2, 0]);
    expect(correspondentOf(records[1]!, AFTER)).toMatchObject({ nid0: 1, nid1: -2 });
    expect((await read(OWNER, 1)).records).toHaveLength(1);
  });

  test('does not take the place of the one before until everything is in it', async () => {
    const path = await written([0, 1]);
    const before = readFileSync(path);
    const file = new SessionFile(folder, 'a', OWNER);
    await file.write([record(0)], false);
    expect(readFileSync(path)).toEqual(before);
    await file.write([record(4)], true);
    await file.close();
    expect((await read()).records).toHaveLength(2);
    expect(readFileSync(path).length).toBe(6 * 512);
  });

  test('removed while it is in use it says so, and is written anew', async () => {
    const file = new SessionFile(folder, 'a', OWNER);
    await file.write([record(0)], true);
    rmSync(join(folder, 'a.shim'));
    await expect(file.write([], true)).rejects.toThrow('somebody has removed the file');
    await file.write([record(0)], true);
    await file.close();
    expect((await read()).records).toHaveLength(1);
  });

  test('damaged in one place, it has lost that session; cut, it has what is before', async () => {
    const path = await written([0, 1, 2]);
    const octets = readFileSync(path);
    octets[1024 + 40]! ^= 1;
    writeFileSync(path, octets);
    expect(await read()).toMatchObject({ damaged: 1, records: { length: 2 } });
    truncateSync(path, 700);
    expect(await read()).toMatchObject({ damaged: 1, records: [] });
    truncateSync(path, 20);
    await expect(read()).rejects.toThrow('not of this node, or damaged');
  });

  test('of another node it is refused, and a second process does not get it', async () => {
    await written([0]);
    await expect(read({ ...OWNER, nid: { hi: 0, lo: 0xa2 } })).rejects.toThrow('not of this node');
    const file = new SessionFile(folder, 'a', OWNER);
    expect(() => new SessionFile(folder, 'a', OWNER)).toThrow(expect.objectContaining({ code: 'E_RUNNING' }));
    await file.close();
  });

  test('where no folder can be made it says so', () => {
    expect(() => new SessionFile('/proc/none', 'a', OWNER)).toThrow(expect.objectContaining({ code: 'E_STATE' }));
  });
});
