/**
 * The worker of the TUN of an end system: receive, decide, send; between two batches whatever control asks. It owns the
 * cache of correspondents, so that nothing on the path is locked.
 */
import { randomFillSync } from 'node:crypto';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { mapAnonymous, writeFrom } from '../device/libc.ts';
import { openDevice } from '../device/open-device.ts';
import { Ilcc } from '../ilnp/ilcc.ts';
import { Node } from '../shim/node.ts';
import { Shim } from '../shim/shim.ts';
import { teach } from '../shim/teach.ts';
import { Trace } from '../shim/trace.ts';
import { COUNT_WRITE_FAILED, VERDICTS } from '../shim/verdict.ts';
import { VNET_LENGTH } from '../wire/virtio-net.ts';
import { admission } from './admission.ts';
import type { Answers, FromWorker, Question, ToWorker, WorkerStart } from './messages.ts';
import { sessionReply, updateReply } from './replies.ts';
import { type Clocks, correspondentOf } from './session-record.ts';
import { Unsaved } from './unsaved.ts';

/** Longest packet of our own: an acknowledgement of 255 Locators. */
const SCRATCH_OCTETS = 8192;
const MESSAGES_PER_GAP = 16;
const RANDOM_OCTETS = 4096;
/** Of one answer: a millisecond. */
const SESSIONS_SHOWN = 128;
/** Security logs are rate limited (RFC 6741 section 11.1). */
const TELL_MS = 1000;

const control = parentPort!;
const start = workerData as WorkerStart;
const scratch = mapAnonymous(SCRATCH_OCTETS);
const octets = new Uint8Array(scratch.buffer);
const store = new Uint8Array(RANDOM_OCTETS);
let drawn = RANDOM_OCTETS;
const before = start.tun.vnet ? VNET_LENGTH : 0;

const node = new Node({
  nid0: start.nid0,
  nid1: start.nid1,
  stable: start.stable,
  mtu: start.mtu,
  ilcc: new Ilcc(start.limits, start.seed, admission(start.peers, start.checksum)),
  counters: new Float64Array(start.counters),
  seed: start.seed[0],
  nonceOctets: start.nonceOctets,
  spread: start.spread,
  authenticationOption: start.authenticationOption,
  wallClock: () => Date.now() * 1000,
  random,
  emit,
  lost: ({ nid0, nid1 }) => say({ kind: 'lost', nid0, nid1 }),
});
const shim = new Shim(node);
const unsaved = new Unsaved(node.ilcc, start.limits.known + start.limits.strangers);
for (const octets of start.remembered) {
  const c = correspondentOf(octets, clocks());
  if (c !== null && node.ilcc.find(c.nid0, c.nid1) === null) node.ilcc.add(c);
}
for (const host of start.hosts) teach(node, shim, host, microseconds());
let due = Number.POSITIVE_INFINITY;
/** How many of `node.spokenTo` a tick is asked for already. */
let asked = 0;
const toldDrops = new Float64Array(VERDICTS.length);
let toldAt = Number.NEGATIVE_INFINITY;
let trace = new Trace(0);
let traces = 0;

const { device, name } = openDevice([start.tun], start.wakeFd, start.io);
say({ kind: 'ready', io: name });
try {
  for (;;) {
    const count = device.receive();
    if (count > 0) {
      shim.input(device.batch, microseconds());
      device.send();
      tellDrops();
      if (node.spokenTo.length > asked || shim.drops.length > 0) askForTick();
    }
    node.counters[COUNT_WRITE_FAILED]! += device.takeWriteFailures();
    if (device.takeWake() && !obey()) break;
  }
} finally {
  device.close(); // whatever happened: the kernel lets go of the TUN
}
control.close();

/** One packet of each kind once a second at most, with how many there were since the last time. */
function tellDrops(): void {
  const { drops } = shim;
  const now = performance.now();
  if (drops.length === 0 || now - toldAt < TELL_MS) return;
  toldAt = now;
  const told = drops.map(({ verdict, packet }) => {
    const count = node.counters[verdict]! - toldDrops[verdict]!;
    toldDrops[verdict] = node.counters[verdict]!;
    return { verdict: VERDICTS[verdict]!.name, count, packet };
  });
  say({ kind: 'drops', drops: told });
  drops.length = 0;
}

/** Handles what control has sent; false when it was told to stop. */
function obey(): boolean {
  for (let n = 0; n < MESSAGES_PER_GAP; n++) {
    const received = receiveMessageOnPort(control) as { message: ToWorker } | undefined;
    if (received === undefined) break;
    const { message } = received;
    const now = microseconds();
    if (message.kind === 'stop') return false;
    if (message.kind === 'tick') {
      due = Number.POSITIVE_INFINITY;
      shim.run(now);
      tellDrops();
    } else say({ kind: 'answer', id: message.id, value: answer(message, now) });
  }
  askForTick();
  return true;
}

function answer(question: Question, now: number): Answers[keyof Answers] {
  switch (question.what) {
    case 'locators':
      shim.setLocators(question.locators, now);
      return null;
    case 'sessions':
      return sessionsFrom(question.from, now);
    case 'updates':
      return [...shim.updates.log.ended, ...shim.updates.waiting()].map((entry) => updateReply(entry, now));
    case 'trace':
      trace = new Trace(question.count);
      shim.trace = trace;
      return ++traces;
    case 'teach':
      return teach(node, shim, question.host, now);
    case 'traced':
      return question.trace === traces ? { packets: trace.take(), left: trace.left } : { packets: [], left: 0 };
    case 'unsaved':
      if (question.again) unsaved.forget();
      return unsaved.next(clocks(), question.all);
  }
}

function sessionsFrom(from: number, now: number): Answers['sessions'] {
  const { entries, next } = node.ilcc.page(from, SESSIONS_SHOWN);
  return { sessions: entries.map((c) => sessionReply(c, now)), next };
}

/** Locator Updates begin between two batches only, programs speak to somebody new at any time. */
function askForTick(): void {
  const now = microseconds();
  asked = node.spokenTo.length;
  const tell = shim.drops.length > 0 ? (toldAt + TELL_MS) * 1000 : Number.POSITIVE_INFINITY;
  const next = Math.min(shim.next(now) ?? Number.POSITIVE_INFINITY, tell);
  if (next >= due) return;
  due = next;
  say({ kind: 'due', ms: Math.max(1, Math.ceil((next - now) / 1000)) });
}

/** Hands a packet of our own to the kernel, as if it had come through the TUN. */
function emit(packet: Uint8Array): void {
  if (before + packet.length > SCRATCH_OCTETS) return;
  octets.fill(0, 0, before);
  octets.set(packet, before);
  if (writeFrom(start.tun.fd, scratch.address, before + packet.length) < 0) node.counters[COUNT_WRITE_FAILED]!++;
}

/** From a store that is filled at once: buffers of a few octets each would cost more than what is in them. */
function random(count: number): Uint8Array {
  if (drawn + count > RANDOM_OCTETS) {
    randomFillSync(store);
    drawn = 0;
  }
  const octets = store.slice(drawn, drawn + count);
  store.fill(0, drawn, drawn + count);
  drawn += count;
  return octets;
}

function clocks(): Clocks {
  return { now: microseconds(), wallMs: Date.now() };
}

function microseconds(): number {
  return performance.now() * 1000;
}

function say(message: FromWorker): void {
  control.postMessage(message);
}
