/** Packets that are not what they say they are: dropped, counted under their name, and seen by nobody. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CN, global, guest, L1, L11, under } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { type Counters, labForThisFile } from './support/lab.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();
const SEND = 'test/netns/probes/send.py';
const COUNT = 7;
const PORT = 666;

const datagram = (src: string, dst: string) => `IPv6(src="${src}", dst="${dst}")/UDP(sport=1, dport=${PORT})/b"not me"`;

interface Forgery {
  readonly what: string;
  readonly from: string;
  readonly src: string;
  readonly dst: string;
  readonly counter: string;
  readonly site: 1 | 2;
}

const FORGERIES: readonly Forgery[] = [
  {
    what: 'from outside, with a guest address as source',
    from: 'cn',
    src: guest('a2'),
    dst: global('a1'),
    counter: 'drop_spoofed_source',
    site: 1,
  },
  {
    what: 'from outside, with a site Locator as source',
    from: 'cn',
    src: 'fd00:2::b1',
    dst: global('a1'),
    counter: 'drop_spoofed_source',
    site: 1,
  },
  {
    what: 'from outside, with the own global Locator as source',
    from: 'cn',
    src: under(L1, 'a2'),
    dst: global('a1'),
    counter: 'drop_spoofed_source',
    site: 1,
  },
  {
    what: 'from outside, with the other own global Locator as source',
    from: 'cn',
    src: under(L11, 'a2'),
    dst: global('a1'),
    counter: 'drop_spoofed_source',
    site: 1,
  },
  {
    what: 'from outside, to a guest address',
    from: 'core',
    src: CN,
    dst: guest('a1'),
    counter: 'drop_inside_destination',
    site: 1,
  },
  {
    what: 'from outside, to a site Locator of a peer',
    from: 'core',
    src: CN,
    dst: 'fd00:2::b1',
    counter: 'drop_inside_destination',
    site: 1,
  },
  {
    what: "from outside, with a unique local source that is nobody's",
    from: 'core',
    src: 'fd99::1',
    dst: global('a1'),
    counter: 'drop_spoofed_source',
    site: 1,
  },
  {
    what: "from a guest, to a unique local address that is nobody's",
    from: 'vm-a2',
    src: guest('a2'),
    dst: 'fd99::1',
    counter: 'drop_no_uplink',
    site: 1,
  },
  {
    what: 'from a guest, with a foreign source',
    from: 'vm-a2',
    src: '2001:db8:bad::1',
    dst: CN,
    counter: 'drop_unknown_source',
    site: 1,
  },
  {
    what: 'from a guest, with a NID that nobody has',
    from: 'vm-a2',
    src: 'fd00:1::dead',
    dst: CN,
    counter: 'drop_unknown_source',
    site: 1,
  },
  {
    what: 'from a guest, with its own NID under its global Locator',
    from: 'vm-a2',
    src: under(L1, 'a2'),
    dst: CN,
    counter: 'drop_unknown_source',
    site: 1,
  },
  {
    what: 'from a guest, in the name of one that is at another site',
    from: 'vm-a2',
    src: guest('b1'),
    dst: CN,
    counter: 'drop_not_here',
    site: 1,
  },
  {
    what: 'from the correspondent, in the name of a guest, at the other site',
    from: 'cn',
    src: guest('b2'),
    dst: global('b1'),
    counter: 'drop_spoofed_source',
    site: 2,
  },
];

let captures: Capture[];
beforeAll(async () => {
  // The core would not carry such packets of its own accord.
  await lab.exec('core', 'ip', 'route', 'add', 'fd00::/16', 'via', '2001:db8:f1::2');
  captures = [await Capture.start(lab, 'cn', 'eth0', 'udp'), await Capture.start(lab, 'vm-a1', 'eth0', 'udp')];
});
afterAll(() => Promise.all(captures.map((capture) => capture.remove())));

/** The kernel's own multicast listener reports on the TUN devices, whenever it likes. */
const KERNEL_CHATTER = 'drop_bad_address';

describe('a forged packet is dropped and counted', () => {
  // shows: S23
  test.each(FORGERIES)('$what: $counter', async ({ from, src, dst, counter, site }) => {
    const before = await lab.counters(site);
    await lab.exec(from, '/usr/bin/python3', SEND, '--count', String(COUNT), datagram(src, dst));
    const after = await until(
      `${counter} to grow by ${COUNT}`,
      async () => {
        const now = await lab.counters(site);
        return (now[counter] ?? 0) - (before[counter] ?? 0) >= COUNT && now;
      },
      3000,
    );

    const grown = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
    const drops = (counters: Counters) =>
      Object.keys(counters).filter((name) => name.startsWith('drop_') && name !== KERNEL_CHATTER && grown(name) > 0);
    expect(drops(after)).toEqual([counter]);
    expect(grown(counter)).toBe(COUNT);
  });
});

test('from outside to a unique local address that the gateway could reach: dropped by the kernel, not forwarded', async () => {
  const behind = 'fd00:12::99'; // on the network between the sites
  await lab.exec('core', 'ip', 'route', 'replace', 'fc00::/7', 'via', '2001:db8:f1::2');
  const [link, up] = [
    await Capture.start(lab, 'sbr1', 'link0', `udp or host ${behind}`),
    await Capture.start(lab, 'sbr1', 'up0', 'udp'),
  ];

  await lab.exec('core', '/usr/bin/python3', SEND, '--count', String(COUNT), datagram(CN, behind));
  await lab.exec('core', '/usr/bin/python3', SEND, '--count', String(COUNT), datagram(CN, 'fd99::1'));
  await until('all of them to have come', async () => (await up.count(`udp.dstport == ${PORT}`)) >= 2 * COUNT);
  await lab.exec('cn', 'ping', '-6', '-nqc', '1', '-W', '1', global('a1')); // what came before it was dealt with

  await Promise.all([link.stop(), up.stop()]);
  expect(await up.fields(`udp.dstport == ${PORT}`, ['ipv6.dst'])).toHaveLength(2 * COUNT); // none went back out
  expect(await link.fields(`udp.dstport == ${PORT} || icmpv6.nd.ns.target_address == ${behind}`, ['ipv6.dst'])).toEqual(
    [],
  );
  await Promise.all([link.remove(), up.remove()]);
});

describe('unique local addresses do not leave by an uplink', () => {
  const NOBODYS = 'fd00:9::77';

  test("in an error of the gateway's own kernel, to whoever claimed such a source", async () => {
    const up = await Capture.start(lab, 'sbr1', 'up0', 'icmp6');
    const dying = `IPv6(src="${NOBODYS}", dst="${CN}", hlim=1)/UDP(sport=1, dport=${PORT})/b"not me"`;

    await lab.exec('vm-a2', '/usr/bin/python3', SEND, '--count', String(COUNT), dying);
    await lab.exec('cn', 'ping', '-6', '-nqc', '1', '-W', '1', global('a1')); // what came before it was dealt with

    await until('the ping to be captured', async () => (await up.count('icmpv6.type == 129')) > 0);
    await up.stop();
    expect(await up.fields(`ipv6.addr == fc00::/7 && icmpv6.type < 128`, ['ipv6.src', 'ipv6.dst'])).toEqual([]);
    await up.remove();
  });

  // Whatever the border may write into a TUN by mistake, the kernel does not let it out.
  test.each([
    ['ilnp0-site', NOBODYS, CN],
    ['ilnp0-site', CN, '2001:db8:c::1'],
    ['ilnp0', NOBODYS, CN],
    ['ilnp0', under(L1, 'a1'), NOBODYS],
    ['ilnp0', '2001:db8:f1::2', NOBODYS],
  ])('out of %s, from %s to %s', async (tun, from, to) => {
    const { code, stdout, stderr } = await lab.run('sbr1', 'ip', '-6', 'route', 'get', to, 'from', from, 'iif', tun);

    expect(stdout + stderr).toMatch(/unreachable|No route to host/);
    expect(code).toBe(2);
  });
});

test('none of them was seen by the correspondent or the VM', async () => {
  const [atCn, atVm] = captures as [Capture, Capture];
  await Promise.all([atCn.stop(), atVm.stop()]);

  // Those that the correspondent itself sent are not what is meant.
  expect(await atCn.fields(`udp.dstport == ${PORT} && ipv6.dst == ${CN}`, ['ipv6.src'])).toEqual([]);
  expect(await atVm.fields(`udp.dstport == ${PORT}`, ['ipv6.src'])).toEqual([]);
});
