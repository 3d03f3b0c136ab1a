/** Hostile and broken servers on the loopback interface; and the resolver's own socket. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exchange, Frames, framed } from '../../src/names/exchange.ts';
import { Listener } from '../../src/names/listener.ts';
import { rrsetOf } from '../../src/names/rrsets.ts';
import { Upstreams } from '../../src/names/upstreams.ts';
import { put16, u16 } from '../../src/wire/bytes.ts';
import { QR, readMessage, TC } from '../../src/wire/dns-message.ts';
import { readNameAt } from '../../src/wire/dns-name.ts';
import { vector } from '../support/vectors.ts';
import { addressesIn, query, serve, zone } from './support.ts';

const AAAA = 28;
const RIGHT = '20010db8000200000000000000000001';
const right = zone(`b.example. 30 AAAA ${RIGHT}`);
const wrong = zone(`b.example. 30 AAAA ${RIGHT.replace('2001', '2666')}\nother.example. 30 AAAA ${RIGHT}`);

const changed = (reply: Uint8Array, change: (octets: Uint8Array) => void): Uint8Array => {
  const octets = reply.slice();
  change(octets);
  return octets;
};

describe('an answer', () => {
  test('to another id, another question or of another kind is as if it had not come', async () => {
    const server = await serve((asked) => [
      changed(wrong(asked), (o) => put16(o, 0, u16(o, 0) ^ 1)),
      wrong(changed(query('other.example.', AAAA), (o) => put16(o, 0, u16(asked, 0)))),
      wrong(changed(query('b.example.', 1), (o) => put16(o, 0, u16(asked, 0)))),
      changed(wrong(asked), (o) => put16(o, 2, u16(o, 2) & ~QR)),
      changed(wrong(asked), (o) => put16(o, 2, u16(o, 2) | 0x2800)),
      wrong(asked).slice(0, 40),
      new Uint8Array(3),
      right(asked),
    ]);
    const reply = await exchange(query('b.example.', AAAA), server, { over: 'udp', limitMs: 5000 });
    expect(addressesIn(reply!)).toEqual([[RIGHT, 30]]);
  });

  test('that does not come in time is none', async () => {
    const server = await serve(() => []);
    expect(await exchange(query('b.example.', AAAA), server, { over: 'udp', limitMs: 50 })).toBeNull();
    expect(await exchange(query('b.example.', AAAA), server, { over: 'tcp', limitMs: 50 })).toBeNull();
  });

  test('nobody can give where nobody listens', async () => {
    const gone = { host: '::1', port: 9 };
    expect(await exchange(query('b.example.', AAAA), gone, { over: 'udp', limitMs: 5000 })).toBeNull();
    expect(await exchange(query('b.example.', AAAA), gone, { over: 'tcp', limitMs: 5000 })).toBeNull();
  });
});

describe('upstreams', () => {
  test('ids and ports are others each time', async () => {
    const ids = new Set<number>();
    const server = await serve((asked) => {
      ids.add(u16(asked, 0));
      return [right(asked)];
    });
    const upstreams = new Upstreams([server]);
    for (let k = 0; k < 20; k++) expect(u16((await upstreams.ask(query('b.example.', AAAA), 'udp'))!, 0)).toBe(7);
    expect(ids.size).toBeGreaterThan(15);
  });

  test('one that is silent or fails is passed over, and asked last from then on', async () => {
    let askedFirst = 0;
    const failing = await serve((asked) => {
      askedFirst++;
      return [changed(right(asked), (o) => put16(o, 2, u16(o, 2) | 2))];
    });
    const upstreams = new Upstreams([{ host: '::1', port: 9 }, failing, await serve((asked) => [right(asked)])]);
    expect(addressesIn((await upstreams.ask(query('b.example.', AAAA), 'udp'))!)).toEqual([[RIGHT, 30]]);
    await upstreams.ask(query('b.example.', AAAA), 'udp');
    expect(askedFirst).toBe(1);
  });

  test('when all fail, the failure is told', async () => {
    const failing = await serve((asked) => [changed(right(asked), (o) => put16(o, 2, u16(o, 2) | 2))]);
    const reply = await new Upstreams([failing]).ask(query('b.example.', AAAA), 'udp');
    expect(u16(reply!, 2) & 0xf).toBe(2);
  });

  test('what was cut short is asked for again over TCP, or left to the program', async () => {
    const server = await serve((asked, over) => [
      over === 'tcp' ? right(asked) : changed(wrong(asked), (o) => put16(o, 2, u16(o, 2) | TC)),
    ]);
    const upstreams = new Upstreams([server]);
    expect(addressesIn((await upstreams.ask(query('b.example.', AAAA), 'both'))!)).toEqual([[RIGHT, 30]]);
    expect(u16((await upstreams.ask(query('b.example.', AAAA), 'udp'))!, 2) & TC).toBe(TC);
  });

  test('so many questions at a time and no more', async () => {
    const held: (() => void)[] = [];
    const server = await serve(() => {
      held.push(() => {});
      return [];
    });
    const upstreams = new Upstreams([server]);
    const asked = Array.from({ length: 600 }, (_, k) => upstreams.ask(query(`n${k}.example.`, AAAA), 'udp'));
    const atOnce = await Promise.race([
      Promise.all(asked.slice(512)),
      new Promise<string>((resolve) => setTimeout(resolve, 900, 'they wait')),
    ]);
    expect(atOnce).toEqual(Array.from({ length: 88 }, () => null));
    expect(await Promise.all(asked)).toHaveLength(600);
  });
});

describe('the listener', () => {
  const answer = async (asked: Uint8Array): Promise<Uint8Array> => right(asked);

  test('answers over UDP and TCP, several questions of one connection too', async () => {
    const port = 20_000 + (process.pid % 20_000);
    const listener = await Listener.open({ host: '::1', port }, answer);
    try {
      for (const over of ['udp', 'tcp'] as const) {
        const reply = await exchange(query('b.example.', AAAA), { host: '::1', port }, { over, limitMs: 5000 });
        expect(addressesIn(reply!)).toEqual([[RIGHT, 30]]);
      }
      await expect(Listener.open({ host: '::1', port }, answer)).rejects.toMatchObject({
        code: 'E_NAMES',
        message: expect.stringMatching(/something else listens on \[::1\]:\d+ .*names\.listen/),
      });
    } finally {
      await listener.close();
    }
    const again = await Listener.open({ host: '::1', port }, answer);
    await again.close();
  });

  test('an address that is not here is said', async () => {
    const elsewhere = Listener.open({ host: '2001:db8::1', port: 5353 }, answer);
    await expect(elsewhere).rejects.toMatchObject({
      code: 'E_NAMES',
      message: expect.stringContaining('EADDRNOTAVAIL'),
    });
  });
});

describe('octets of strangers', () => {
  const published = vector('dns-nid-response');

  // shows: D1a
  test('the published answer is read: one NID, and what the server added is where it says', () => {
    const message = readMessage(published)!;
    expect(message.question).toMatchObject({ name: 'host1.example.com.', type: 104 });
    expect(message.additionals.map(({ name, type, ttl }) => [name, type, ttl])).toEqual([
      ['host1.example.com.', 106, 20],
      ['host1.example.com.', 106, 20],
      ['host1.example.com.', 107, 3600],
    ]);
    expect(rrsetOf(published, 'host1.example.com.', 104)).toEqual({
      owner: 'host1.example.com.',
      records: [{ type: 104, preference: 10, nid: { hi: 0x00144fff, lo: 0xff20ee64 } }],
      ttl: 3600,
    });
  });

  test('changed anywhere or cut: read or refused, never more', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(published.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(published.length),
        (edits, length) => {
          const octets = published.slice(0, length);
          for (const [at, octet] of edits) if (at < length) octets[at] = octet;
          const message = readMessage(octets);
          const records = message === null ? [] : [...message.answers, ...message.authorities, ...message.additionals];
          for (const { at, length: rdata } of records) expect(at + rdata).toBeLessThanOrEqual(octets.length);
          expect(rrsetOf(octets, 'host1.example.com.', 104).records.length).toBeLessThanOrEqual(64);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('any octets at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        readMessage(octets);
        return rrsetOf(octets, 'b.example.', 106).records.length === 0;
      }),
    );
  });

  test('names that point at themselves, forwards, or at each other are none', () => {
    const at12 = (...octets: number[]): Uint8Array => Uint8Array.from([...new Uint8Array(12), ...octets]);
    expect(readNameAt(at12(0xc0, 12), 12)).toBeNull();
    expect(readNameAt(at12(0xc0, 14, 0), 12)).toBeNull();
    expect(readNameAt(at12(1, 97, 0xc0, 12), 12)).toBeNull();
    expect(readNameAt(at12(0xc0, 14, 0xc0, 12), 14)).toBeNull();
    expect(readNameAt(at12(1, 97, 0, 0xc0, 12), 15)).toEqual({ name: 'a.', end: 17 });
    const long = Array.from({ length: 5 }, () => [63, ...new Array<number>(63).fill(97)]).flat();
    expect(readNameAt(at12(...long, 0), 12)).toBeNull(); // 321 octets
  });

  test('sixty kilobytes of records whose names are pointers to pointers take no time worth mentioning', () => {
    const octets = new Uint8Array(65_535);
    put16(octets, 2, QR);
    put16(octets, 6, 5000);
    let o = 12;
    octets[o++] = 0;
    for (let k = 0; k < 2000; k++, o += 2) put16(octets, o, 0xc000 | (k === 0 ? 12 : o - 2)); // each to the one before
    const began = performance.now();
    for (let k = 0; k < 20; k++) readMessage(octets);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(readNameAt(octets, o - 2)).toBeNull();
  });

  test('messages come out of a stream however it is cut', () => {
    const stream = Buffer.concat([framed(published), framed(new Uint8Array(0)), framed(published)]);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const frames = new Frames();
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const whole = edges.slice(1).flatMap((end, k) => frames.take(stream.subarray(edges[k], end)));
        expect(whole.map(({ length }) => length)).toEqual([published.length, 0, published.length]);
      }),
    );
  });
});
