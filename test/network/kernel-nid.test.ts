/** An Identifier that the kernel has addresses with cannot be that of an end system. */
import { describe, expect, test } from 'vitest';
import { interfacesWith, refuseKernelsNid } from '../../src/network/kernel-nid.ts';
import { parseNid } from '../../src/wire/text.ts';

const TABLE = `00000000000000000000000000000001 01 80 10 80       lo
20010db8000100005054fffe123456ab 02 40 00 00     eth0
fe800000000000000000000000000a10 02 40 20 80     eth0
fd00000000010000000000000000000b 03 40 00 80     eth1
20010db8000100000000000000000001 04 40 00 00 a-long-name_15c
`;

describe('of the addresses of the kernel', () => {
  test.each([
    ['5054:ffff:fe12:34ab', []],
    ['5054:fffe:1234:56ab', ['eth0']],
    ['0:0:0:b', ['eth1']],
    ['0:0:0:1', ['a-long-name_15c']], // ::1 is no Locator's
    ['0:0:0:a10', []], // a link-local address alone is in nobody's way
  ])('%s is that of %j', (nid, names) => {
    expect([...interfacesWith(parseNid(nid)!, TABLE)]).toEqual(names);
  });
});

test('one that nobody uses here is taken, also for an interface that does not exist', () => {
  expect(() => refuseKernelsNid(parseNid('0:0:7e57:a1')!, ['lo', 'no-such-link'])).not.toThrow();
});
