/** Questions, answers with NID, L64 and LP records, and signed updates, made from the seed: as tshark reads them and as we do. */
import { beforeAll, describe, expect, test } from 'vitest';
import { SeededRandom } from '../../native-free/random.ts';
import { sign } from '../../src/names/tsig.ts';
import { updateOctets } from '../../src/names/update.ts';
import { put16, put32 } from '../../src/wire/bytes.ts';
import {
  messageOctets,
  OPCODE_UPDATE,
  optOctets,
  QR,
  questionOctets,
  RD,
  RR_AAAA,
  RR_OPT,
  readMessage,
  recordOctets,
} from '../../src/wire/dns-message.ts';
import { RR_L32, RR_L64, RR_LP, RR_NID, readRdata, writeRdata } from '../../src/wire/dns-records.ts';
import { joined, udp6 } from '../support/packets.ts';
import { against, LIMIT, SEED, tshark } from './seen.ts';
import { dissect, type Fields } from './tshark.ts';

const COUNT = 1200;
const RR_TSIG = 250;
const ENDS = { src: '2001:db8:1::a1', dst: '2001:db8:c::35' };
const QUESTION = {
  fields: [
    ...['dns.id', 'dns.flags', 'dns.qry.name', 'dns.qry.type', 'dns.count.queries', 'dns.count.zones'],
    ...['dns.count.answers', 'dns.count.prerequisites', 'dns.count.auth_rr', 'dns.count.updates', 'dns.count.add_rr'],
    ...['dns.resp.name', 'dns.resp.type', 'dns.resp.class', 'dns.resp.ttl', 'dns.resp.len', 'dns.aaaa'],
    ...['dns.ilnp.nid', 'dns.ilnp.nid.preference', 'dns.ilnp.l64', 'dns.ilnp.l64.preference'],
    ...['dns.ilnp.l32', 'dns.ilnp.l32.preference', 'dns.ilnp.lp', 'dns.ilnp.lp.preference'],
    ...['dns.tsig.mac', 'dns.tsig.mac_size', 'dns.tsig.original_id', '_ws.malformed'],
  ],
  rules: ['udp.port==53,dns', 'udp.port==40000,dns'],
};

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

/** What is in a message, as far as both can say it; a value of an ILNP record is `preference octets`, of LP a name. */
interface Contents {
  readonly id: number;
  readonly flags: number;
  readonly question: readonly [string, number];
  readonly counts: readonly number[];
  readonly records: readonly (readonly [string, number, number, number])[];
  readonly values: Readonly<Record<number, readonly string[]>>;
}

const withoutDot = (name: string): string => (name === '.' ? '<Root>' : name.replace(/\.$/, ''));

function byTshark(fields: Fields): Contents {
  const all = (field: string): readonly string[] => fields[field] ?? [];
  const number = (...names: string[]): number => Number(names.flatMap(all)[0]);
  const types = all('dns.resp.type').map(Number);
  // EDNS says something else in class and TTL
  const place = (list: readonly string[], k: number): string => list[types.slice(0, k).filter(isPlain).length]!;
  const pairs = (name: string): string[] =>
    all(`dns.ilnp.${name}`).map((value, k) => `${all(`dns.ilnp.${name}.preference`)[k]} ${withoutDot(value)}`);
  return {
    id: number('dns.id'),
    flags: number('dns.flags'),
    question: [all('dns.qry.name')[0]!, number('dns.qry.type')],
    counts: [
      number('dns.count.queries', 'dns.count.zones'),
      number('dns.count.answers', 'dns.count.prerequisites'),
      number('dns.count.auth_rr', 'dns.count.updates'),
      number('dns.count.add_rr'),
    ],
    records: types.flatMap((type, k) =>
      isPlain(type)
        ? [
            [
              all('dns.resp.name')[k]!,
              type,
              Number(place(all('dns.resp.class'), k)),
              Number(place(all('dns.resp.ttl'), k)),
            ] as const,
          ]
        : [],
    ),
    values: {
      [RR_NID]: pairs('nid').map((value) => value.replaceAll(':', '')),
      [RR_L64]: pairs('l64').map((value) => value.replaceAll(':', '')),
      [RR_L32]: pairs('l32'),
      [RR_LP]: pairs('lp'),
    },
  };
}

const isPlain = (type: number): boolean => type !== RR_OPT;

function byOurselves(b: Uint8Array): Contents {
  const { id, flags, question, answers, authorities, additionals } = readMessage(b)!;
  const all = [...answers, ...authorities, ...additionals];
  const values: Record<number, string[]> = { [RR_NID]: [], [RR_L64]: [], [RR_L32]: [], [RR_LP]: [] };
  for (const { type, at, length } of all) {
    const record = length === 0 ? null : readRdata(type, b, at, length);
    if (record === null) continue;
    const value =
      record.type === RR_LP
        ? withoutDot(record.name)
        : record.type === RR_L32
          ? [24, 16, 8, 0].map((shift) => (record.locator >>> shift) & 0xff).join('.')
          : sixteenDigits(record.type === RR_NID ? record.nid : record.locator);
    values[type]!.push(`${record.preference} ${value}`);
  }
  return {
    id,
    flags,
    question: [withoutDot(question!.name), question!.type],
    counts: [1, answers.length, authorities.length, additionals.length],
    records: all
      .filter(({ type }) => isPlain(type))
      .map((record) => [withoutDot(record.name), record.type, record.class, record.ttl] as const),
    values,
  };
}

const sixteenDigits = ({ hi, lo }: { hi: number; lo: number }): string =>
  [hi, lo].map((word) => word.toString(16).padStart(8, '0')).join('');

class MessageSource {
  readonly #r: SeededRandom;

  constructor(random: SeededRandom) {
    this.#r = random;
  }

  next(): Uint8Array {
    const kind = this.#r.below(4);
    const id = this.#r.below(65536);
    if (kind === 0) {
      const question = questionOctets(this.#name(), this.#pick([RR_NID, RR_L32, RR_L64, RR_LP, RR_AAAA]));
      return messageOctets(id, RD, [[question], [], [], this.#r.chance(0.7) ? [optOctets()] : []]);
    }
    return kind === 1 ? this.#update(id) : this.#answer(id);
  }

  /** Owner names sometimes compressed by hand: they point to the question. */
  #answer(id: number): Uint8Array {
    const name = this.#name();
    const sections = [0, 1, 2].map(() => this.#many(4, () => this.#record(name)));
    const [answers, authorities, additionals] = sections as [Uint8Array[], Uint8Array[], Uint8Array[]];
    const question = questionOctets(name, this.#pick([RR_NID, RR_L64, RR_LP]));
    return messageOctets(id, QR | RD | this.#pick([0, 0x0400, 3, 0x0080]), [
      [question],
      answers,
      authorities,
      this.#r.chance(0.3) ? [...additionals, optOctets()] : additionals,
    ]);
  }

  #record(question: string): Uint8Array {
    const type = this.#pick([RR_NID, RR_L64, RR_L64, RR_L32, RR_LP, RR_AAAA]);
    const ttl = this.#r.below(2 ** 31);
    const rdata = this.#rdata(type);
    if (this.#r.chance(0.5)) return recordOctets(this.#r.chance(0.5) ? question : this.#name(), { type, ttl }, rdata);
    const octets = new Uint8Array(12);
    put16(octets, 0, 0xc00c);
    put16(octets, 2, type);
    put16(octets, 4, 1);
    put32(octets, 6, ttl);
    put16(octets, 10, rdata.length);
    return joined(octets, rdata);
  }

  #rdata(type: number): Uint8Array {
    const preference = this.#r.below(65536);
    if (type === RR_NID) return writeRdata({ type, preference, nid: this.#half() })!;
    if (type === RR_L64) return writeRdata({ type, preference, locator: this.#half() })!;
    if (type === RR_L32) return writeRdata({ type, preference, locator: this.#r.next() })!;
    if (type === RR_LP) return writeRdata({ type, preference, name: this.#name() })!;
    return this.#octets(16);
  }

  #update(id: number): Uint8Array {
    const r = this.#r;
    const message = updateOctets(
      id,
      {
        zone: 'example.com',
        name: this.#name(),
        subnet: r.chance(0.5) ? this.#name() : undefined,
        nid: this.#half(),
        withL64: true,
        withNid: r.chance(0.5),
        withAaaa: r.chance(0.5),
        ttl: r.below(3600),
      },
      this.#many(5, () => ({ l64: this.#half(), preference: r.below(65536) })),
    );
    const key = { name: 'key.example.com', algorithm: 'hmac-sha256', secret: this.#octets(32) } as const;
    return r.chance(0.5) ? sign(message, key, 1_700_000_000 + r.below(1e8)).octets : message;
  }

  #name(): string {
    return [...this.#many(3, () => `n${this.#r.below(1e6)}-x`), 'example', 'com', ''].join('.');
  }

  #many<T>(most: number, one: () => T): T[] {
    return Array.from({ length: this.#r.below(most + 1) }, one);
  }

  #octets(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#r.below(256));
  }

  #half(): { readonly hi: number; readonly lo: number } {
    return { hi: this.#r.next(), lo: this.#r.next() };
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#r.below(list.length)]!;
  }
}

describe.skipIf(tshark === null)(against, { timeout: LIMIT }, () => {
  let messages: Uint8Array[] = [];
  let fields: Fields[] = [];

  beforeAll(() => {
    const source = new MessageSource(new SeededRandom(`${SEED}/dns`));
    messages = Array.from({ length: COUNT }, () => source.next());
    const packet = (octets: Uint8Array): Uint8Array => udp6(ENDS, octets);
    fields = dissect(messages.map(packet), QUESTION);
  }, LIMIT);

  test('names, types, classes, TTLs, preferences, identifiers, Locators: all are the same to both', () => {
    const differ = messages.flatMap((octets, k) => {
      const [ours, theirs] = [byOurselves(octets), byTshark(fields[k]!)];
      return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [{ octets: hex(octets), ours, tshark: theirs }];
    });

    expect(differ.slice(0, 3)).toEqual([]);
  });

  test('all kinds are there: every type of record, updates, signatures; tshark finds none malformed', () => {
    const seen = messages.map(byOurselves);
    for (const type of [RR_NID, RR_L32, RR_L64, RR_LP, RR_AAAA, RR_TSIG])
      expect(seen.filter(({ records }) => records.some((record) => record[1] === type)).length).toBeGreaterThan(100);
    expect(seen.filter(({ flags }) => flags === OPCODE_UPDATE).length).toBeGreaterThan(100);
    expect(fields.filter((one) => one['_ws.malformed'] !== undefined)).toEqual([]);
  });

  test('a signature is of 32 octets and says which message it was made for', () => {
    const signed = fields.filter((one) => one['dns.tsig.mac'] !== undefined);
    for (const one of signed) {
      expect(Number(one['dns.tsig.mac_size']![0])).toBe(32);
      expect(Number(one['dns.tsig.original_id']![0])).toBe(Number(one['dns.id']![0]));
    }

    expect(signed.length).toBeGreaterThan(100);
  });
});
