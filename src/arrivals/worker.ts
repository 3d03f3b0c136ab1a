/** Listens on packet sockets and hands over what passed their filter, a bounded number a second. */
import { parentPort, workerData } from 'node:worker_threads';
import * as libc from '../device/libc.ts';
import type { Heard, ListenStart } from './worker-messages.ts';

const POLLIN = 1;
const FRAME = 256;
/** Frames a second of a link that are looked at. Reason: anybody on a link can send them; a link full of guests that arrive has fewer. */
const A_SECOND = 2000;

const { fds, wakeFd } = workerData as ListenStart;
const room = libc.mapAnonymous(4096);
const waiting = Int32Array.from([...fds, wakeFd].flatMap((fd) => [fd, POLLIN]));
let second = 0;
const taken = new Uint32Array(fds.length);

for (;;) {
  for (let k = 1; k < waiting.length; k += 2) waiting[k] = POLLIN;
  if (libc.poll(waiting, waiting.length / 2, -1) < 0 && libc.errno() !== libc.EINTR) break;
  if (libc.readInto(wakeFd, room.address, 8) === 8) break;
  for (let link = 0; link < fds.length; link++) {
    const length = libc.readInto(fds[link]!, room.address, FRAME);
    if (length <= 0) continue;
    const now = Math.floor(performance.now() / 1000);
    if (now !== second) taken.fill(0);
    second = now;
    if (++taken[link]! > A_SECOND) continue;
    const heard: Heard = { link, frame: new Uint8Array(room.buffer, 0, length).slice() };
    parentPort!.postMessage(heard);
  }
}
parentPort!.close();
