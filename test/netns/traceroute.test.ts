/** Each border is one hop, whichever kernels and devices a packet passes inside it, and no inside Locator is seen outside. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CN, global, guest, L1, OUTSIDE_OF, SHOWS_INSIDE, under } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { traceroute } from './support/traceroute.ts';

const lab = labForThisFile();
const CORE2 = '2001:db8:c::1';
const CORE = '2001:db8:cc::1';
/** From inside, the core answers with the address of the link it got the packet from. */
const CORE_BEHIND = { 1: '2001:db8:f1::1', 2: '2001:db8:f2::1' } as const;
const CORE2_BEHIND = '2001:db8:cc::2';

const inside = (address: string | null) => address !== null && /^(fd00|fe80):/.test(address);

let capture: Capture;
beforeAll(async () => {
  capture = await Capture.start(lab, 'cn', 'eth0');
});
afterAll(() => capture.remove());

describe.each([
  ['UDP', []],
  ['ICMPv6', ['-I']],
])('with %s', (_name, options) => {
  // shows: S26a
  test('to a VM at home: core, its border, the VM under its global Locator', async () => {
    await lab.move('a1', 'host1');
    const hops = await traceroute(lab, 'cn', global('a1'), ...options);

    expect(hops).toEqual([CORE2, CORE, expect.toBeOneOf([...OUTSIDE_OF[1]]), global('a1')]);
  });

  test('from a VM at home: its border, core, correspondent', async () => {
    await lab.move('a1', 'host1');
    const hops = await traceroute(lab, 'vm-a1', CN, ...options);

    expect(hops).toEqual([expect.toSatisfy(inside), CORE_BEHIND[1], CORE2_BEHIND, CN]);
  });

  // shows: S26a
  test('to a VM away: core, the border of its home, the border where it is, the VM', async () => {
    await lab.move('a1', 'site2');
    const hops = await traceroute(lab, 'cn', global('a1'), ...options);

    // The far border's own address is translated like that of any node of its site: its NID under the Locator of the home.
    const far = expect.stringMatching(/^2001:db8:1::2$/);
    expect(hops).toEqual([CORE2, CORE, expect.toBeOneOf([...OUTSIDE_OF[1]]), far, global('a1')]);
  });

  test('from a VM away: the border where it is, the border of its home, core, correspondent', async () => {
    await lab.move('a1', 'site2');
    const hops = await traceroute(lab, 'vm-a1', CN, ...options);

    expect(hops).toEqual([expect.toSatisfy(inside), expect.any(String), CORE_BEHIND[1], CORE2_BEHIND, CN]);
  });

  test('between guests at two sites: two borders', async () => {
    await lab.move('a1', 'host1');
    const hops = await traceroute(lab, 'vm-a1', guest('b1'), ...options);

    expect(hops).toEqual([expect.toSatisfy(inside), expect.toSatisfy(inside), guest('b1')]);
  });
});

// shows: S1, S6
test('nothing that the correspondent saw names an inside Locator, quoted packets included', async () => {
  await capture.stop();

  expect(await capture.fields(`icmpv6.type == 3 && ipv6.addr == ${under(L1, 'a1')}`, ['frame.number'])).not.toEqual([]);
  expect(await capture.fields(SHOWS_INSIDE, ['frame.number', 'ipv6.src', 'ipv6.dst'])).toEqual([]);
});
