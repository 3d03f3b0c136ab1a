/** TSIG against what another implementation has signed, and against everybody who has not the key. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BADKEY, BADTIME, isTsigAlgorithm, sign, type TsigKey, verify } from '../../src/names/tsig.ts';
import { parseTsigKey } from '../../src/names/tsig-key.ts';
import { forEverybody, type Publication, updateOctets } from '../../src/names/update.ts';
import { put16, u16 } from '../../src/wire/bytes.ts';
import { readMessage } from '../../src/wire/dns-message.ts';
import { parseL64 } from '../../src/wire/text.ts';
import { vector } from '../support/vectors.ts';

interface Written {
  readonly request: string;
  readonly mac: string;
  readonly response: string;
  readonly badtime: string;
}
const { algorithms } = JSON.parse(readFileSync(new URL('../vectors/tsig.json', import.meta.url), 'utf8')) as {
  algorithms: Record<string, Written>;
};
const NOW = 1_767_225_600;
const SECRET = Uint8Array.from({ length: 32 }, (_, k) => k);
const octets = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const hex = (o: Uint8Array): string => Buffer.from(o).toString('hex');

const keyOf = (algorithm: string, name = 'SBR-key.example.com.'): TsigKey => {
  if (!isTsigAlgorithm(algorithm)) throw new RangeError(algorithm);
  return { name, algorithm, secret: SECRET };
};

/** A message as it was before its TSIG went in. */
function unsigned(signed: Uint8Array): Uint8Array {
  const message = signed.slice(0, readMessage(signed)!.additionals.at(-1)!.start);
  put16(message, 10, u16(message, 10) - 1);
  return message;
}

describe.each(Object.entries(algorithms))('%s, as dnspython writes it', (algorithm, written) => {
  const key = keyOf(algorithm);
  const [request, mac, response] = [octets(written.request), octets(written.mac), octets(written.response)];

  // shows: D7
  test('the MAC of the same update is the same', () => {
    expect(hex(sign(unsigned(request), key, NOW).mac)).toBe(written.mac);
  });

  // shows: D7
  test('its answer is believed, for 300 seconds', () => {
    const right = { isVerified: true, error: 0, serverTime: null, reason: '' };
    expect(verify(response, key, mac, NOW)).toEqual(right);
    expect(verify(response, key, mac, NOW + 300)).toEqual(right);
    expect(verify(response, key, mac, NOW + 301)).toMatchObject({ isVerified: false });
    expect(verify(response, key, mac, NOW - 301)).toMatchObject({ isVerified: false });
  });

  test('BADTIME says what the clock of the server is, and is believed at any time', () => {
    expect(verify(octets(written.badtime), key, mac, NOW - 5000)).toMatchObject({
      isVerified: true,
      error: BADTIME,
      serverTime: NOW + 1000,
    });
  });

  test('an octet of the answer that is another one, another secret or another request: not believed', () => {
    const behindTtl = readMessage(response)!.additionals[0]!.at - 2;
    fc.assert(
      fc.property(fc.nat(response.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = response.slice();
        changed[at]! ^= change;
        const { isVerified } = verify(changed, key, mac, NOW);
        const id = at < 2; // the id outside is not signed, the original one is
        const ttl = at >= behindTtl - 4 && at < behindTtl; // signed as 0, whatever is there (section 4.3.3)
        const upper = change === 0x20 && isLetter(response[at]!); // names are the same in either case
        return !isVerified || id || ttl || upper;
      }),
    );
    expect(verify(response, { ...key, secret: new Uint8Array(32) }, mac, NOW).isVerified).toBe(false);
    expect(
      verify(
        response,
        key,
        mac.map((octet) => octet ^ 1),
        NOW,
      ).isVerified,
    ).toBe(false);
    expect(verify(response, keyOf(algorithm, 'other.'), mac, NOW).isVerified).toBe(false);
    expect(verify(unsigned(response), key, mac, NOW)).toMatchObject({ reason: 'the answer is not signed' });
    expect(verify(request, key, mac, NOW).isVerified).toBe(false);
  });
});

const isLetter = (octet: number): boolean => /[a-z]/i.test(String.fromCharCode(octet));

describe('the published update', () => {
  const to: Publication = {
    zone: 'example.com',
    name: 'site.example.com',
    subnet: undefined,
    nid: { hi: 0, lo: 0xa1 },
    withL64: true,
    withNid: false,
    withAaaa: false,
    ttl: 20,
  };
  const locators = [
    { l64: parseL64('2001:db8:2:1')!, preference: 10 },
    { l64: parseL64('2001:db8:3:1')!, preference: 20 },
  ];

  // shows: D8
  test('replaces the L64 records in one message, octet for octet', () => {
    expect(hex(updateOctets(0x1a2b, to, locators))).toBe(hex(vector('dns-update-l64')));
  });

  // shows: D7
  test('and so signed', () => {
    const signed = sign(updateOctets(0x1a2b, to, locators), keyOf('hmac-sha256', 'sbr-key.example.com'), NOW);
    expect(hex(signed.octets)).toBe(hex(vector('dns-update-l64-tsig')));
  });

  // shows: D3
  test('with all there is: the identifier, an LP to the subnet that has the Locators, addresses for who has no ILNP', () => {
    const all = { ...to, subnet: 'lan.example.com', withNid: true, withAaaa: true };
    const message = readMessage(updateOctets(1, all, locators))!;
    const added = message.authorities.filter(({ length }) => length > 0);
    expect(added.map(({ name, type, ttl }) => `${name} ${type} ${ttl}`)).toEqual([
      'lan.example.com. 106 20',
      'lan.example.com. 106 20',
      'site.example.com. 107 86400',
      'site.example.com. 104 86400',
      'site.example.com. 28 20',
      'site.example.com. 28 20',
    ]);
  });

  // shows: D12
  test('inside Locators are not for everybody', () => {
    const inside = { l64: parseL64('fd00:1:0:0')!, preference: 1 };
    expect(forEverybody([inside, ...locators])).toEqual(locators);
  });

  // shows: D2
  test('without Locators everything of this node goes', () => {
    const all = { ...to, subnet: 'lan.example.com', withNid: true, withAaaa: true };
    const message = readMessage(updateOctets(1, all, []))!;
    expect(
      message.authorities.map(({ name, type, class: klass, ttl, length }) => [name, type, klass, ttl, length]),
    ).toEqual([
      ['lan.example.com.', 106, 255, 0, 0],
      ['site.example.com.', 107, 255, 0, 0],
      ['site.example.com.', 104, 255, 0, 0],
      ['site.example.com.', 28, 255, 0, 0],
    ]);
  });
});

test('a server without the key says so without a signature: told, not believed', () => {
  const { request, mac } = algorithms['hmac-sha256']!;
  const reply = octets(request);
  const { additionals } = readMessage(reply)!;
  const at = additionals[0]!.at;
  const head = reply.slice(0, at);
  head[2] = 0xa8;
  // algorithm, time, fudge, no MAC, id, BADKEY
  const rdata = Buffer.concat([reply.subarray(at, at + 21), octets('00001a2b00110000')]);
  put16(head, at - 2, rdata.length);
  const refused = verify(Uint8Array.from(Buffer.concat([head, rdata])), keyOf('hmac-sha256'), octets(mac), NOW);

  expect(refused).toMatchObject({ isVerified: false, error: BADKEY });
  expect(refused.reason).toContain('no key of this name');
});

describe('the key file', () => {
  const secret = Buffer.from(SECRET).toString('base64');
  test.each([
    `key "a.key" {\n\talgorithm hmac-sha256;\n\tsecret "${secret}";\n};\n`,
    `// mine\nkey a.key { secret "${secret}"; algorithm HMAC-SHA256; };`,
    `hmac-sha256:a.key:${secret}`,
    `# hmac-sha256:a.key:${secret}\nkey:\n  - id: a.key\n    algorithm: hmac-sha256\n    secret: ${secret}\n`,
  ])('is read as the servers write it: %j', (text) => {
    expect(parseTsigKey(text, 'f')).toEqual({ name: 'a.key', algorithm: 'hmac-sha256', secret: SECRET });
  });

  test.each([
    [`hmac-md5:a.key:${secret}`, 'got hmac-md5'],
    [`key "a" { algorithm hmac-sha256; secret "not base64"; };`, 'expected a key'],
    ['', 'expected a key'],
    [`hmac-sha256:a..b:${secret}`, 'expected a key'],
  ])('%j is refused without being quoted', (text, why) => {
    const refused = (): unknown => parseTsigKey(text, 'the file');
    expect(refused).toThrow(why);
    expect(refused).toThrow(/^(?!.*AAECAw)/);
  });
});
