/**
 * Numbered datagrams in both directions, one every millisecond, over a connected UDP socket. Each end reports what it
 * sent, and of what the other sent: lost, doubled, overtaken, and the longest silence. SIGTERM at the connecting end
 * ends both: the ends tell each other how many they sent.
 *
 *   node udp.mjs listen|connect --host H --port P [--local ADDRESS] [--interval MS] [--size OCTETS] [--each]
 *
 * --each: before the result, when each datagram was sent here and when each of the other end's came.
 */
import dgram from 'node:dgram';
import { Arrivals, spread } from './arrivals.mjs';
import { nowMs, onStop, progress, roleAndOptions, say } from './say.mjs';

const HEADER_OCTETS = 16; // kind (4), number or total (4), time of sending (8)
const DATA = 1;
const BYE = 2;

const options = roleAndOptions({
  interval: { type: 'string', default: '1' },
  size: { type: 'string', default: '64' },
  each: { type: 'boolean', default: false },
});
const interval = Number(options.interval);

const socket = dgram.createSocket({ type: 'udp6', recvBufferSize: 4 << 20 });
const arrivals = new Arrivals();
const delays = [];
const sentMsOf = new Map(); // number -> time of sending, of all that arrived
const cameMsOf = new Map(); // number -> time of the first arrival, with --each
const ownSentMs = []; // times of sending, with --each
let highest = -1;
let doubled = 0;
const overtakenMs = [];
let sent = 0;
let otherSent = null;
let error = null;
let stopping = false;
let sending = null;

function datagram(kind, number) {
  const octets = Buffer.alloc(kind === DATA ? Math.max(Number(options.size), HEADER_OCTETS) : HEADER_OCTETS);
  octets.writeUInt32BE(kind, 0);
  octets.writeUInt32BE(number, 4);
  octets.writeDoubleBE(nowMs(), 8);
  return octets;
}

/** Sends all that is due by the clock, so that a late timer does not make the stream slower. */
function startSending() {
  const start = nowMs();
  sending = setInterval(() => {
    const due = Math.floor((nowMs() - start) / interval);
    while (sent < due) {
      if (options.each) ownSentMs.push(nowMs());
      socket.send(datagram(DATA, sent++));
    }
  }, interval);
}

function stopSending() {
  if (stopping) return;
  stopping = true;
  clearInterval(sending);
  // Ten times: the last words may be lost as well.
  let times = 0;
  const bye = setInterval(() => {
    socket.send(datagram(BYE, sent));
    if (++times >= 10) {
      clearInterval(bye);
      finish();
    }
  }, 30);
}

/** Runs of numbers that never came; `ms` is when the first that came after them was sent. */
function holes() {
  const found = [];
  let count = 0;
  for (let number = 0; number < (otherSent ?? 0); number++) {
    const ms = sentMsOf.get(number);
    if (ms === undefined) {
      count++;
    } else if (count > 0) {
      found.push({ ms, count });
      count = 0;
    }
  }
  if (count > 0) found.push({ ms: arrivals.lastMs, count });
  return found;
}

/** By number, in milliseconds after `fromMs`: when each was sent here, and when each of the other end came, null: never. */
function sayEach() {
  const fromMs = ownSentMs[0] ?? nowMs();
  const after = (ms) => (ms === undefined ? null : Number((ms - fromMs).toFixed(2)));
  const came = Array.from({ length: otherSent ?? 0 }, (_, number) => after(cameMsOf.get(number)));
  say('each', { fromMs, sentMs: ownSentMs.map(after), cameMs: came });
}

function finish() {
  endProgress();
  if (options.each) sayEach();
  const received = sentMsOf.size;
  const lost = otherSent === null ? null : otherSent - received;
  const overtaken = overtakenMs.length;
  say('result', {
    role: options.role,
    error,
    ...{ sent, received, otherSent, lost, doubled, overtaken, overtakenMs },
    holes: holes(),
    delayMs: spread(delays),
    ...arrivals.report(),
  });
  process.exit(error === null && otherSent !== null ? 0 : 1);
}

socket.on('message', (octets, from) => {
  const number = octets.readUInt32BE(4);
  if (octets.readUInt32BE(0) === BYE) {
    otherSent = number;
    stopSending();
    return;
  }
  if (options.role === 'listen' && sending === null) {
    socket.connect(from.port, from.address, () => {
      say('established', { local: socket.address().address, remote: from.address, port: from.port });
      startSending();
    });
    sending = undefined; // one beginning is enough
  }
  arrivals.note(octets.length);
  const sentMs = octets.readDoubleBE(8);
  const now = nowMs();
  delays.push(now - sentMs);
  if (options.each && !cameMsOf.has(number)) cameMsOf.set(number, now);
  if (sentMsOf.has(number)) doubled++;
  else if (number < highest) overtakenMs.push(now);
  sentMsOf.set(number, sentMs);
  highest = Math.max(highest, number);
});
socket.on('error', (problem) => {
  // After the other end's last words it may be gone before ours.
  if (otherSent === null) error = problem.code;
});
onStop(stopSending);
const endProgress = progress(() => ({ sent, received: sentMsOf.size, lastMs: arrivals.lastMs }));

if (options.role === 'listen') {
  socket.bind(options.port, options.host, () => say('listening', { port: options.port }));
} else {
  socket.bind({ port: 0, address: options.local ?? '::' }, () => {
    socket.connect(options.port, options.host, () => {
      const { address, port } = socket.address();
      say('established', { local: address, remote: options.host, port });
      startSending();
    });
  });
}
