/**
 * What flood.mjs sends, as words of anchors/flood.c: forged Locator Updates, registrations and hellos, and beside each as many
 * packets of the same size that forge nothing.
 */
import { createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { clientOptions } from '../dist/sites/peer-tls.js';
import { segmentChecksum } from '../dist/wire/checksum.js';
import { ADVERTISEMENT, locatorUpdatePacket } from '../dist/wire/locator-update.js';
import { parseIpv6 } from '../dist/wire/text.js';

const GUEST = 'fd00:1::a1';
export const REACHED_AT = '2001:db8:1::a1';
const CORRESPONDENT = '2001:db8:c::c9';
/** Nobody: flood.c draws another one each time; core throws away what is sent to it. */
const FORGED = '2001:db8:bad::ffff:0:ffff';
export const FORGED_NET = '2001:db8:bad::/48';
/** The kernel of the border has nothing to do with what is sent there, and throws it away. */
export const UNROUTED = '2001:db8:dead::1';
const MACHINE = '020bad000000';
const DRAWN = Uint8Array.of(0x5a, 0x5a, 0x5a, 0x5a);
export const GATEWAY_MAC = '02:00:5e:00:00:01';
const PORT = 6740;
/** The nonce of both directions of a session that there is. */
const KNOWN = Uint8Array.of(1, 2, 3, 4);

const hex = (octets) => Buffer.from(octets).toString('hex');
const frame = (to, from, type, octets) => `${to}${from}${type}${hex(octets)}`;

/** IPv6 with a payload whose checksum is at an offset. */
function packet({ from, to, protocol, hops = 64, payload, sum }) {
  const p = new Uint8Array(40 + payload.length);
  p.set([0x60, 0, 0, 0, payload.length >> 8, payload.length & 255, protocol, hops]);
  p.set(parseIpv6(from), 8);
  p.set(parseIpv6(to), 24);
  p.set(payload, 40);
  const value = segmentChecksum(p, 0, 40, payload.length, { protocol, convention: 'full' });
  p.set([value >> 8, value & 255], 40 + sum);
  return p;
}

const udp = (from, to, octets) =>
  packet({
    from,
    to,
    protocol: 17,
    payload: [0, 9, 0, 9, 0, octets - 40, 0, 0, ...Array(octets - 48).fill(0)],
    sum: 6,
  });
/** ICMPv6 of a type that no kernel knows, and none answers: informational. */
const unknown = (from, to, octets) =>
  packet({ from, to, protocol: 58, payload: [200, ...Array(octets - 41).fill(0)], sum: 2 });
const advertisement = (address) => {
  const payload = [136, 0, 0, 0, 0x20, 0, 0, 0, ...parseIpv6(address)];
  return packet({ from: address, to: 'ff02::1', protocol: 58, hops: 255, payload, sum: 2 });
};
const reverseArp = Buffer.from(`0001080006040003${MACHINE}00000000${MACHINE}00000000${'00'.repeat(18)}`, 'hex');

const update = (from, to, nonce = DRAWN) =>
  locatorUpdatePacket(
    {
      operation: ADVERTISEMENT,
      locators: [{ locator: { hi: 0x20010db8, lo: 0x0bad0000 }, preference: 1, lifetime: 3600 }],
    },
    { source: parseIpv6(from), destination: parseIpv6(to), nonce },
  );

/** What a client with these options says first. */
async function hello(options) {
  const server = createServer().listen(0, '::1');
  await new Promise((resolve) => server.once('listening', resolve));
  const heard = new Promise((resolve) =>
    server.once('connection', (s) => s.on('error', () => {}).once('data', resolve)),
  );
  const client = connectTls({ host: '::1', port: server.address().port, ...options }).on('error', () => {});
  const octets = await heard;
  client.destroy();
  server.close();
  return octets.toString('hex');
}

/** Name -> namespace and words of flood.c. `macOf(node, device)`: link-layer address, twelve digits. */
export async function floods({ rate, dials, macOf }) {
  const outside = (...packets) => {
    const to = macOf('sbr1', 'up0');
    return ['core', 'frames', 's1up0', rate, ...packets.map((p) => frame(to, macOf('core', 's1up0'), '86dd', p))];
  };
  const inside = (...frames) => ['vm-a2', 'frames', 'eth0', rate, ...frames];
  const toAll = (p) => frame('333300000001', MACHINE, '86dd', p);
  const reverse = frame('ffffffffffff', MACHINE, '8035', reverseArp);
  const length = update(CORRESPONDENT, REACHED_AT).length;
  const as = (site) => clientOptions(Buffer.alloc(32, 7), site, 'site1');
  const hellos = await Promise.all([as('site2'), as('site9'), { ...as('site2'), pskCallback: undefined }].map(hello));
  return {
    plain: outside(udp(FORGED, UNROUTED, length)),
    through: outside(unknown(FORGED, REACHED_AT, length)),
    updates: outside(update(CORRESPONDENT, REACHED_AT)),
    strangers: outside(update(FORGED, REACHED_AT)),
    'plain-inside': inside(
      toAll(udp('fe80::ffff:0:ffff', 'ff02::1', 64)),
      frame('ffffffffffff', MACHINE, '88b5', reverseArp), // an EtherType for experiments
    ),
    registrations: inside(
      toAll(advertisement('fd00:1::ffff:0:ffff')),
      reverse,
      toAll(advertisement('fd00:2::b1')),
      reverse,
    ),
    'dial-nobody': ['wan', 'dial', 'fd00:12::1', PORT + 1, dials, ...hellos],
    dial: ['wan', 'dial', 'fd00:12::1', PORT, dials, ...hellos, '00'.repeat(600)],
  };
}

/** Namespace, interface and frame, one for each direction: the border then knows the nonces of a session of the guest. */
export const introductions = (macOf) => [
  [
    'vm-a1',
    'eth0',
    frame(GATEWAY_MAC.replaceAll(':', ''), macOf('vm-a1', 'eth0'), '86dd', update(GUEST, CORRESPONDENT, KNOWN)),
  ],
  [
    'core',
    's1up0',
    frame(macOf('sbr1', 'up0'), macOf('core', 's1up0'), '86dd', update(CORRESPONDENT, REACHED_AT, KNOWN)),
  ],
];
