/**
 * What the kernel of an end system has to do so that its programs pass through the TUN, as `ip -6` commands with their
 * undoing. Pure.
 *
 *   rule                          table     says
 *   iif lo, from a real Locator   main      the interface's own addresses are left alone
 *   iif lo                        OUT       programs talk from the stable address, through the TUN; but not to where
 *                                           other interfaces lead (`throw`)
 *   iif lo, from the stable one   CLOSED    when there is no TUN (a shim that was killed) what has the stable address is
 *                                           refused: by table main it would leave with an address that nobody can answer
 *   iif an interface              TO_US     what comes for a Locator of ours goes into the TUN, and nothing else is
 *                                           forwarded: this node is no router, though its kernel has to forward
 *   iif <tun>, from a Locator     BY + k    a packet leaves by the router of the Locator it has
 *
 * Packets for <Locator>:NID are answered for by proxy neighbour discovery and routed into the TUN. What the TUN gives back
 * for programs is for the stable address, which is on the TUN: nothing loops.
 */
import * as ipv6 from '../wire/ipv6.ts';
import { formatIlv, formatL64, type L64, type Nid } from '../wire/text.ts';
import { PROTOCOL, type Step } from './plan.ts';

/** Apart from those of a border (plan.ts). */
export const OUT = 6762;
const [OWN, CLOSED, TO_US, BY] = [6761, 6763, 6764, 6765];
const MAIN = 'main';

/**
 * What programs leave free of the MTU of the link: more than the 8 or 16 octets of a nonce. A kernel that forwards a
 * super-packet behind extension headers takes the octet where TCP has its header length from the wrong place
 * (Linux, skb_gso_transport_seglen after ip6_rcv_core) and may believe the header to have 60 octets. Segments that
 * fit even so are forwarded by every router; the price is 2 % of the payload.
 */
const ROOM = 40;

export interface HostIdentity {
  readonly nid: Nid;
  readonly stable: L64;
  readonly tun: string;
}

/** A Locator, where it is, and the router there. */
export interface HostLocator {
  readonly l64: L64;
  readonly interface: string;
  readonly gateway: string | null;
}

/** Once, at the start. `mtu`: the smallest of the real interfaces. `isRouter`: it forwarded for others before. */
export function hostSteps(
  { nid, stable, tun }: HostIdentity,
  { mtu, interfaces, isRouter }: { mtu: number; interfaces: readonly string[]; isRouter: boolean },
): Step[] {
  const address = formatIlv(stable, nid);
  const rule = ['iif', 'lo', 'lookup', String(OUT), 'priority', String(OUT), 'protocol', PROTOCOL];
  const from = ['from', `${address}/128`, 'iif', 'lo', 'lookup', String(CLOSED)];
  const into = ['table', String(TO_US), 'protocol', PROTOCOL];
  const priority = [String(TO_US), 'priority', String(TO_US), 'protocol', PROTOCOL];
  return [
    // the link takes what comes from the network at any length; programs are held to the route's MTU
    { run: ['link', 'set', 'dev', tun, 'mtu', '65535', 'txqueuelen', '4096', 'multicast', 'off', 'up'], undo: null },
    { run: ['addr', 'add', `${address}/128`, 'dev', tun, 'nodad'], undo: null },
    { run: [...outRoute(tun, address, mtu), 'protocol', PROTOCOL], undo: null },
    undoable('rule', rule),
    undoable('route', ['unreachable', 'default', 'table', String(CLOSED), 'protocol', PROTOCOL]),
    undoable('rule', [...from, 'priority', String(CLOSED), 'protocol', PROTOCOL]),
    ...(isRouter ? [] : [undoable('route', ['blackhole', 'default', 'metric', '4294967295', ...into])]),
    ...interfaces.map((name) => undoable('rule', ['iif', name, 'lookup', ...priority])),
  ];
}

/** What is added and deleted by the same words. */
const undoable = (object: string, words: readonly string[]): Step => ({
  run: [object, 'add', ...words],
  undo: [object, 'del', ...words],
});

const outRoute = (tun: string, address: string, mtu: number): string[] => [
  ...['route', 'replace', 'default', 'dev', tun, 'src', address],
  ...['mtu', String(Math.max(mtu - ROOM, ipv6.MIN_MTU)), 'table', String(OUT)],
];

/** For the destinations of other interfaces. */
export const otherSteps = (destinations: readonly string[]): Step[] =>
  destinations.flatMap((destination) =>
    [OUT, CLOSED].map((table) => {
      const words = ['throw', destination, 'table', String(table), 'protocol', PROTOCOL];
      return { run: ['route', 'replace', ...words], undo: ['route', 'del', ...words] };
    }),
  );

/** For Locators; `placeOf`: a number of its own for each, which makes its table. */
export function locatorSteps(
  { nid, tun }: HostIdentity,
  locators: readonly HostLocator[],
  placeOf: (locator: HostLocator) => number,
): Step[] {
  const steps: Step[] = [];
  const both = (run: string, undo: string, object: string, words: readonly string[]): void => {
    steps.push({ run: [object, run, ...words], undo: [object, undo, ...words] });
  };
  for (const locator of locators) {
    const { l64, interface: name, gateway } = locator;
    const prefix = formatL64(l64);
    const address = formatIlv(l64, nid);
    const table = String(BY + placeOf(locator));
    const words = ['table', table, 'protocol', PROTOCOL];
    if (gateway !== null) both('replace', 'del', 'route', ['default', 'via', gateway, 'dev', name, ...words]);
    // resolved before the first packet, that would have to wait for it
    if (gateway !== null) steps.push({ run: ['neigh', 'add', gateway, 'dev', name, 'use'], undo: null });
    both('replace', 'del', 'route', [prefix, 'dev', name, ...words]);
    both('add', 'del', 'rule', [
      ...['iif', tun, 'from', prefix, 'lookup', table],
      ...['priority', String(BY), 'protocol', PROTOCOL],
    ]);
    both('add', 'del', 'rule', [
      ...['iif', 'lo', 'from', prefix, 'lookup', MAIN],
      ...['priority', String(OWN), 'protocol', PROTOCOL],
    ]);
    both('replace', 'del', 'route', [`${address}/128`, 'dev', tun, 'table', String(TO_US), 'protocol', PROTOCOL]);
    both('add', 'del', 'neigh', ['proxy', address, 'dev', name]);
  }
  return steps;
}
