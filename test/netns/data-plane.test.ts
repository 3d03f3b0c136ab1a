/**
 * The path with its real workers (the build in dist/) on TUNs in a network namespace of its own: a correspondent's socket
 * sends to a global Locator, and one of two sockets hears it, that of the guest here or that of the guest at site 2.
 *
 *   2001:db8:c::c0 ──► dp0 ──► worker ──► dp0-in   fd00:1::a1  (at site1)
 *                                   └──► dp0-site fd00:2::a1  (at site2)
 */
import { writeFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { DataPlane } from '../../src/border/data-plane.ts';
import type { SiteConfig } from '../../src/config/site-config.ts';
import { ifNameToIndex, realtimeMicroseconds } from '../../src/device/libc.ts';
import { tunNames } from '../../src/device/tun-names.ts';
import { type Binding, Bindings } from '../../src/ilnp/bindings.ts';
import { SITE } from '../../src/packet/batch.ts';
import { DROP_INSIDE_DESTINATION, FORWARD, HELD } from '../../src/packet/verdict.ts';
import { compile } from '../../src/sbr/compile.ts';
import { COUNT_HOLD_EXPIRED, COUNT_PACKETS_OUT } from '../../src/sbr/fib.ts';
import { enterOwnNetwork, ip, isRoot } from '../support/own-network.ts';
import { bound, LIMITS, l64, siteConfig } from '../support/sites.ts';
import { UdpPair } from '../support/udp-pair.ts';
import { until } from './support/wait.ts';

if (isRoot) enterOwnNetwork();

const GUEST_GLOBAL = '2001:db8:1::a1';
/** Datagrams on their way; reason: a socket keeps some 270 small ones for a program that has no time to read. */
const MOST_UNREAD = 200;
const CHANGES = 200_000;
/** Number of a packet that is sent last. */
const LAST = 0xffffffff;

type Plane = InstanceType<typeof DataPlane>;
const planes: Plane[] = [];
const worlds: World[] = [];
const pairs: UdpPair[] = [];
let serial = 0;

/** A path that forwards, and the sockets around it. */
class World {
  readonly config: SiteConfig;
  readonly bindings: Bindings;
  readonly plane: Plane;
  readonly name = `dp${serial++}`;
  failure: Error | null = null;
  here!: UdpPair;
  away!: UdpPair;

  private constructor(Path: typeof DataPlane, options: Partial<SiteConfig['tun']>) {
    const config = siteConfig(1, 2, [bound('a1', 'fd00:1::/64', 1, 1)], {
      limits: { ...LIMITS, bindings: 2 * CHANGES, sessions: 8 },
    });
    const tun = { ...config.tun, name: this.name, ...options };
    this.config = { ...config, tun, uplinks: config.uplinks.slice(0, 1) };
    this.bindings = new Bindings(2 * CHANGES, [1, 2]);
    for (const b of this.config.bindings) this.bindings.put({ ...b, epoch: 0 });
    this.bindings.classOf({ ...this.config.bindings[0]!, at: 'site2' });
    this.plane = new Path((error) => {
      this.failure ??= error;
    });
    planes.push(this.plane);
  }

  static async open(options: Partial<SiteConfig['tun']> = {}): Promise<World> {
    const built = new URL('../../dist/border/data-plane.js', import.meta.url).href;
    const { DataPlane: Path } = (await import(built)) as { DataPlane: typeof DataPlane };
    const world = new World(Path, options);
    worlds.push(world);
    const queues = world.plane.openTuns(world.config.tun);
    world.#links();
    await world.plane.start(queues, {
      tun: world.config.tun,
      image: world.image(),
      bindingsLimit: 2 * CHANGES,
      pairsLimit: 8,
      sessions: null,
      keepLimits: { octets: 64 << 20, packets: 65_536, us: 5e6 },
    });
    await world.put(...world.bindings.all());
    world.here = await UdpPair.open('2001:db8:c::c0', 'fd00:1::a1');
    world.away = await UdpPair.open('2001:db8:c::c0', 'fd00:2::a1', world.here.port);
    pairs.push(world.here, world.away);
    await until('the first packet to pass', () => {
      world.send(0);
      return world.here.got.length > 0;
    });
    await world.forget();
    return world;
  }

  image(config = this.config) {
    const around = { uplinkUp: [true], outsideAddress: null, insideAddress: null };
    return compile(config, this.bindings, around);
  }

  put(...bindings: Binding[]): Promise<void> {
    return this.plane.put(bindings, (b) => this.bindings.classOf(b));
  }

  /** The guest's binding at a site. */
  guest(at: string, epoch: number): Binding {
    return { ...this.config.bindings[0]!, at, epoch };
  }

  /** Sends datagrams with these numbers. */
  send(...numbers: number[]): void {
    const datagrams = numbers.map((n) => {
      const datagram = Buffer.alloc(64);
      datagram.writeUInt32BE(n);
      return datagram;
    });
    this.here.send(datagrams, GUEST_GLOBAL);
  }

  /** Waits until everything sent so far has arrived, and forgets it: packets keep their order. */
  async forget(): Promise<void> {
    this.send(LAST);
    await until('the last packet to arrive', () => [...this.hereNumbers, ...this.awayNumbers].includes(LAST));
    this.here.got.length = 0;
    this.away.got.length = 0;
  }

  get hereNumbers(): number[] {
    return this.here.got.map((octets) => octets.readUInt32BE());
  }

  get awayNumbers(): number[] {
    return this.away.got.map((octets) => octets.readUInt32BE());
  }

  #links(): void {
    const addresses = ['2001:db8:c::c0/64', 'fd00:1::a1/128', 'fd00:2::a1/128'];
    tunNames(this.name).forEach((name, port) => {
      writeFileSync(`/proc/sys/net/ipv6/conf/${name}/addr_gen_mode`, '1');
      ip(`link set dev ${name} mtu 1500 txqueuelen 5000 multicast off up`);
      ip(`addr add ${addresses[port]} dev ${name} nodad`);
    });
    ip(`route add 2001:db8:1::/64 dev ${this.name}`);
  }

  async gone(): Promise<void> {
    await until('the TUNs to vanish', () => tunNames(this.name).every((name) => ifNameToIndex(name) === 0));
  }
}

afterEach(async () => {
  for (const pair of pairs.splice(0)) pair.close();
  for (const plane of planes.splice(0)) await plane.close();
  for (const world of worlds.splice(0)) await world.gone();
});

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, k) => from + k);

describe.skipIf(!isRoot).each(['auto', 'poll'] as const)('the path, io %s', (io) => {
  test('starts, forwards, and stops while it is idle; its TUNs vanish', async () => {
    const world = await World.open({ io });
    world.send(...range(0, 50));
    await until('all to arrive', () => world.here.got.length === 50);
    expect(world.hereNumbers).toEqual(range(0, 50));
    expect(world.plane.counters()[FORWARD]).toBeGreaterThanOrEqual(50);

    expect(await world.plane.close()).toBe(true);
    await world.gone();
    expect(world.failure).toBeNull();
  });

  test('stops under load', async () => {
    const world = await World.open({ io });
    let sending = true;
    const load = (async () => {
      for (let n = 0; sending; n += 20) {
        world.send(...range(n, n + 20));
        await setImmediate();
      }
    })();
    await until('load', () => world.here.got.length > 500);
    await world.plane.close();
    await world.gone();
    sending = false;
    await load;

    expect(world.failure).toBeNull();
  });

  test('decides by a new binding as soon as its fence has passed', async () => {
    const world = await World.open({ io });
    for (let epoch = 1; epoch <= 10; epoch++) {
      await world.put(world.guest(epoch % 2 ? 'site2' : 'site1', epoch));
      world.send(...range(0, 20));
      const arrived = epoch % 2 ? world.away : world.here;
      await until('all to arrive', () => arrived.got.length === 20);
      expect([world.here.got.length, world.away.got.length].sort((a, b) => a - b)).toEqual([0, 20]);
      await world.forget();
    }
  });

  test('what waits for a guest arrives at its new place, all of it, in order, before what has come later', async () => {
    const world = await World.open({ io });
    const { nid } = world.config.bindings[0]!;
    await world.plane.keep(nid, { what: 'hold', ms: 5000 });
    for (let n = 0; n < 2000; n += 50) {
      world.send(...range(n, n + 50));
      await setImmediate();
    }
    await until('all to wait', () => world.plane.counters()[HELD] === 2000);
    expect(world.here.got.length).toBe(0);

    await world.put(world.guest('site2', 1));
    const released = world.plane.keep(nid, { what: 'release', ms: 0, since: null, departs: false, behind: 0 });
    for (let n = 2000; n < 3000; n += 50) {
      world.send(...range(n, n + 50));
      await setImmediate();
    }
    const counts = await released;
    await until('all to arrive', () => world.away.got.length === 3000);

    expect(world.awayNumbers).toEqual(range(0, 3000));
    expect(world.hereNumbers).toEqual([]);
    expect(counts.held).toBeGreaterThanOrEqual(2000);
    expect(counts).toMatchObject({ full: 0, expired: 0, replayed: 0 });
  });

  test('what was sent since an instant is sent once more, and what nobody lets go does not wait for ever', async () => {
    const world = await World.open({ io });
    const { nid } = world.config.bindings[0]!;
    await world.plane.keep(nid, { what: 'retain', ms: 5000, windowMs: 4000 });
    world.send(...range(0, 20));
    await until('the first to arrive', () => world.here.got.length === 20);
    const since = realtimeMicroseconds();
    world.send(...range(20, 50));
    await until('the others to arrive', () => world.here.got.length === 50);
    await world.plane.keep(nid, { what: 'hold', ms: 300 });
    world.send(...range(50, 60));
    await until('the last to wait', () => world.plane.counters()[HELD] === 10);
    await world.put(world.guest('site2', 1));
    await world.plane.keep(nid, { what: 'release', ms: 0, since, departs: false, behind: 0 });
    await until('all to arrive', () => world.away.got.length === 40);
    expect(world.awayNumbers).toEqual(range(20, 60));

    await world.plane.keep(nid, { what: 'hold', ms: 50 });
    world.send(...range(60, 70));
    const woken = setInterval(() => world.plane.wake(), 10);
    await until('time to be over', () => world.away.got.length === 50);
    clearInterval(woken);
    expect(world.plane.counters()[COUNT_HOLD_EXPIRED]).toBe(10);
  });

  test('switches under load between two packets: every one arrives once, the earlier here, the later there', async () => {
    const world = await World.open({ io });
    let sent = 0;
    let sending = true;
    const load = (async () => {
      while (sending) {
        if (sent - world.here.got.length - world.away.got.length < MOST_UNREAD) {
          world.send(...range(sent, sent + 5));
          sent += 5;
        }
        await setImmediate();
      }
    })();
    await until('load', () => world.here.got.length > 200);
    await world.put(world.guest('site2', 1));
    await until('load at the other site', () => world.away.got.length > 200);
    sending = false;
    await load;
    await until('all to arrive', () => world.here.got.length + world.away.got.length === sent);

    expect([...world.hereNumbers, ...world.awayNumbers]).toEqual(range(0, sent));
  });

  test('a binding that is removed is nobody, and back again', async () => {
    const world = await World.open({ io });
    const { nid } = world.config.bindings[0]!;
    const before = world.plane.counters()[FORWARD]!;
    await world.plane.remove([nid]);
    world.send(1, 2, 3);
    await until('three packets to be dropped', () => {
      const counters = world.plane.counters();
      return counters.slice(2, 32).reduce((sum, x) => sum + x, 0) >= 3;
    });
    expect(world.plane.counters()[FORWARD]).toBe(before);
    await world.put(world.guest('site1', 2));
    world.send(4);
    await until('the fourth to arrive', () => world.here.got.length > 0);

    expect(world.hereNumbers).toEqual([4]);
  });

  test('a new image is in force when its fence has passed', async () => {
    const world = await World.open({ io });
    const { config } = world;
    const other = { ...config, uplinks: [{ ...config.uplinks[0]!, l64: l64('2001:db8:2::/64') }] };
    await world.plane.setImage(world.image(other));
    world.send(1);
    await until('the packet to be dropped', () => world.plane.counters()[DROP_INSIDE_DESTINATION]! >= 1);
    await world.plane.setImage(world.image());
    world.send(2);
    await until('the second to arrive', () => world.here.got.length > 0);

    expect(world.hereNumbers).toEqual([2]);
  });

  test('200,000 changes while packets flow lose none of them, and all are in force', async () => {
    const world = await World.open({ io });
    let sent = 0;
    let sending = true;
    const load = (async () => {
      while (sending) {
        if (sent - world.here.got.length < MOST_UNREAD) world.send(sent++);
        await setImmediate();
      }
    })();
    function* changes(): IterableIterator<Binding> {
      const base = world.config.bindings[0]!;
      for (let k = 0; k < CHANGES; k++) yield { ...base, nid: { hi: 7, lo: k }, at: 'site2', epoch: 1 };
    }
    await world.plane.put(changes(), (b) => world.bindings.classOf(b));
    sending = false;
    await load;
    await until('all to arrive', () => world.here.got.length === sent);
    expect(world.hereNumbers).toEqual(range(0, sent));

    const last = CHANGES - 1;
    world.here.send([Buffer.alloc(64)], `2001:db8:1::7:${(last >>> 16).toString(16)}:${(last & 0xffff).toString(16)}`);
    await until(
      'the last changed binding to lead to site 2',
      () => world.plane.counters()[COUNT_PACKETS_OUT + SITE]! > 0,
    );
    expect(world.plane.counters()[COUNT_PACKETS_OUT + SITE]).toBe(1);
  });
});

describe.skipIf(!isRoot)('a worker that fails', () => {
  test('is reported with its reason, and the path can still be closed', async () => {
    const world = await World.open();
    ip(`link del dev ${world.name}`);
    const failure = await until('the failure', () => world.failure);

    expect(failure).toMatchObject({ code: 'E_TUN', message: expect.stringContaining('reading from the TUN') });
    await world.plane.close();
  });

  test('when it starts makes the start fail, and the path can still be closed', async () => {
    const world = await World.open();
    const broken = new (world.plane.constructor as typeof DataPlane)(() => {});
    planes.push(broken);
    const nobody = [0, 1, 2].map(() => ({ fd: 9999, vnet: false, uso: false }));
    const start = broken.start([nobody], {
      tun: { ...world.config.tun, io: 'poll' },
      image: world.image(),
      bindingsLimit: 10,
      pairsLimit: 8,
      sessions: null,
      keepLimits: { octets: 64 << 20, packets: 65_536, us: 5e6 },
    });

    await expect(start.then(() => until('failure', () => null, 300))).rejects.toThrow();
    await broken.close();
  });
});
