/**
 * The packets of decode.test.ts through borders of a site (border.ts): tshark says what is different afterwards and judges
 * checksums, scapy is the second opinion.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { OUTSIDE } from '../../src/packet/batch.ts';
import { headerChain } from '../../src/wire/header-chain.ts';
import { ICMPV6, payloadLength } from '../../src/wire/ipv6.ts';
import { type Passed, through } from './border.ts';
import { type Opinion, opinions, scapyVersion } from './scapy.ts';
import { against, Differences, isSame, LIMIT, NONE, PACKETS, type Seen, seenPackets, tshark } from './seen.ts';
import { exposed, translated } from './translated.ts';
import { dissect, type Fields } from './tshark.ts';
import { fromOctets, fromTshark, type View } from './view.ts';

const scapy = scapyVersion();
if (scapy === null) console.warn('differential test: SKIPPED in part, python3-scapy is not installed');

describe.skipIf(tshark === null)(`what leaves a border, ${against}`, { timeout: LIMIT }, () => {
  let seen: Seen[] = [];
  let forwarded: (Passed & { readonly fields: Fields })[] = [];
  let answers: typeof forwarded = [];

  beforeAll(() => {
    seen = seenPackets();
    const passed = through(seen.map(({ packet }) => packet));
    const fields = dissect(passed.map(({ after }) => after));
    const all = passed.map((one, k) => ({ ...one, fields: fields[k]! }));
    forwarded = all.filter(({ isAnswer }) => !isAnswer);
    answers = all.filter(({ isAnswer }) => isAnswer);
  }, LIMIT);

  test('is much of it, in every direction', () => {
    const ways = new Set(forwarded.map(({ packet, egress }) => `${packet.port} to ${egress}`));

    expect(forwarded.length).toBeGreaterThan(PACKETS / 3);
    expect(answers.length).toBeGreaterThan(50);
    expect([...ways].sort()).toEqual(['0 to 1', '0 to 2', '1 to 0', '1 to 1', '1 to 2', '2 to 0', '2 to 1']);
  });

  test('is in every field what came, but for Locators, hops and the value of checksums', () => {
    const differences = new Differences();
    for (const { number, packet, fields, isStraggler } of forwarded) {
      const changes = translated(seen[number]!.fields, fields, isStraggler);
      if (changes.length > 0) differences.add(number, packet, { changes });
    }

    expect(differences).toEqual(NONE);
  });

  test('has no Locator of the inside when it goes out', () => {
    const differences = new Differences();
    for (const { number, packet, fields, egress } of forwarded) {
      const inside = egress === OUTSIDE ? exposed(fields) : [];
      if (inside.length > 0) differences.add(number, packet, { inside });
    }

    expect(differences).toEqual(NONE);
  });

  test('is decoded by us as by tshark', () => {
    const differences = new Differences();
    for (const { number, packet, fields, after } of [...forwarded, ...answers]) {
      const [ours, theirs] = [fromOctets(after), fromTshark(fields)];
      if (!isSame(ours, theirs)) differences.add(number, packet, { ours, tshark: theirs });
    }

    expect(differences).toEqual(NONE);
  });

  test('quotes packets whose checksums are as right as before', () => {
    const differences = new Differences();
    const quotes = forwarded.flatMap(({ number, packet, after }) => {
      const [before, now] = [quoteOf(packet.octets), quoteOf(after)];
      return before !== null && now !== null ? [{ number, packet, before, now }] : [];
    });
    const [before, now] = [dissect(quotes.map((quote) => quote.before)), dissect(quotes.map((quote) => quote.now))];
    quotes.forEach(({ number, packet }, k) => {
      const changes = translated(before[k]!, now[k]!, false, 0);
      if (changes.length > 0) differences.add(number, packet, { changes });
    });

    expect(differences).toEqual(NONE);
    expect(quotes.length).toBeGreaterThan(100);
  });

  test('when it is an answer is a right Destination Unreachable about what came', () => {
    const differences = new Differences();
    for (const { number, packet, fields } of answers) {
      const answer = fromTshark(fields)!;
      const { view } = seen[number]!;
      const isRight = answer.checksum === 'right' && answer.icmp?.type === 1 && answer.destination === view.source;
      const alike = ['source', 'destination', 'payloadLength', 'hopLimit', 'headers', 'upper'] as const;
      const isQuoted = alike.every((key: keyof View) => isSame(answer.quote?.[key], view[key]));
      if (!isRight || !isQuoted) differences.add(number, packet, { answer });
    }

    expect(differences).toEqual(NONE);
  });

  test.skipIf(scapy === null)(`is right, wrong or zeroed for scapy ${scapy ?? '(SKIPPED)'} as it was`, () => {
    const said = opinions([...forwarded.map(({ packet }) => packet.octets), ...forwarded.map(({ after }) => after)]);
    const differences = new Differences();
    const counts: Record<Opinion, number> = { right: 0, zeroed: 0, wrong: 0, none: 0, part: 0, unknown: 0 };
    forwarded.forEach(({ number, packet, fields }, k) => {
      const [before, now] = [said[k]!, said[forwarded.length + k]!];
      const { checksum } = fromTshark(fields)!;
      const intended: Opinion = packet.zeroed ? 'zeroed' : packet.wrong === 'checksum' ? 'wrong' : 'right';
      const isJudged = now === 'right' || now === 'wrong' || now === 'zeroed';
      // tshark knows sums over whole addresses only
      const isContradicted = isJudged && checksum === (now === 'right' ? 'wrong' : 'right');
      if (before !== now || (isJudged && now !== intended) || isContradicted)
        differences.add(number, packet, { before, now, tshark: checksum });
      counts[now]++;
    });

    expect(differences).toEqual(NONE);
    expect(counts.right).toBeGreaterThan(PACKETS / 4);
    expect(Math.min(counts.wrong, counts.zeroed, counts.none, counts.part)).toBeGreaterThan(20);
  });
});

/** The whole packet that an error of types 1 to 4 quotes, or null. */
function quoteOf(octets: Uint8Array): Uint8Array | null {
  const end = Math.min(octets.length, 40 + payloadLength(octets, 0));
  const { upper, at } = headerChain(octets, 0, end);
  const quote = at + 8;
  const isError = upper === ICMPV6 && end - at >= 48 && octets[at]! >= 1 && octets[at]! <= 4;
  if (!isError || octets[quote]! >>> 4 !== 6) return null;
  const length = 40 + payloadLength(octets, quote);
  return length <= end - quote ? octets.slice(quote, quote + length) : null;
}
