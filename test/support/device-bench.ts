/**
 * A device under test between two sockets of this process. The three TUNs have addresses of their own networks:
 *
 *   port 0  fd00:a:b::/64      port 1  fd00:b:a::/64      port 2  fd00:c::/64
 *
 * ::1 is the kernel's, everything else is behind the TUN. `crossing` sends what comes from port 0 to port 1 and back, from
 * X::1 -> X::99 to Y::99 -> Y::1, which changes no checksum, so that two sockets of one kernel talk through the device.
 */
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { Device } from '../../src/device/device.ts';
import * as libc from '../../src/device/libc.ts';
import { openDevice } from '../../src/device/open-device.ts';
import { openTun, type TunQueue } from '../../src/device/tun.ts';
import { tunNames } from '../../src/device/tun-names.ts';
import type { PacketBatch } from '../../src/packet/batch.ts';
import { DROP_UNKNOWN_DESTINATION, FORWARD } from '../../src/packet/verdict.ts';
import { until } from '../netns/support/wait.ts';
import { ip } from './own-network.ts';

const NONBLOCK_CLOEXEC = 0o2004000;
const TICK_MS = 2;
const LIMIT_MS = 10_000;

export type Io = 'uring' | 'uring-single' | 'poll';

/** Decides about packet `i`. */
export type Decide = (batch: PacketBatch, i: number) => void;

export class DeviceBench {
  readonly name: string;
  readonly devices: Device[] = [];
  readonly wakeFds: number[] = [];
  readonly #io: Io;
  readonly #offload: boolean;
  readonly #queues: number;
  #fds: number[] = [];
  #ticker: Worker | null = null;

  constructor(name: string, options: { io: Io; offload: boolean; queues?: number; ticks?: boolean }) {
    this.name = name;
    this.#io = options.io;
    this.#offload = options.offload;
    this.#queues = options.queues ?? 1;
    this.#open();
    const fds = this.wakeFds;
    if (options.ticks ?? true) this.#ticker = new Worker(TICKER, { eval: true, workerData: { fds, ms: TICK_MS } });
  }

  get device(): Device {
    return this.devices[0]!;
  }

  /** Resolves when every TUN carries packets: just up, the kernel drops what is sent to one. */
  async ready(): Promise<this> {
    const probe = createSocket('udp6');
    const heard = new Set<number>();
    await this.pump(
      (batch, i) => heard.add(batch.port[i]!),
      () => {
        for (const network of NETWORKS) probe.send('ready?', DISCARD, `${network}99`);
        return heard.size === NETWORKS.length;
      },
    );
    probe.close();
    return this;
  }

  /** Lets packets pass until a condition holds; `decide` is asked about every one. */
  async pump(decide: Decide, until: () => boolean, limitMs = LIMIT_MS): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!until()) {
      if (performance.now() > deadline) throw new Error(`pumped ${limitMs} ms in vain`);
      for (const device of this.devices) {
        const count = device.receive();
        for (let i = 0; i < count; i++) {
          device.batch.verdict[i] = DROP_UNKNOWN_DESTINATION;
          decide(device.batch, i);
        }
        if (count > 0) device.send();
        device.takeWake();
      }
      await setImmediate();
    }
    for (const device of this.devices) device.receive(); // sends what is held, what comes is given up
  }

  /** Writes to the wake descriptor of queue `queue`. */
  wake(queue = 0): void {
    libc.writeFrom(this.wakeFds[queue]!, ONE.address, 8);
  }

  /** Closes everything. */
  async close(): Promise<void> {
    await this.#ticker?.terminate();
    this.#ticker = null;
    for (const device of this.devices.splice(0)) device.close();
    for (const fd of [...this.#fds, ...this.wakeFds.splice(0)]) libc.close(fd);
    this.#fds = [];
  }

  /** Resolves when the TUNs have vanished, which takes io_uring some milliseconds. */
  async gone(): Promise<void> {
    await until(`${this.name} to vanish`, () => tunNames(this.name).every((name) => libc.ifNameToIndex(name) === 0));
  }

  #open(): void {
    const names = tunNames(this.name);
    const tuns: TunQueue[][] = Array.from({ length: this.#queues }, () =>
      names.map((name) => openTun(name, { queues: this.#queues, offload: this.#offload })),
    );
    this.#fds = tuns.flat().map((t) => t.fd);
    names.forEach((name, port) => {
      writeFileSync(`/proc/sys/net/ipv6/conf/${name}/addr_gen_mode`, '1');
      ip(`link set dev ${name} mtu 1500 txqueuelen 5000 multicast off up`);
      ip(`addr add ${NETWORKS[port]}1/64 dev ${name} nodad`);
    });
    for (let q = 0; q < this.#queues; q++) {
      const wakeFd = libc.eventfd(0, NONBLOCK_CLOEXEC);
      this.wakeFds.push(wakeFd);
      this.devices.push(openDevice(tuns[q]!, wakeFd, this.#io).device);
    }
  }
}

const DISCARD = 9;
export const NETWORKS = ['fd00:a:b::', 'fd00:b:a::', 'fd00:c::'] as const;

const ONE = libc.mapAnonymous(4096);
new BigUint64Array(ONE.buffer)[0] = 1n;

/** Wakes again and again, so that a receive that waits for what never comes does not stop the test. */
const TICKER = `
const { writeSync } = require('node:fs');
const { fds, ms } = require('node:worker_threads').workerData;
const one = new Uint8Array(new BigUint64Array([1n]).buffer);
setInterval(() => { for (const fd of fds) writeSync(fd, one); }, ms);
`;

const isTransport = (protocol: number): boolean => protocol === 6 || protocol === 17;

/** X::1 -> X::99 becomes Y::99 -> Y::1, between ports 0 and 1; everything else is dropped. */
export function crossing(batch: PacketBatch, i: number): void {
  const b = batch.bytes;
  const o = batch.offset[i]!;
  const port = batch.port[i]!;
  if (port > 1 || !isTransport(b[o + 6]!)) return;
  for (const at of [o + 8, o + 24]) {
    b.copyWithin(at + 12, at + 2, at + 4); // NIDs here are one octet long
    b.copyWithin(at + 2, at + 4, at + 6);
    b.copyWithin(at + 4, at + 12, at + 14);
    b.fill(0, at + 12, at + 14);
    b[at + 15]! ^= 0x98; // 1 and 99
  }
  batch.verdict[i] = FORWARD;
  batch.egress[i] = 1 - port;
}

/** Octets of packet `i`, its virtio-net header first (zeros where the device has none). */
export function frameOf(batch: PacketBatch, i: number): Uint8Array {
  const o = batch.offset[i]!;
  const packet = batch.bytes.slice(o, o + batch.length[i]!);
  const header = batch.vnet ? batch.bytes.slice(o - 10, o) : new Uint8Array(10);
  return Uint8Array.from([...header, ...packet]);
}
