/** The commands that make an end system of a Linux host, and their undoing. */
import { describe, expect, test } from 'vitest';
import { hostSteps, locatorSteps, otherSteps } from '../../src/network/host-plan.ts';
import type { Step } from '../../src/network/plan.ts';
import { parseL64, parseNid } from '../../src/wire/text.ts';

const IDENTITY = { nid: parseNid('0:0:0:a1')!, stable: parseL64('fd00:a::')!, tun: 'ilnp0' };
const BOTH = ['eth0', 'eth1'];
const placeOf = (l: { interface: string }): number => BOTH.indexOf(l.interface);
const at = (l64: string, name: string, gateway: string | null) => ({ l64: parseL64(l64)!, interface: name, gateway });
const said = (steps: readonly Step[]): string[] => steps.map((s) => s.run.join(' '));
const start = (mtu: number, isRouter = false) => said(hostSteps(IDENTITY, { mtu, interfaces: ['eth0'], isRouter }));

describe('at the start', () => {
  test('programs get the stable address, and packets that leave room for the option', () => {
    expect(start(1500)).toEqual([
      'link set dev ilnp0 mtu 65535 txqueuelen 4096 multicast off up',
      'addr add fd00:a::a1/128 dev ilnp0 nodad',
      'route replace default dev ilnp0 src fd00:a::a1 mtu 1460 table 6762 protocol 174',
      'rule add iif lo lookup 6762 priority 6762 protocol 174',
      'route add unreachable default table 6763 protocol 174',
      'rule add from fd00:a::a1/128 iif lo lookup 6763 priority 6763 protocol 174',
      'route add blackhole default metric 4294967295 table 6764 protocol 174',
      'rule add iif eth0 lookup 6764 priority 6764 protocol 174',
    ]);
  });

  test('on a link of the smallest MTU they get that: the option is left out of the largest packets', () => {
    expect(start(1280)[2]).toContain(' mtu 1280 ');
  });

  test('who was a router before stays one', () => {
    expect(start(1500, true).filter((line) => line.includes('blackhole'))).toEqual([]);
  });
});

describe('for a Locator', () => {
  test('what comes for it goes into the TUN, what has it leaves by its interface, real addresses are left alone', () => {
    expect(said(locatorSteps(IDENTITY, [at('2001:db8:2::', 'eth1', 'fe80::2')], placeOf))).toEqual([
      'route replace default via fe80::2 dev eth1 table 6766 protocol 174',
      'neigh add fe80::2 dev eth1 use',
      'route replace 2001:db8:2::/64 dev eth1 table 6766 protocol 174',
      'rule add iif ilnp0 from 2001:db8:2::/64 lookup 6766 priority 6765 protocol 174',
      'rule add iif lo from 2001:db8:2::/64 lookup main priority 6761 protocol 174',
      'route replace 2001:db8:2::a1/128 dev ilnp0 table 6764 protocol 174',
      'neigh add proxy 2001:db8:2::a1 dev eth1',
    ]);
  });

  test('without a router only its link is reached', () => {
    const steps = said(locatorSteps(IDENTITY, [at('2001:db8:2::', 'eth1', null)], placeOf));
    expect(steps.filter((line) => line.includes('default'))).toEqual([]);
    expect(steps).toHaveLength(5);
  });
});

test('destinations of other interfaces are passed over', () => {
  expect(said(otherSteps(['fd99::/64']))).toEqual([
    'route replace throw fd99::/64 table 6762 protocol 174',
    'route replace throw fd99::/64 table 6763 protocol 174',
  ]);
});

test('all but what goes with the TUN is undone by the same words', () => {
  const steps = [
    ...hostSteps(IDENTITY, { mtu: 1500, interfaces: BOTH, isRouter: false }).slice(3),
    ...locatorSteps(IDENTITY, [at('2001:db8:1::', 'eth0', 'fe80::1'), at('2001:db8:2::', 'eth1', null)], placeOf),
    ...otherSteps(['fd99::/64']),
  ];
  expect(steps.length).toBeGreaterThan(14);
  for (const { run, undo } of steps) {
    if (run.at(-1) === 'use') continue; // a question, nothing that stays
    expect(undo?.[1]).toBe('del');
    expect([undo?.[0], ...(undo ?? []).slice(2)]).toEqual([run[0], ...run.slice(2)]);
  }
});
