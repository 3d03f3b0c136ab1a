/**
 * Devices under the traffic of this kernel's own sockets: offload, super-packets, several queues, closing and opening. Beside
 * the contract of every device (device-contract.test.ts); in a network namespace of its own.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PacketSink } from '../../src/device/coalesce.ts';
import type { Device } from '../../src/device/device.ts';
import * as libc from '../../src/device/libc.ts';
import { openTun } from '../../src/device/tun.ts';
import { probeMultishot } from '../../src/device/uring-device.ts';
import type { PacketBatch } from '../../src/packet/batch.ts';
import { FORWARD } from '../../src/packet/verdict.ts';
import { crossing, type Decide, DeviceBench, frameOf, type Io, NETWORKS } from '../support/device-bench.ts';
import { enterOwnNetwork, ip, isRoot } from '../support/own-network.ts';
import { hasRightChecksum } from '../support/packets.ts';
import { DATA_VALID, NEEDS_CSUM, onTheWire, vnetOf } from '../support/super-packets.ts';
import { sendSegmented, UdpPair } from '../support/udp-pair.ts';

if (isRoot) enterOwnNetwork();

const [CLIENT, SERVER] = [`${NETWORKS[0]}1`, `${NETWORKS[1]}1`];
const BEHIND = NETWORKS.map((network) => `${network}99`);
const UDP = 17;
const ECHO = 7; // a port nobody else uses here

const ways = isRoot ? usableWays() : [];
/** The ways this kernel has; a container may have no io_uring. */
function usableWays(): Io[] {
  try {
    return probeMultishot() ? ['uring', 'uring-single', 'poll'] : ['uring-single', 'poll'];
  } catch {
    return ['poll'];
  }
}
const variants = ways.flatMap((io) =>
  [true, false].map((offload) => ({ io, offload, name: offload ? 'offload' : 'plain' })),
);

const numbered = (count: number, size = 100): Buffer[] =>
  Array.from({ length: count }, (_, k) => {
    const datagram = Buffer.alloc(size, k & 0xff);
    datagram.writeUInt32BE(k);
    return datagram;
  });
const protocolOf = (batch: PacketBatch, i: number): number => batch.bytes[batch.offset[i]! + 6]!;
const portsOf = (packet: Uint8Array): number => (packet[42]! << 8) | packet[43]!;

/** How often the device writes several packets as one. */
function watchGathering(device: Device): () => number {
  const spy = vi.spyOn(device as Device & PacketSink, 'writeGathered');
  return () => spy.mock.calls.length;
}

/** Puts the right checksum into packet `i` and `flags` into its virtio-net header. */
function vouch(batch: PacketBatch, i: number, flags: number): void {
  const o = batch.offset[i]!;
  const [packet] = onTheWire(frameOf(batch, i));
  batch.bytes.set(packet!, o);
  batch.bytes.fill(0, o - 10, o);
  batch.bytes[o - 10] = flags;
}

let bench: DeviceBench;
let pair: UdpPair;
let serial = 0;
async function set(options: ConstructorParameters<typeof DeviceBench>[1]): Promise<void> {
  bench = new DeviceBench(`dt${serial++}`, options);
  if (options.ticks ?? true) await bench.ready();
  pair = await UdpPair.open(CLIENT, SERVER);
}
async function tearDown(): Promise<void> {
  vi.restoreAllMocks();
  pair.close();
  await bench.close();
  await bench.gone();
}

describe.skipIf(!isRoot).each(variants)('$io, $name', ({ io, offload }) => {
  beforeEach(() => set({ io, offload }));
  afterEach(tearDown);

  test('packets of the kernel arrive with their port, whole and unchanged', async () => {
    const seen: { port: number; frame: Uint8Array }[] = [];
    const payloads = [0, 1, 2].map((k) => Buffer.alloc(1 + 700 * k, 65 + k));
    const site = await UdpPair.open(`${NETWORKS[2]}1`, SERVER);
    const senders = [pair.client, pair.server, site.client];
    for (const [k, payload] of payloads.entries()) senders[k]!.send(payload, ECHO, BEHIND[k]);
    await bench.pump(
      (batch, i) => {
        const o = batch.offset[i]!;
        if (protocolOf(batch, i) === UDP && batch.bytes[o + 43] === ECHO)
          seen.push({ port: batch.port[i]!, frame: frameOf(batch, i) });
      },
      () => seen.length >= 3,
    );
    site.close();

    expect(seen.map((s) => s.port).sort()).toEqual([0, 1, 2]);
    for (const { port, frame } of seen) {
      const [packet] = onTheWire(frame);
      expect(Buffer.from(packet!.slice(48))).toEqual(payloads[port]);
      expect(hasRightChecksum(packet!)).toBe(true);
      expect(vnetOf(frame).flags & NEEDS_CSUM).toBe(offload ? NEEDS_CSUM : 0);
    }
  });

  test('what is sent arrives at a socket, both ways', async () => {
    pair.server.on('message', (octets, from) => pair.server.send(octets, from.port, from.address));
    pair.send([Buffer.from('there and back')], BEHIND[0]!);
    await bench.pump(crossing, () => pair.answers.length === 1);

    expect([...pair.got, ...pair.answers].map(String)).toEqual(['there and back', 'there and back']);
  });

  test.each([4, 1452])('1,000 datagrams of %i octets arrive in order, each once', async (size) => {
    const datagrams = numbered(1000, size);
    for (let k = 0; k < 1000; k += 50) {
      pair.send(datagrams.slice(k, k + 50), BEHIND[0]!);
      await bench.pump(crossing, () => pair.got.length >= k + 50);
    }

    expect(pair.got).toEqual(datagrams);
  });

  test('a batch of several flows keeps the order of each', async () => {
    const others = await Promise.all([1, 2, 3].map(() => UdpPair.open(CLIENT, SERVER)));
    const all = [pair, ...others];
    const datagrams = numbered(100);
    for (const datagram of datagrams) for (const one of all) one.send([datagram], BEHIND[0]!);
    await bench.pump(crossing, () => all.every((one) => one.got.length >= datagrams.length));

    for (const one of all) expect(one.got).toEqual(datagrams);
    for (const one of others) one.close();
  });

  test('TCP passes whole; with offload as super-packets, without as segments', async () => {
    let largest = 0;
    const watched: Decide = (batch, i) => {
      largest = Math.max(largest, batch.length[i]!);
      crossing(batch, i);
    };
    const data = Buffer.alloc(
      3 << 20,
      Uint8Array.from({ length: 251 }, (_, k) => k),
    );
    const got = await transfer(data, watched);

    expect(got.equals(data)).toBe(true);
    if (offload) expect(largest).toBeGreaterThan(10_000);
    else expect(largest).toBeLessThanOrEqual(1500);
  });

  test('a write the kernel refuses is counted, and only that', async () => {
    ip(`link set dev ${bench.name}-in down`);
    pair.send(numbered(3), BEHIND[0]!);
    let passed = 0;
    await bench.pump(
      (batch, i) => {
        crossing(batch, i);
        if (protocolOf(batch, i) === UDP) passed++;
      },
      () => passed >= 3,
    );
    let failures = 0;
    await bench.pump(crossing, () => {
      failures += bench.device.takeWriteFailures();
      return failures > 0;
    });

    expect(failures).toBeGreaterThanOrEqual(1);
    expect(failures).toBeLessThanOrEqual(3);
    expect(bench.device.takeWriteFailures()).toBe(0);
  });

  test('a wake ends the wait under load, is told once, and loses no packet', async () => {
    let woken = 0;
    const datagrams = numbered(300);
    pair.send(datagrams, BEHIND[0]!);
    bench.wake();
    await bench.pump(
      (batch, i) => {
        crossing(batch, i);
        bench.wake();
      },
      () => {
        woken++;
        return pair.got.length >= 300;
      },
    );

    expect(pair.got).toEqual(datagrams);
    expect(woken).toBeGreaterThan(0);
  });

  test('closed and opened again at once it works as before, again and again', async () => {
    for (let round = 0; round < 5; round++) {
      pair.close();
      await bench.close();
      bench = await new DeviceBench(bench.name, { io, offload }).ready();
      pair = await UdpPair.open(CLIENT, SERVER);
      const datagrams = numbered(20);
      pair.send(datagrams, BEHIND[0]!);
      await bench.pump(crossing, () => pair.got.length >= 20);
      expect(pair.got).toEqual(datagrams);
    }
  });

  /** Sends data over TCP from one socket of this process to the other, through the device; what came. */
  async function transfer(data: Buffer, decide: Decide): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let ended = false;
    const server = createServer((socket: Socket) => {
      socket.on('data', (piece) => pieces.push(piece as Buffer));
      socket.on('end', () => {
        ended = true;
        socket.end();
      });
    });
    server.listen(0, SERVER);
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const client = connect({ host: BEHIND[0]!, port, localAddress: CLIENT });
    client.end(data);
    let closed = false;
    client.on('close', () => {
      closed = true;
    });
    client.resume();
    await bench.pump(decide, () => ended && closed, 30_000);
    server.close();
    return Buffer.concat(pieces);
  }

  if (!offload) return;
  describe('coalescing', () => {
    const joins = io !== 'uring-single'; // one packet of a side at a time: there is nothing to join it with

    test('equal-sized datagrams leave as super-packets and are received one by one', async () => {
      const gathered = watchGathering(bench.device);
      const datagrams = numbered(200, 300);
      pair.send(datagrams, BEHIND[0]!);
      await bench.pump(crossing, () => pair.got.length >= 200);

      expect(pair.got).toEqual(datagrams);
      expect(gathered() > 0).toBe(joins);
    });

    test('a datagram super-packet of the kernel arrives as one and is received as many', async () => {
      const sizes = new Set<number>();
      const data = Buffer.concat(numbered(20, 500));
      sendSegmented(data, 500, BEHIND[0]!, pair.port);
      await bench.pump(
        (batch, i) => {
          const { gsoType, segmentSize } = vnetOf(frameOf(batch, i));
          if (protocolOf(batch, i) === UDP) sizes.add(gsoType === 5 ? segmentSize : 0);
          crossing(batch, i);
        },
        () => pair.got.length >= 20,
      );

      expect(Buffer.concat(pair.got).equals(data)).toBe(true);
      expect([...sizes]).toEqual([500]);
    });

    test('TCP that comes as segments leaves as super-packets', async () => {
      for (const name of [bench.name, `${bench.name}-in`]) ip(`link set dev ${name} gso_max_segs 1`);
      const gathered = watchGathering(bench.device);
      let largest = 0;
      const data = Buffer.alloc(2 << 20, 'segments ');
      const got = await transfer(data, (batch, i) => {
        largest = Math.max(largest, batch.length[i]!);
        crossing(batch, i);
      });

      expect(hash(got)).toBe(hash(data));
      expect(largest).toBeLessThanOrEqual(1500);
      expect(gathered() > 0).toBe(joins);
    });

    test('packets whose checksum nobody vouches for are not joined', async () => {
      const gathered = watchGathering(bench.device);
      const datagrams = numbered(100);
      pair.send(datagrams, BEHIND[0]!);
      await bench.pump(
        (batch, i) => {
          if (protocolOf(batch, i) !== UDP) return;
          vouch(batch, i, 0);
          crossing(batch, i);
        },
        () => pair.got.length >= 100,
      );

      expect(pair.got).toEqual(datagrams);
      expect(gathered()).toBe(0);
    });

    test.each([
      ['NEEDS_CSUM', null],
      ['a forged DATA_VALID', DATA_VALID],
    ])('%s: what the kernel makes of a super-packet has right checksums on the wire', async (_, flags) => {
      const plain = openTun(`${bench.name}-p`, { queues: 1, offload: false });
      ip(`link set dev ${bench.name}-p mtu 1500 txqueuelen 5000 multicast off up`);
      ip(`route add fd00:d:8::/64 dev ${bench.name}-p`);
      writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '1');
      try {
        const gathered = watchGathering(bench.device);
        const datagrams = numbered(60, 400);
        pair.send(datagrams, BEHIND[0]!);
        const seen: Uint8Array[] = [];
        await bench.pump(
          (batch, i) => {
            if (protocolOf(batch, i) !== UDP) return;
            const o = batch.offset[i]!;
            if (flags !== null) vouch(batch, i, flags);
            // to fd00:d:8::99: d + 8 = a + b, so that no checksum changes
            batch.bytes.set([0, 0x0d, 0, 0x08], o + 26);
            batch.verdict[i] = FORWARD;
            batch.egress[i] = 1;
          },
          () => {
            seen.push(...readAll(plain.fd));
            return seen.length >= 60;
          },
        );

        expect(gathered() > 0).toBe(joins);
        expect(seen.map((packet) => Buffer.from(packet.slice(48)))).toEqual(datagrams);
        expect(seen.filter((packet) => !hasRightChecksum(packet))).toEqual([]);
        expect(new Set(seen.map(portsOf))).toEqual(new Set([pair.port]));
      } finally {
        libc.close(plain.fd);
        writeFileSync('/proc/sys/net/ipv6/conf/all/forwarding', '0');
      }
    });
  });
});

describe.skipIf(!isRoot).each(ways)('%s, two queues', (io) => {
  beforeEach(() => set({ io, offload: true, queues: 2 }));
  afterEach(tearDown);

  test('share the flows, and every flow keeps its order', async () => {
    const others = await Promise.all(Array.from({ length: 15 }, () => UdpPair.open(CLIENT, SERVER)));
    const all = [pair, ...others];
    const datagrams = numbered(50);
    for (const datagram of datagrams) for (const one of all) one.send([datagram], BEHIND[0]!);
    const used = new Set<PacketBatch>();
    await bench.pump(
      (batch, i) => {
        if (protocolOf(batch, i) === UDP) used.add(batch);
        crossing(batch, i);
      },
      () => all.every((one) => one.got.length >= datagrams.length),
    );

    for (const one of all) expect(one.got).toEqual(datagrams);
    expect(used.size).toBe(2);
    for (const one of others) one.close();
  });
});

describe.skipIf(!isRoot).each(ways)('%s, nothing to do', (io) => {
  beforeEach(() => set({ io, offload: true, ticks: false }));
  afterEach(tearDown);

  test('waits in the kernel: a wake after a second, and hardly any CPU until then', async () => {
    const late = new Worker(
      `const { workerData } = require('node:worker_threads');
       setTimeout(() => require('node:fs').writeSync(workerData, new Uint8Array(new BigUint64Array([1n]).buffer)), 1000);`,
      { eval: true, workerData: bench.wakeFds[0] },
    );
    await once(late, 'online');
    const began = performance.now();
    const before = process.cpuUsage();
    let rounds = 0;
    while (!bench.device.takeWake()) {
      expect(bench.device.receive()).toBe(0);
      rounds++;
    }
    const { user, system } = process.cpuUsage(before);

    expect(performance.now() - began).toBeGreaterThan(700);
    expect(rounds).toBeLessThan(10);
    expect((user + system) / 1000).toBeLessThan(60);
    expect(bench.device.takeWake()).toBe(false);
    await once(late, 'exit');
  });
});

describe.skipIf(!isRoot)('opening a TUN', () => {
  test('that is still held by a predecessor is tried again until that lets go', async () => {
    const held = openTun('held0', { queues: 1, offload: false });
    const holder = new Worker(
      `const { workerData } = require('node:worker_threads');
       setTimeout(() => require('node:fs').closeSync(workerData), 300);`,
      { eval: true, workerData: held.fd },
    );
    await once(holder, 'online');
    const began = performance.now();
    const next = openTun('held0', { queues: 1, offload: false });

    expect(performance.now() - began).toBeGreaterThan(150);
    libc.close(next.fd);
  });

  test('that nobody lets go of says that it is in use', () => {
    const held = openTun('held1', { queues: 1, offload: false });

    expect(() => openTun('held1', { queues: 1, offload: false })).toThrow(
      expect.objectContaining({ code: 'E_TUN', message: expect.stringContaining('in use') }),
    );
    libc.close(held.fd);
  });
});

const hash = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

/** Every packet that waits in a TUN without virtio-net header. */
function readAll(fd: number): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (;;) {
    const length = libc.readInto(fd, room.address, 65536);
    if (length < 0) return packets;
    const packet = new Uint8Array(room.buffer).slice(0, length);
    if (packet[6] === UDP) packets.push(packet);
  }
}
const room = libc.mapAnonymous(65536);
