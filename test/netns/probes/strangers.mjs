/**
 * Strangers at a port that only sites may use, a steady number a second: garbage, silence, TLS with a wrong key, with a
 * name nobody has, without a key at all, and the octets of an older connection once more. Says how many came through.
 *
 *   node strangers.mjs --host H --port P --rate N --seconds S --identity TEXT [--replay FILE]
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { parseArgs } from 'node:util';
import { say } from './say.mjs';

const OPEN_MOST = 400;
const text = { type: 'string' };
const { values } = parseArgs({
  options: { host: text, port: text, rate: text, seconds: text, identity: text, replay: text },
});
const to = { host: values.host, port: Number(values.port) };
const replay = values.replay === undefined ? randomBytes(600) : readFileSync(values.replay);
const count = { opened: 0, closed: 0, secured: 0, left: 0 };

const follow = (socket) => {
  count.opened++;
  socket.on('error', () => {});
  socket.on('close', () => count.closed++);
  return socket;
};
const saying = (octets) => () => {
  const socket = follow(net.connect(to));
  socket.on('connect', () => octets.length > 0 && socket.write(octets));
  socket.resume();
};
const secured = (options) => () => {
  const common = { ...to, minVersion: 'TLSv1.3', ALPNProtocols: ['ilnp/1'], rejectUnauthorized: false };
  const socket = follow(tls.connect({ ...common, ...options }));
  socket.on('data', () => count.secured++);
  socket.on('secureConnect', () => socket.write(randomBytes(100)));
};
const psk = (identity) =>
  secured({
    ciphers: 'TLS_AES_128_GCM_SHA256',
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: randomBytes(32), identity }),
  });

const kinds = [
  saying(randomBytes(600)),
  saying(Buffer.alloc(0)),
  psk(values.identity),
  psk('ilnp1 ["site9","site1"]'),
  secured({}),
  saying(replay),
];
const start = performance.now();
let begun = 0;
say('sending');
const timer = setInterval(() => {
  const seconds = (performance.now() - start) / 1000;
  for (; begun < seconds * Number(values.rate); begun++) {
    if (count.opened - count.closed > OPEN_MOST) count.left++;
    else kinds[begun % kinds.length]();
  }
  if (seconds < Number(values.seconds)) return;
  clearInterval(timer);
  say('result', count);
  process.exit(0);
}, 5);
