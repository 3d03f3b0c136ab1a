import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  connect as connectTls,
  createServer as createTlsServer,
  type TLSSocket,
} from 'node:tls';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { IlnpError } from '../../src/runtime/errors.ts';
import { frame } from '../../src/sites/frame.ts';
import type { Reply, Request } from '../../src/sites/messages.ts';
import { PeerChannel, type PeerChannelOptions } from '../../src/sites/peer-channel.ts';
import { PeerError } from '../../src/sites/peer-error.ts';
import { clientOptions } from '../../src/sites/peer-tls.ts';
import { linkIdentity, linkKey, parseSiteKey } from '../../src/sites/site-key.ts';
import { CERTIFICATE, KEY } from './support/certificate.ts';
import { Relay } from './support/relay.ts';

const key = parseSiteKey('11'.repeat(32), 'test');
const otherKey = parseSiteKey('22'.repeat(32), 'test');
const ASK: Request = { kind: 'ready', nid: [0, 0xa1], to: 'site2' };
const READY: Reply = { kind: 'ready' };
const FAST = {
  requestMs: 400,
  pingMs: 60,
  deadMs: 300,
  handshakeMs: 400,
  reconnectFirstMs: 10,
  reconnectLastMs: 100,
} as const;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const until = (check: () => unknown) => vi.waitFor(() => expect(check()).toBeTruthy(), { timeout: 5000, interval: 5 });

interface Border {
  readonly channel: PeerChannel;
  readonly log: string[];
  readonly connected: string[];
}

async function border(site: string, options: Partial<PeerChannelOptions> = {}): Promise<Border> {
  const log: string[] = [];
  const connected: string[] = [];
  const channel = new PeerChannel({
    site,
    key,
    listen: { host: '::1', port: 0 },
    peers: [],
    answer: async () => READY,
    onConnected: (peer) => connected.push(peer),
    log: {
      info: (fields, message) => log.push(`${message} ${JSON.stringify(fields)}`),
      warn: (fields, message) => log.push(`${message} ${JSON.stringify(fields)}`),
    },
    timing: FAST,
    ...options,
  });
  await channel.start();
  cleanUps.push(() => channel.close());
  return { channel, log, connected };
}

const portOf = ({ channel }: Border): number => channel.address!.port;
const peer = (site: string, port?: number) => ({
  site,
  control: port === undefined ? undefined : { host: '::1', port },
});

/** site1 that answers and site2 that may ask it. */
async function pair(options: Partial<PeerChannelOptions> = {}, asker: Partial<PeerChannelOptions> = {}) {
  const site1 = await border('site1', { peers: [peer('site2')], ...options });
  const site2 = await border('site2', { peers: [peer('site1', portOf(site1))], ...asker });
  await until(() => site2.connected.length > 0);
  return { site1, site2 };
}

/** A client of our own making, for what a border would never do. */
function stranger(port: number, options: ConnectionOptions): Promise<{ socket: TLSSocket; error: Error | undefined }> {
  return new Promise((resolve) => {
    const socket = connectTls({ host: '::1', port, ...options });
    cleanUps.push(() => socket.destroy());
    socket.once('secureConnect', () => resolve({ socket, error: undefined }));
    socket.once('error', (error) => resolve({ socket, error }));
  });
}

describe('two borders', () => {
  test('ask and answer, each on the connection it opened', async () => {
    const asked: [string, Request][] = [];
    const { site1, site2 } = await pair({
      answer: async (site, request) => {
        asked.push([site, request]);
        return READY;
      },
    });

    expect(await site2.channel.send('site1', ASK)).toEqual(READY);
    expect(asked).toEqual([['site2', ASK]]);
    expect(site1.channel.peers()).toMatchObject([{ site: 'site2', connected: false, incoming: 1 }]);
    expect(site2.channel.peers()).toMatchObject([{ site: 'site1', connected: true, problem: undefined }]);
    await expect(site1.channel.send('site2', ASK)).rejects.toMatchObject({ code: 'E_PEER_UNREACHABLE', sent: false });
  });

  test('an error that was answered arrives with its code and the site that said it', async () => {
    const { site2 } = await pair({
      answer: async () => ({ kind: 'error', code: 'E_UNKNOWN_NID', message: 'no binding' }),
    });

    const error = await site2.channel.send('site1', ASK).catch((caught) => caught);

    expect(error).toBeInstanceOf(IlnpError);
    expect(error).not.toBeInstanceOf(PeerError);
    expect(error).toMatchObject({ code: 'E_UNKNOWN_NID', message: 'site1: no binding' });
  });

  test('an answer that throws is an error at the other end, not the end of the process', async () => {
    const { site2 } = await pair({ answer: () => Promise.reject(new TypeError('a fault of ours')) });

    await expect(site2.channel.send('site1', ASK)).rejects.toMatchObject({ message: 'site1: a fault of ours' });
  });

  test('answers in any order find their requests', async () => {
    const waiting: (() => void)[] = [];
    const { site2 } = await pair({
      answer: (_site, request) =>
        new Promise((resolve) => {
          const to = request.kind === 'ready' ? request.to : '';
          waiting.push(() => resolve({ kind: 'error', code: 'E_FULL', message: to }));
        }),
    });

    const answers = ['a', 'b', 'c'].map((to) =>
      site2.channel.send('site1', { ...ASK, to } as Request).catch((e) => e.message),
    );
    await until(() => waiting.length === 3);
    for (const answer of waiting.reverse()) answer();

    expect(await Promise.all(answers)).toEqual(['site1: a', 'site1: b', 'site1: c']);
  });

  test('no answer in time is E_PEER_UNREACHABLE, and it may have been heard', async () => {
    const { site2 } = await pair({ answer: () => new Promise(() => {}) });

    await expect(site2.channel.send('site1', ASK, 50)).rejects.toMatchObject({
      code: 'E_PEER_UNREACHABLE',
      sent: true,
      message: 'site1 did not answer within 50 ms',
    });
    expect(site2.channel.counters.requestsUnanswered).toBe(1);
  });

  test('what waits is bounded', async () => {
    const { site2 } = await pair({ answer: () => new Promise(() => {}) });

    const all = await Promise.all(Array.from({ length: 1100 }, () => site2.channel.send('site1', ASK).catch((e) => e)));

    expect(all.filter((error) => !error.sent)).toHaveLength(1100 - 1024);
    expect(all.find((error) => !error.sent).message).toContain('1024 requests to answer already');
  });

  test('a site that is not configured is E_UNKNOWN_SITE', async () => {
    const { site2 } = await pair();

    await expect(site2.channel.send('site9', ASK)).rejects.toMatchObject({ code: 'E_UNKNOWN_SITE' });
  });

  test('octets are those on the wire', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });
    const relay = await Relay.open(() => portOf(site1));
    cleanUps.push(() => relay.close());
    const site2 = await border('site2', {
      peers: [peer('site1', relay.port)],
      timing: { ...FAST, pingMs: 10_000, deadMs: 30_000 },
    });
    await until(() => site2.connected.length > 0);
    for (let i = 0; i < 20; i++) await site2.channel.send('site1', ASK);

    await until(() => relay.toServer === site2.channel.octets.opened.sent);
    expect(site2.channel.octets.opened.received).toBe(relay.toClient);
    expect(site1.channel.octets.accepted).toEqual({ sent: relay.toClient, received: relay.toServer });
    expect(site2.channel.asked).toBe(relay.toClient + relay.toServer);
    expect(relay.toServer).toBeGreaterThan(1000);
  });
});

describe('the hand-shake', () => {
  test('negotiates TLS 1.3 with an ephemeral exchange', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });

    const { socket, error } = await stranger(portOf(site1), clientOptions(key, 'site2', 'site1'));

    expect(error).toBeUndefined();
    expect(socket.getProtocol()).toBe('TLSv1.3');
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ type: 'ECDH', name: 'X25519' });
    expect(socket.getCipher().name).toBe('TLS_AES_128_GCM_SHA256');
  });

  test('a wrong key is refused, counted and said on both sides', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });
    const site2 = await border('site2', { key: otherKey, peers: [peer('site1', portOf(site1))] });

    await until(() => site1.channel.counters.refusedKey > 0);
    await until(() => site2.channel.peers()[0]?.problem === 'the peer has another key');
    expect(site1.channel.counters.accepted).toBe(0);
    expect(site2.connected).toEqual([]);
  });

  test('a site that is not expected is refused and counted', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });
    const site3 = await border('site3', { peers: [peer('site1', portOf(site1))] });

    await until(() => site1.channel.counters.refusedName > 0);
    await until(() => site3.channel.peers()[0]?.problem === 'the peer does not expect this site');
    expect(site1.channel.counters.accepted).toBe(0);
  });

  test('the key of one direction does not open the other', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });
    const reflected = {
      ...clientOptions(key, 'site2', 'site1'),
      pskCallback: () => ({
        psk: Buffer.from(linkKey(key, 'site1', 'site2')),
        identity: linkIdentity('site2', 'site1'),
      }),
    };

    const { error } = await stranger(portOf(site1), reflected);

    expect(error).toBeDefined();
    await until(() => site1.channel.counters.refusedKey === 1);
  });

  test.each([
    ['TLS 1.2', { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ciphers: 'PSK:ECDHE-PSK-CHACHA20-POLY1305' }],
    [
      'a certificate instead of a key',
      { pskCallback: undefined, rejectUnauthorized: false, cert: CERTIFICATE, key: KEY },
    ],
  ] as [string, ConnectionOptions][])('%s is refused', async (_name, options) => {
    const site1 = await border('site1', { peers: [peer('site2')] });

    const { error } = await stranger(portOf(site1), { ...clientOptions(key, 'site2', 'site1'), ...options });

    expect(error).toBeDefined();
    const { counters } = site1.channel;
    await until(() => counters.refusedTls + counters.refusedName === 1);
    expect(counters.accepted).toBe(0);
  });

  test('a peer that shows a certificate is refused, and gets no request', async () => {
    let secured = 0;
    const impostor = createTlsServer({ key: KEY, cert: CERTIFICATE, ALPNProtocols: ['ilnp/1'] }, () => secured++);
    await new Promise<void>((resolve) => impostor.listen(0, '::1', resolve));
    cleanUps.push(() => impostor.close());

    const site2 = await border('site2', { peers: [peer('site1', (impostor.address() as AddressInfo).port)] });

    await until(() => site2.channel.peers()[0]?.problem?.includes('certificate'));
    await expect(site2.channel.send('site1', ASK)).rejects.toMatchObject({ code: 'E_PEER_UNREACHABLE', sent: false });
    expect(site2.connected).toEqual([]);
    expect(secured).toBe(0);
  });

  test('plain TCP is refused, whatever it says', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });
    for (const words of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from(frame([1, ASK])),
      Buffer.alloc(5000, 0x16),
    ]) {
      const socket = connectTcp({ host: '::1', port: portOf(site1) });
      socket.on('error', () => {});
      socket.end(words);
      await new Promise((resolve) => socket.once('close', resolve));
    }

    await until(() => site1.channel.counters.refusedTls === 3);
    expect(site1.log.filter((line) => line.startsWith('stranger refused'))).toHaveLength(1);
  });

  /** Silent connections to a border that listens on IPv4, whose loopback has many addresses; closed ones are counted. */
  function silent(site: Border, localAddress: string, count: number): { closed: number } {
    const seen = { closed: 0 };
    for (let i = 0; i < count; i++) {
      const socket: Socket = connectTcp({ host: '127.0.0.1', port: portOf(site), localAddress });
      cleanUps.push(() => socket.destroy());
      socket.on('error', () => {});
      socket.once('close', () => seen.closed++);
      socket.resume();
    }
    return seen;
  }
  const onIpv4 = { listen: { host: '0.0.0.0', port: 0 }, peers: [peer('site2')] };

  test('strangers that say nothing are sent away, and there are few of them at a time', async () => {
    const site1 = await border('site1', onIpv4);

    const seen = [2, 3, 4, 5, 6].map((n) => silent(site1, `127.0.0.${n}`, 16));

    await until(() => site1.channel.counters.refusedMany === 48);
    await until(() => seen.every(({ closed }) => closed === 16));
    expect(site1.channel.counters.refusedSlow).toBe(32);
    // who has the key comes in from there as soon as the second is over that they have used up
    const options = { ...clientOptions(key, 'site2', 'site1'), host: '127.0.0.1' };
    await vi.waitFor(async () => expect((await stranger(portOf(site1), options)).error).toBeUndefined(), 5000);
  });

  test('strangers that come and go do not take the time of a hand-shake each', async () => {
    const site1 = await border('site1', onIpv4);
    for (let n = 0; n < 100; n++)
      await stranger(portOf(site1), { ...clientOptions(key, 'site9', 'site1'), host: '127.0.0.1' });

    const { refusedName, refusedMany } = site1.channel.counters;
    expect(refusedName + refusedMany).toBe(100);
    expect(refusedMany).toBeGreaterThan(0);
  });

  test('one address has no more than its share of them', async () => {
    const site1 = await border('site1', onIpv4);

    const seen = silent(site1, '127.0.0.2', 20);

    await until(() => site1.channel.counters.refusedMany === 4);
    await until(() => seen.closed === 20);
    expect(site1.channel.counters.refusedSlow).toBe(16);
  });

  test.each([
    ['control', { site: 'site2', control: { host: '127.0.0.9', port: 1 } }],
    ['via', { site: 'site2', control: undefined, via: '127.0.0.9' }],
  ])('a peer gets through from its address (%s) while strangers take all there is', async (_, expected) => {
    const site1 = await border('site1', { ...onIpv4, peers: [expected], timing: { ...FAST, handshakeMs: 60_000 } });
    for (const n of [2, 3, 4, 5, 6]) silent(site1, `127.0.0.${n}`, 16);
    await until(() => site1.channel.counters.refusedMany === 48);

    const from = async (localAddress: string) => {
      const options = { ...clientOptions(key, 'site2', 'site1'), host: '127.0.0.1', localAddress };
      return (await stranger(portOf(site1), options)).error;
    };

    expect(await from('127.0.0.8')).toBeDefined();
    expect(await from('127.0.0.9')).toBeUndefined();
  });
});

describe('an authenticated peer that misbehaves', () => {
  test.each([
    ['a frame of 4 GiB', Buffer.from('ffffffff', 'hex')],
    ['no msgpack', Buffer.from('00000003c1c1c1', 'hex')],
    ['no envelope', Buffer.from(frame({ id: 1 }))],
    ['an id that is none', Buffer.from(frame([-1, ASK]))],
    ['an unknown kind', Buffer.from(frame([1, { kind: 'shutdown' }]))],
    ['a reply', Buffer.from(frame([1, READY]))],
    ['a Node Identifier out of range', Buffer.from(frame([1, { ...ASK, nid: [0, 2 ** 32] }]))],
    ['more keys than agreed', Buffer.from(frame([1, { ...ASK, more: 1 }]))],
    ['an epoch that is none', Buffer.from(frame([1, { kind: 'set', changes: [[0, 1, 'site2', 1.5]] }]))],
    ['a thousand values too many', Buffer.from(frame([1, { kind: 'set', changes: Array(5097).fill([0, 1, 'a', 1]) }]))],
  ])('%s: that connection is closed and counted, others go on', async (_name, octets) => {
    const answered: Request[] = [];
    const { site1, site2 } = await pair({
      answer: async (_site, request) => {
        answered.push(request);
        return READY;
      },
    });
    const { socket } = await stranger(portOf(site1), clientOptions(key, 'site2', 'site1'));

    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    socket.write(octets);
    await closed;

    expect(site1.channel.counters.protocolErrors).toBe(1);
    expect(answered).toEqual([]);
    expect(await site2.channel.send('site1', ASK)).toEqual(READY);
    expect(site2.connected).toHaveLength(1);
  });

  test('many connections of one site: the oldest go', async () => {
    const { site1 } = await pair();
    for (let i = 0; i < 6; i++) await stranger(portOf(site1), clientOptions(key, 'site2', 'site1'));

    await until(() => site1.channel.counters.accepted >= 7);
    expect(site1.channel.peers()[0]!.incoming).toBeLessThanOrEqual(4);
  });
});

describe('a connection that ends', () => {
  test('comes back, and requests under way fail at once', async () => {
    const site1 = await border('site1', { peers: [peer('site2')], answer: () => new Promise(() => {}) });
    const relay = await Relay.open(() => portOf(site1));
    cleanUps.push(() => relay.close());
    const site2 = await border('site2', { peers: [peer('site1', relay.port)], timing: { ...FAST, requestMs: 60_000 } });
    await until(() => site2.connected.length === 1);

    const pending = site2.channel.send('site1', ASK).catch((error) => error);
    relay.cut();

    expect(await pending).toMatchObject({ code: 'E_PEER_UNREACHABLE', sent: true });
    await until(() => site2.connected.length === 2);
    expect(site2.channel.peers()[0]).toMatchObject({ connected: true, problem: undefined });
  });

  test('silence is noticed on both sides within the dead-peer time, and healed', async () => {
    const site1 = await border('site1', { peers: [peer('site2')] });
    const relay = await Relay.open(() => portOf(site1));
    cleanUps.push(() => relay.close());
    const site2 = await border('site2', { peers: [peer('site1', relay.port)] });
    await until(() => site2.connected.length === 1);

    relay.stop();
    await until(() => site2.channel.counters.dead === 1 && site1.channel.counters.dead === 1);
    expect(site2.channel.peers()[0]).toMatchObject({ connected: false });
    expect(site1.channel.peers()[0]).toMatchObject({ incoming: 0 });

    relay.goOn();
    await until(() => site2.connected.length === 2);
    expect(await site2.channel.send('site1', ASK)).toEqual(READY);
  });

  test('an idle connection stays', async () => {
    const { site1, site2 } = await pair();
    const { sent } = site2.channel.octets.opened;

    // Signs of life of several dead-peer times, 30 octets and more each.
    await until(() => site2.channel.octets.opened.sent > sent + 20 * 27);

    expect(site2.connected).toHaveLength(1);
    expect(site1.channel.counters.dead + site2.channel.counters.dead).toBe(0);
  });

  test('a peer that starts later is found, without a line of log for every attempt', async () => {
    const probe = await border('site1');
    const port = portOf(probe);
    await probe.channel.close();
    const site2 = await border('site2', { peers: [peer('site1', port)] });
    await until(() => site2.channel.peers()[0]?.problem?.includes('ECONNREFUSED'));

    await border('site1', { peers: [peer('site2')], listen: { host: '::1', port } });

    await until(() => site2.connected.length === 1);
    expect(site2.log.filter((line) => line.includes('ECONNREFUSED'))).toHaveLength(1);
  });

  test('a peer that connects to us is connected to at once', async () => {
    const probe = await border('site1');
    const port = portOf(probe);
    await probe.channel.close();
    const slow = { ...FAST, reconnectFirstMs: 60_000, reconnectLastMs: 60_000 };
    const site2 = await border('site2', { peers: [peer('site1', port)], timing: slow });
    await until(() => site2.channel.peers()[0]?.problem !== undefined);

    await border('site1', { peers: [peer('site2', portOf(site2))], listen: { host: '::1', port } });

    await until(() => site2.connected.length === 1);
  });
});

describe('a changed configuration', () => {
  test('closes what is no longer configured, opens what is new, leaves the rest alone', async () => {
    const { site1, site2 } = await pair();
    const site3 = await border('site3', { peers: [peer('site2')] });

    site2.channel.setPeers([peer('site1', portOf(site1)), peer('site3', portOf(site3))]);
    await until(() => site2.connected.includes('site3'));
    expect(site2.connected).toEqual(['site1', 'site3']);

    site1.channel.setPeers([]);
    await until(() => site1.channel.peers().length === 0 && site2.channel.peers()[0]?.connected === false);
    await until(() => site1.channel.counters.refusedName > 0);
    expect(await site2.channel.send('site3', ASK)).toEqual(READY);
  });

  test('a new key closes all connections; they come back when both sites have it', async () => {
    const { site1, site2 } = await pair();

    site1.channel.setPeers([peer('site2')], otherKey);
    await until(() => site1.channel.counters.refusedKey > 0);
    site2.channel.setPeers([peer('site1', portOf(site1))], otherKey);

    await until(() => site2.connected.length === 2);
    expect(await site2.channel.send('site1', ASK)).toEqual(READY);
  });

  test('an address that is taken is E_NETWORK', async () => {
    const { site1 } = await pair();

    await expect(border('site3', { listen: { host: '::1', port: portOf(site1) } })).rejects.toMatchObject({
      code: 'E_NETWORK',
      message: `control.listen [::1]:${portOf(site1)}: cannot listen (EADDRINUSE)`,
    });
  });
});
