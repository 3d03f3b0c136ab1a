/**
 * Link-layer addresses of neighbours, asked for before there are packets for them (RFC 4861 section 7.2): while the kernel
 * asks it keeps some packets only, 212,992 octets with all that is around them, and drops the rest. It asks once a second; a
 * guest that arrives may miss the first question, so it is asked more often here.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { ifNameToIndex } from '../device/libc.ts';
import { parseIpv6 } from '../wire/text.ts';
import { changeOf, neighbour } from './ip-words.ts';
import { LITTLE, type RouteSocket, RTM_GETNEIGH } from './netlink.ts';
import { askOnce } from './who-has.ts';

/** NUD_REACHABLE, STALE, DELAY, PROBE, NOARP, PERMANENT: the kernel sends at once. */
const KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;
/** An answer takes some hundred microseconds: so long it is looked for without a pause. */
const BUSY_MS = 2;
const LOOK_MS = 1;
/** Who has not answered after so long is asked again. */
const AGAIN_MS = 10;

/** An address on a link. */
export interface Neighbour {
  readonly interface: string;
  readonly address: string;
}

/** Resolves when the kernel knows all of them, true, or after `ms`, false. */
export async function resolveNeighbours(
  socket: RouteSocket,
  neighbours: readonly Neighbour[],
  ms: number,
): Promise<boolean> {
  let left = neighbours.filter((one) => !isKnown(socket, one));
  for (const { interface: name, address } of left) {
    const use = changeOf(['neigh', 'add', address, 'dev', name, 'use']);
    if (use !== null) socket.change(use);
  }
  let again = AGAIN_MS;
  for (const start = performance.now(); left.length > 0; ) {
    const passed = performance.now() - start;
    if (passed >= ms) return false;
    if (passed >= again) {
      for (const one of left) askOnce(one.interface, parseIpv6(one.address)!);
      again = passed + AGAIN_MS;
    }
    await (passed < BUSY_MS ? nextTurn() : pause(LOOK_MS));
    left = left.filter((one) => !isKnown(socket, one));
  }
  return true;
}

function isKnown(socket: RouteSocket, { interface: name, address }: Neighbour): boolean {
  const [index, octets] = [ifNameToIndex(name), parseIpv6(address)];
  if (index === 0 || octets === null) return true; // there is nobody to ask
  const found = socket.get(RTM_GETNEIGH, neighbour(index, 0, 0, octets));
  return found !== undefined && (found.body.getUint16(8, LITTLE) & KNOWN) !== 0;
}
