/**
 * Hears what machines on the inside links say about themselves. A packet filter in the
 * kernel passes neighbour discovery and reverse ARP only, so that the traffic of guests costs nothing here.
 */
import { writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import * as libc from '../device/libc.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { Sighting } from '../wire/neighbour-discovery.ts';
import type { ListenStart, Seen } from './worker-messages.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const CLOEXEC_NONBLOCK = 0o2004000;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);

/** Classic BPF, code jt jf k: EtherType RARP, or IPv6 with ICMPv6 135 or 136 right behind its header; 256 octets of it. */
const FILTER: readonly (readonly [number, number, number, number])[] = [
  [0x28, 0, 0, 12],
  [0x15, 6, 0, 0x8035],
  [0x15, 0, 6, 0x86dd],
  [0x30, 0, 0, 20],
  [0x15, 0, 4, 58],
  [0x30, 0, 0, 54],
  [0x15, 1, 0, 135],
  [0x15, 0, 1, 136],
  [0x06, 0, 0, 256],
  [0x06, 0, 0, 0],
];

export class Listener {
  readonly #onSeen: (link: string, sighting: Sighting) => void;
  #links: readonly string[] = [];
  #worker: Worker | null = null;
  #ended: Promise<void> = Promise.resolve();
  #fds: number[] = [];
  #wakeFd = -1;

  /** `onSeen`: somebody on `link`, not this machine, has said where it is. */
  constructor(onSeen: (link: string, sighting: Sighting) => void) {
    this.#onSeen = onSeen;
  }

  /** Listens on these links from now on. E_NETWORK, E_PERMISSION. */
  async listen(links: readonly string[]): Promise<void> {
    if (links.join() === this.#links.join()) return;
    await this.stop();
    if (links.length === 0) return;
    this.#links = [...links];
    this.#fds = links.map(packetSocket);
    this.#wakeFd = libc.eventfd(0, CLOEXEC_NONBLOCK);
    const workerData: ListenStart = { links: this.#links, fds: this.#fds, wakeFd: this.#wakeFd };
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, name: 'arrivals' });
    this.#worker = worker;
    this.#ended = new Promise((done) => worker.once('exit', () => done()));
    worker.on('message', (seen: readonly Seen[]) => {
      for (const { link, sighting } of seen) this.#onSeen(link, sighting);
    });
  }

  async stop(): Promise<void> {
    if (this.#worker === null) return;
    writeSync(this.#wakeFd, ONE);
    await this.#ended;
    for (const fd of [...this.#fds, this.#wakeFd]) libc.close(fd);
    this.#worker = null;
    this.#fds = [];
    this.#links = [];
  }
}

function packetSocket(link: string): number {
  const index = libc.ifNameToIndex(link);
  if (index === 0) throw new IlnpError('E_NETWORK', `${link}: no such interface`);
  const fd = libc.socket(AF_PACKET, SOCK_RAW | CLOEXEC_NONBLOCK, 0);
  if (fd < 0) throw new IlnpError('E_PERMISSION', `a packet socket on ${link}: errno ${libc.errno()}`);
  // no frame comes before it is bound, and then the filter is there
  const program = libc.mapAnonymous(4096);
  const view = new DataView(program.buffer);
  FILTER.forEach(([code, jt, jf, k], i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  });
  const fprog = new Uint32Array(4); // struct sock_fprog: count, then the address
  fprog[0] = FILTER.length;
  libc.putAddress(fprog, 2, program.address);
  const isFiltered = libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, 16) === 0;
  libc.unmap(program);
  const to = new Uint8Array(20); // struct sockaddr_ll
  const fields = new DataView(to.buffer);
  fields.setUint16(0, AF_PACKET, true);
  fields.setUint16(2, ETH_P_ALL); // network order
  fields.setInt32(4, index, true);
  if (isFiltered && libc.bind(fd, to, to.length) === 0) return fd;
  const errno = libc.errno();
  libc.close(fd);
  throw new IlnpError('E_NETWORK', `a packet socket on ${link}: errno ${errno}`);
}
