/** Dynamic updates under way, against a server that verifies and answers as a case wants. */
import { createHmac } from 'node:crypto';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { exchange } from '../../src/names/exchange.ts';
import { Publisher } from '../../src/names/publisher.ts';
import type { TsigKey } from '../../src/names/tsig.ts';
import { turns } from '../../src/names/turns.ts';
import { put16, put32, u16 } from '../../src/wire/bytes.ts';
import { messageOctets, nameOctets, QR, readMessage, recordOctets } from '../../src/wire/dns-message.ts';
import { formatRdata, RR_L64, readRdata } from '../../src/wire/dns-records.ts';
import { parseL64 } from '../../src/wire/text.ts';

const KEY: TsigKey = { name: 'k.', algorithm: 'hmac-sha256', secret: Uint8Array.from({ length: 32 }, (_, k) => k) };
const NOW = 1_800_000_000;
const REFUSED = 5;
const NOTAUTH = 9;

interface Reply {
  readonly rcode?: number;
  readonly error?: number;
  readonly secret?: Uint8Array;
  readonly other?: Uint8Array;
}

const zeros = (length: number): Buffer => Buffer.alloc(length);

/** An answer signed as RFC 8945 section 5.3 says, written a second time. */
function signedReply(request: Uint8Array, { rcode = 0, error = 0, secret = KEY.secret, other = zeros(0) }: Reply) {
  const asked = readMessage(request)!;
  const tsig = asked.additionals.at(-1)!;
  const o = tsig.at + nameOctets('hmac-sha256.').length;
  const time = request.slice(o, o + 6);
  const mac = request.slice(o + 10, o + 42);
  const reply = messageOctets(asked.id, QR | (asked.flags & 0x7800) | rcode, [
    [request.slice(12, asked.question!.end)],
    [],
    [],
    [],
  ]);
  const behind = zeros(4);
  put16(behind, 0, error);
  put16(behind, 2, other.length);
  const digest = createHmac('sha256', secret)
    .update(Buffer.from([0, 32]))
    .update(mac)
    .update(reply)
    .update(Buffer.concat([nameOctets('k.'), Buffer.from([0, 255, 0, 0, 0, 0]), nameOctets('hmac-sha256.')]))
    .update(Buffer.concat([time, Buffer.from([1, 0x2c]), behind, other]))
    .digest();
  const id = zeros(2);
  put16(id, 0, asked.id);
  const head = Buffer.concat([nameOctets('hmac-sha256.'), time, Buffer.from([1, 0x2c, 0, 32])]);
  const rdata = Buffer.concat([head, digest, id, behind, other]);
  const record = recordOctets('k.', { type: 250, class: 255, ttl: 0 }, rdata);
  const whole = Uint8Array.from(Buffer.concat([reply, record]));
  put16(whole, 10, 1);
  return whole;
}

const l64sIn = (request: Uint8Array): string[] =>
  readMessage(request)!
    .authorities.filter(({ type, length }) => type === RR_L64 && length > 0)
    .map(({ at, length }) => formatRdata(readRdata(RR_L64, request, at, length)!));

const timeIn = (request: Uint8Array): number => {
  const o = readMessage(request)!.additionals.at(-1)!.at + nameOctets('hmac-sha256.').length;
  return u16(request, o + 2) * 65536 + u16(request, o + 4);
};

/** A publisher whose server answers with `replies` in turn, then always rightly; null: no answer. */
function against(replies: ((request: Uint8Array) => Uint8Array | null)[] = []) {
  const asked: Uint8Array[] = [];
  const said: string[] = [];
  let underWay = 0;
  let most = 0;
  const send: typeof exchange = async (request) => {
    asked.push(request);
    most = Math.max(most, ++underWay);
    await new Promise((resolve) => setImmediate(resolve));
    underWay--;
    const reply = replies.shift();
    return reply === undefined ? signedReply(request, {}) : reply(request);
  };
  const log = pino({ level: 'info' }, { write: (line: string) => void said.push(line) });
  const to = {
    zone: 'example',
    name: 'a.example',
    subnet: undefined,
    nid: { hi: 0, lo: 0xa1 },
    withL64: true,
    withNid: true,
    withAaaa: true,
    ttl: 30,
  };
  const server = { host: '::1', port: 53 };
  const publisher = new Publisher({ server, to, key: KEY, log, send, clock: () => NOW * 1000, firstWaitMs: 1 });
  return { publisher, asked, said, atOnce: () => most };
}

const locator = (text: string, preference = 10) => ({ l64: parseL64(text)!, preference });
const ONE = [locator('2001:db8:1:0')];
const TWO = [locator('2001:db8:2:0')];

async function current(publisher: Publisher): Promise<void> {
  for (let k = 0; k < 2000 && !publisher.state.isCurrent; k++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(publisher.state).toMatchObject({ isCurrent: true, problem: null });
}

describe('an update', () => {
  test('is sent once, with everything in it', async () => {
    const { publisher, asked } = against();
    publisher.publish([locator('2001:db8:1:0', 10), locator('2001:db8:2:0', 20)]);
    await current(publisher);

    expect(asked).toHaveLength(1);
    expect(l64sIn(asked[0]!)).toEqual(['10 2001:0db8:0001:0000', '20 2001:0db8:0002:0000']);
    expect(publisher.state.published).toEqual(['2001:db8:1::/64 10', '2001:db8:2::/64 20']);
  });

  test('one at a time; what changes meanwhile is told once, as it is in the end', async () => {
    const { publisher, asked, atOnce } = against();
    publisher.publish(ONE);
    for (let k = 3; k < 9; k++) publisher.publish([locator(`2001:db8:${k}:0`)]);
    publisher.publish(TWO);
    await current(publisher);
    publisher.publish([...TWO]); // nothing new
    await current(publisher);

    expect(atOnce()).toBe(1);
    expect(asked.map(l64sIn)).toEqual([['10 2001:0db8:0001:0000'], ['10 2001:0db8:0002:0000']]);
  });

  test('without an answer is sent again, then again after a while', async () => {
    const { publisher, asked } = against(Array.from({ length: 7 }, () => () => null));
    publisher.publish(ONE);
    await current(publisher);
    expect(asked).toHaveLength(8);
  });

  test('is refused: the log says why, once, and it is tried again', async () => {
    const refuse = (request: Uint8Array) => signedReply(request, { rcode: REFUSED });
    const { publisher, asked, said } = against([refuse, refuse, refuse]);
    publisher.publish(ONE);
    await current(publisher);
    expect(asked).toHaveLength(4);
    expect(said.filter((line) => line.includes('the server answers REFUSED'))).toHaveLength(1);
    expect(said.join()).not.toContain(Buffer.from(KEY.secret).toString('base64'));
  });

  test('is answered by who has not the key: not believed', async () => {
    const forged = (request: Uint8Array) => signedReply(request, { secret: new Uint8Array(32) });
    const { publisher, asked, said } = against([forged]);
    publisher.publish(ONE);
    await current(publisher);
    expect(asked).toHaveLength(2);
    expect(said.join()).not.toContain('forged');
  });

  test('of another time: the clock of the server is used, once', async () => {
    const other = zeros(6);
    put32(other, 2, NOW + 5000);
    const late = (request: Uint8Array) => signedReply(request, { rcode: NOTAUTH, error: 18, other });
    const { publisher, asked, said } = against([late]);
    publisher.publish(ONE);
    await current(publisher);
    expect(asked.map(timeIn)).toEqual([NOW, NOW + 5000]);
    expect(said.join()).toContain('"offsetSeconds":5000');
  });

  test('of another time for ever: the log says so', async () => {
    const other = zeros(6);
    put32(other, 2, NOW + 5000);
    const late = (request: Uint8Array) => signedReply(request, { rcode: NOTAUTH, error: 18, other });
    const { publisher, said } = against(Array.from({ length: 4 }, () => late));
    publisher.publish(ONE);
    await current(publisher);
    expect(said.join()).toContain('NOTAUTH: BADTIME: the clocks differ');
  });
});

describe('somebody else speaks for the node', () => {
  test('from the middle of a try on: it is not repeated, nothing is taken out; later the same is said anew', async () => {
    const { publisher, asked } = against([
      () => {
        publisher.release();
        return null;
      },
    ]);
    publisher.publish(ONE);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toHaveLength(1);
    expect(publisher.state).toEqual({ published: null, isCurrent: false, problem: null });
    publisher.publish(ONE);
    await current(publisher);
    expect(asked.map(l64sIn)).toEqual([['10 2001:0db8:0001:0000'], ['10 2001:0db8:0001:0000']]);
  });

  test('may have spoken late: what holds is said again, and only once there is something', async () => {
    const { publisher, asked } = against();
    publisher.repeat();
    publisher.publish(ONE);
    await current(publisher);
    publisher.repeat();
    await current(publisher);
    expect(asked.map(l64sIn)).toEqual([['10 2001:0db8:0001:0000'], ['10 2001:0db8:0001:0000']]);
  });
});

test('so many run at a time, in the order in which they came', async () => {
  const turn = turns(2);
  const began: number[] = [];
  const ends: (() => void)[] = [];
  const runs = [0, 1, 2, 3].map((k) => turn(() => new Promise<void>((resolve) => began.push(k) && ends.push(resolve))));
  await new Promise((resolve) => setImmediate(resolve));
  expect(began).toEqual([0, 1]);
  for (let k = 0; k < 4; k++) {
    ends[k]!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(runs);
  expect(began).toEqual([0, 1, 2, 3]);
});

describe('the end', () => {
  // shows: D2
  test('takes out what is there', async () => {
    const { publisher, asked } = against();
    publisher.publish(ONE);
    await current(publisher);
    await publisher.withdraw();
    expect(l64sIn(asked[1]!)).toEqual([]);
    expect(readMessage(asked[1]!)!.authorities.map(({ type }) => type)).toEqual([106, 104, 28]);
    publisher.publish(TWO);
    expect(asked).toHaveLength(2);
  });

  test('takes out nothing when nothing is there', async () => {
    const { publisher, asked } = against();
    await publisher.withdraw();
    expect(asked).toEqual([]);
  });

  test('says what stays when the server does not answer', async () => {
    const { publisher, said } = against([(request) => signedReply(request, {}), () => null, () => null]);
    publisher.publish(ONE);
    await current(publisher);
    await publisher.withdraw();
    expect(said.join()).toContain('stay in the zone');
  });

  test('asks a server that is slow once more', async () => {
    const { publisher, asked, said } = against([(request) => signedReply(request, {}), () => null]);
    publisher.publish(ONE);
    await current(publisher);
    await publisher.withdraw();
    expect(asked.slice(1).map(l64sIn)).toEqual([[], []]);
    expect(said.join()).not.toContain('stay in the zone');
  });
});
