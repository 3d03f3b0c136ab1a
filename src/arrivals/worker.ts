/** Listens on packet sockets and hands over what was seen, a bounded number at a time. */
import { parentPort, workerData } from 'node:worker_threads';
import * as libc from '../device/libc.ts';
import { macOf } from '../device/link-layer.ts';
import { readSighting } from '../wire/neighbour-discovery.ts';
import type { ListenStart, Seen } from './worker-messages.ts';

const POLLIN = 1;
const FRAME = 256;
/**
 * Frames of a link that are looked at in a slice of time; with the next slice it is listened to again. Reason: anybody on a link can
 * send them, and a link full of guests that arrive has fewer. What comes meanwhile costs nothing here: the socket keeps some
 * hundred, the kernel throws away the rest.
 */
const SLICE_MS = 100;
const A_SLICE = 200;

const { fds, links, wakeFd } = workerData as ListenStart;
const room = libc.mapAnonymous(4096);
const waiting = new Int32Array(2 * (fds.length + 1));
const taken = new Uint32Array(fds.length);
let slice = -1;
let own: readonly string[] = [];

for (;;) {
  // poll passes over a descriptor below zero
  fds.forEach((fd, k) => {
    waiting.set([taken[k]! < A_SLICE ? fd : -1, POLLIN], 2 * k);
  });
  waiting.set([wakeFd, POLLIN], 2 * fds.length);
  const rest = Math.max(0, Math.ceil((slice + 1) * SLICE_MS - performance.now()));
  const patience = taken.some((n) => n >= A_SLICE) ? rest : -1;
  if (libc.poll(waiting, fds.length + 1, patience) < 0 && libc.errno() !== libc.EINTR) break;
  if (libc.readInto(wakeFd, room.address, 8) === 8) break;
  const now = Math.floor(performance.now() / SLICE_MS);
  if (now !== slice) {
    slice = now;
    taken.fill(0);
    own = links.map(macOf);
  }
  const seen = fds.flatMap(sightings);
  if (seen.length > 0) parentPort!.postMessage(seen);
}
parentPort!.close();

/** What machines have said on a link; not what this one has, for example where it answers for guests that are away: that passes here too. */
function sightings(fd: number, link: number): Seen[] {
  const seen: Seen[] = [];
  for (; taken[link]! < A_SLICE; taken[link]!++) {
    const length = libc.readInto(fd, room.address, FRAME);
    if (length <= 0) break;
    const sighting = readSighting(new Uint8Array(room.buffer, 0, length));
    if (sighting !== null && sighting.mac !== own[link]) seen.push({ link: links[link]!, sighting });
  }
  return seen;
}
