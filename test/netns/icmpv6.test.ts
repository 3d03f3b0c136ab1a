/** ICMPv6 through and from the border: errors in both directions, unknown destinations, and fragments of anything. */
import { beforeEach, describe, expect, test } from 'vitest';
import { CN, global, L1, OUTSIDE_OF, SHOWS_INSIDE, under } from './support/addresses.ts';
import { Capture } from './support/capture.ts';
import { labForThisFile } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectNoLoss } from './support/sessions.ts';
import { until } from './support/wait.ts';

const lab = labForThisFile();
const PROBES = 'test/netns/probes';
const UNKNOWN = `${L1}dead`;
/** As `scripts/lab` leaves it: the border's defaults. */
const ERRORS_PER_SECOND = 10;
const ERRORS_AT_ONCE = 10;

const ping = (node: string, to: string, ...options: string[]) =>
  lab.run(node, 'ping', '-6', '-n', '-c', '5', '-i', '0.1', '-W', '2', ...options, to);

describe.each([
  ['at home', 'host1'],
  ['away', 'site2'],
])('VM %s', (_where, place) => {
  beforeEach(() => lab.move('a1', place));

  test('a port of the VM where nobody listens: the correspondent is refused', async () => {
    const said = await lab.exec('cn', process.execPath, `${PROBES}/refused.mjs`, global('a1'), '9');

    expect(said.trim()).toBe('ECONNREFUSED');
  });

  test('a port of the correspondent where nobody listens: the VM is refused', async () => {
    const said = await lab.exec('vm-a1', process.execPath, `${PROBES}/refused.mjs`, CN, '9');

    expect(said.trim()).toBe('ECONNREFUSED');
  });

  test.each([
    ['whole', '56'],
    ['of odd length', '57'],
    ['in three fragments', '4000'],
    ['in many fragments', '40000'],
  ])('echo %s, from both sides: every answer comes', async (_what, size) => {
    const fromCn = await ping('cn', global('a1'), '-s', size);
    const fromVm = await ping('vm-a1', CN, '-s', size);

    expect(fromCn.stdout).toContain('5 received, 0% packet loss');
    expect(fromVm.stdout).toContain('5 received, 0% packet loss');
  });

  // shows: P5
  test('UDP datagrams in fragments: none is lost', async () => {
    const session = await openSession(
      lab,
      'udp',
      { listener: 'vm-a1', connector: 'cn', to: global('a1') },
      { listener: ['--size', '4001', '--interval', '4'], connector: ['--size', '3000', '--interval', '4'] },
    );
    await session.connector.receives(200);
    expectNoLoss(await session.end());
  });
});

describe('a NID that nobody has', () => {
  // shows: S11c, E5
  test('the correspondent is told so by the border', async () => {
    const capture = await Capture.start(lab, 'cn', 'eth0', 'icmp6');
    const said = await ping('cn', UNKNOWN);
    await capture.stop();

    const errors = await capture.fields('icmpv6.type == 1', ['ipv6.src', 'ipv6.dst', 'icmpv6.code']);
    const inside = await capture.fields(SHOWS_INSIDE, ['frame.number']);
    await capture.remove();
    expect(said.stdout).toContain('Destination unreachable: Address unreachable');
    expect(errors.length).toBeGreaterThan(0);
    for (const [sources, destinations, code] of errors) {
      // The first address is the error's own, the second that of the packet it quotes.
      expect(OUTSIDE_OF[1]).toContain(sources!.split(',')[0]);
      expect(sources!.split(',')[1]).toBe(CN);
      expect(destinations).toBe(`${CN},${UNKNOWN}`);
      expect(code!.split(',')[0]).toBe('3');
    }
    expect(inside).toEqual([]);
  });

  test('a guest is told so too', async () => {
    await lab.move('a1', 'host1');
    // On its own link it is the kernel that asks three seconds long whether anybody has the address.
    const said = await ping('vm-a1', under('fd00:1::', 'c1'), '-W', '5');

    expect(said.stdout).toContain('Destination unreachable: Address unreachable');
  });

  // shows: E4
  test('no more errors than the limit, and every packet is counted', async () => {
    const packets = 400;
    const before = await lab.counters(1);
    const capture = await Capture.start(lab, 'cn', 'eth0', 'icmp6');
    const fromMs = performance.now();
    const flood = `IPv6(src="${CN}", dst="${UNKNOWN}")/UDP(sport=1, dport=2)/b"x"`;
    await lab.exec('cn', '/usr/bin/python3', `${PROBES}/send.py`, '--count', String(packets), flood);
    const { told, unanswered } = await until('all packets to be counted', async () => {
      const now = await lab.counters(1);
      const counted = {
        told: now.answered! - before.answered!,
        unanswered: now.drop_error_rate! - before.drop_error_rate!,
      };
      return counted.told + counted.unanswered >= packets && counted;
    });
    const seconds = (performance.now() - fromMs) / 1000;
    await until('the errors to arrive', async () => (await capture.count('icmpv6.type == 1')) >= told);
    await capture.stop();

    const errors = await capture.fields('icmpv6.type == 1', ['frame.number']);
    await capture.remove();
    expect(errors.length).toBe(told);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors.length).toBeLessThanOrEqual(ERRORS_AT_ONCE + Math.ceil(ERRORS_PER_SECOND * seconds));
    expect(told + unanswered).toBe(packets);
  });
});
