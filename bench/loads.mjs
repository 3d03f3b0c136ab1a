/**
 * What is done to each variant: one function per load, each gives numbers with their unit in the name.
 *
 * `running` is what a variant's start() gave. Processor time is that of the variant's processes, kernel work done in
 * their name included; for variants without a process it is 0.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { anchor } from './anchors.mjs';
import { CN, GLOBAL_L64, GUEST_L64, GW, reachable, serve, VM } from './lab.mjs';
import { ip, withFeatures } from './namespaces.mjs';
import { cpuNanoseconds, end, must, run, start } from './process.mjs';
import { FURTHER_BINDINGS, SETS } from './sbr.mjs';

const TCP_PORT = 5201;
const UDP_PORT = 7000;
const ECHO_PORT = 7001;
const WARM_UP_SECONDS = 0.5; // iperf3 leaves it out of the result
const SIZE = 64; // octets of UDP payload
const GAP_MICROSECONDS = 500;
const DRAIN_MS = 200; // what is in queues when the sender stops
const CHANGE_SECONDS = 6;
const CHANGE_RATE = 50_000; // datagrams a second; the border router can do several times as many
const CHANGE_BATCH = 8;
const SETTLE_MS = 1000; // a process that has just started may still tidy up
const IDLE_SECONDS = 2;
const BATCH = 32;
const SUPER_PACKET = 64; // datagrams in one

const lossOf = (sent, received) => (sent > 0 ? Math.max(0, 1 - received / sent) : 0);

/** Kernel variants have no process to look at; NaN is "not measured" everywhere in the bench. */
const perUnit = (running, cpu, units) => (running.pids.length > 0 && units > 0 ? cpu / units : Number.NaN);

async function tcp(running, seconds, streams) {
  const { stop } = await serve(['iperf3', '-s', '-p', `${TCP_PORT}`, '--forceflush'], 'Server listening');
  try {
    const options = ['-t', `${seconds}`, '-O', `${WARM_UP_SECONDS}`, '-P', `${streams}`, '-J'];
    const argv = ['iperf3', '-6', '-c', running.address, '-p', `${TCP_PORT}`, ...options];
    const before = cpuNanoseconds(running.pids);
    const { stdout, code } = await run(CN, argv, { timeoutMs: (seconds + 10) * 1000 });
    const cpu = cpuNanoseconds(running.pids) - before;
    const report = JSON.parse(stdout);
    if (code !== 0 || report.error) throw new Error(`iperf3: ${report.error ?? code}`);
    const { bits_per_second: rate } = report.end.sum_received;
    const octets = (rate / 8) * (seconds + WARM_UP_SECONDS); // the processor time covers the warm-up too
    return {
      gbps: rate / 1e9,
      cpuSecondsPerGigabyte: perUnit(running, cpu / 1e9, octets / 1e9),
      retransmits: report.end.sum_sent.retransmits,
    };
  } finally {
    await stop();
  }
}

async function udp(running, seconds, { flows = 1, batch = BATCH, offload = false }) {
  const { server, stop } = await serve([anchor('udp'), 'recv', `${UDP_PORT}`, ...(offload ? ['gro'] : [])], 'ready');
  const words = [running.address, UDP_PORT, seconds, SIZE, flows, batch].map(String);
  const before = cpuNanoseconds(running.pids);
  const sender = await run(CN, [anchor('udp'), 'send', ...words, ...(offload ? ['gso'] : [])], {
    timeoutMs: (seconds + 10) * 1000,
  });
  await wait(DRAIN_MS);
  const cpu = cpuNanoseconds(running.pids) - before;
  await stop();
  if (sender.code !== 0) throw new Error(`udp send: ${sender.stderr.trim()}`);
  const { sent, seconds: took } = JSON.parse(sender.stdout);
  const { received } = JSON.parse(server.output.stdout.split('\n')[1]);
  return {
    kpps: received / took / 1e3,
    offeredKpps: sent / took / 1e3,
    lossPercent: lossOf(sent, received) * 100,
    cpuMicrosecondsPerPacket: perUnit(running, cpu / 1e3, received),
  };
}

/** Keeps all threads of the variant's processes on these processors. */
const keepOn = (running, processors) => {
  for (const pid of running.pids) must(['taskset', '-a', '-p', '-c', processors, `${pid}`]);
};
const ONE = '0';
const ALL = `0-${availableParallelism() - 1}`;

/**
 * Question and answer with a pause between. `processors`: where all three parties run. On one, the work of the parties is
 * compared; on all, also where the scheduler happens to put them: waking a sleeper on another processor costs more here
 * than all the work.
 */
async function latency(running, seconds, processors) {
  const here = ['taskset', '-c', processors];
  const { stop } = await serve([...here, anchor('udp'), 'echo', `${ECHO_PORT}`], 'ready');
  try {
    keepOn(running, processors);
    const words = [running.address, ECHO_PORT, seconds, SIZE, GAP_MICROSECONDS].map(String);
    const before = cpuNanoseconds(running.pids);
    const { stdout, stderr, code } = await run(CN, [...here, anchor('udp'), 'ping', ...words], {
      timeoutMs: (seconds + 10) * 1000,
    });
    const cpu = cpuNanoseconds(running.pids) - before;
    if (code !== 0) throw new Error(`udp ping: ${stderr.trim()}`);
    const { answered, p50, p90, p99, lost } = JSON.parse(stdout);
    return {
      p50Microseconds: p50,
      p90Microseconds: p90,
      p99Microseconds: p99,
      lost,
      cpuMicrosecondsPerPacket: perUnit(running, cpu / 1e3, answered * 2),
    };
  } finally {
    keepOn(running, ALL);
    await stop();
  }
}

async function idle(running, seconds) {
  await wait(SETTLE_MS);
  const before = cpuNanoseconds(running.pids);
  const begin = performance.now();
  await wait(Math.max(seconds, IDLE_SECONDS) * 1000);
  return { cpuPercent: ((cpuNanoseconds(running.pids) - before) / 1e6 / (performance.now() - begin)) * 100 };
}

/**
 * The bindings file is replaced by one without a common binding and read again (SIGHUP) while datagrams pass at a steady
 * rate. Done is when the last binding of the new file answers; every datagram must have arrived. The time includes
 * reading and checking the file.
 */
async function changes(running) {
  const { server, stop } = await serve([anchor('udp'), 'recv', `${UDP_PORT}`], 'ready');
  for (const set of SETS) ip(VM, `addr add ${GUEST_L64}${set.last}/64 dev v0 nodad`, { optional: true });
  const words = [running.address, UDP_PORT, CHANGE_SECONDS, SIZE, 1, CHANGE_BATCH, `rate=${CHANGE_RATE}`].map(String);
  const sender = start(CN, [anchor('udp'), 'send', ...words]);
  await wait(SETTLE_MS);
  let seconds = Number.NaN;
  try {
    const begin = performance.now();
    const { last } = running.rebind();
    await reachable(`${GLOBAL_L64}${last}`, { program: running.program, patience: '0.05' });
    seconds = (performance.now() - begin) / 1000;
    await sender.exited;
    await wait(DRAIN_MS);
  } finally {
    await end(sender);
    await stop();
  }
  const { sent } = JSON.parse(sender.output.stdout);
  const { received } = JSON.parse(server.output.stdout.split('\n')[1]);
  const count = 2 * FURTHER_BINDINGS; // each removed or added
  return { kiloChangesPerSecond: count / seconds / 1e3, lost: sent - received, sent, seconds };
}

/** Frames of MTU size reach the gateway one by one; its own veth does not group them (GRO is off there by default). */
const mtuFrames = (running, seconds) => withFeatures(CN, 'c0', ['tso', 'gso'], () => tcp(running, seconds, 1));

/**
 * The sender hands over super-packets, so that it can offer about two million datagrams a second; the TUN's own
 * feature is switched off, so that the kernel cuts them at the TUN and each datagram is a packet of its own there.
 */
const stress = (running, seconds) =>
  withFeatures(GW, running.tun, ['tx-udp-segmentation'], () =>
    udp(running, seconds, { batch: SUPER_PACKET, offload: true }),
  );

const REWRITERS = ['kernel', 'kernel-nptv6', 'c-naive', 'c-offload', 'c-uring', 'sbr'];

/**
 * In this order: latency and idle come last, when the just-in-time compiler has seen load, as in a border that runs.
 *
 * `only`: the word of --only it belongs to; `variants`: for whom it makes sense (and extras named like sbr-…).
 */
export const LOADS = [
  {
    name: 'tcp1',
    only: 'tcp',
    needs: ['iperf3'],
    variants: [...REWRITERS, 'tayga', 'wireguard-go'],
    run: (running, seconds) => tcp(running, seconds, 1),
  },
  {
    name: 'tcp4',
    only: 'tcp',
    needs: ['iperf3'],
    variants: [...REWRITERS, 'tayga', 'wireguard-go'],
    run: (running, seconds) => tcp(running, seconds, 4),
  },
  { name: 'mtu', only: 'mtu', needs: ['iperf3', 'ethtool'], variants: REWRITERS, run: mtuFrames },
  {
    name: 'udp1',
    only: 'udp',
    needs: ['udp'],
    variants: [...REWRITERS, 'tayga'],
    run: (running, seconds) => udp(running, seconds, {}),
  },
  {
    name: 'udp32',
    only: 'udp',
    needs: ['udp'],
    variants: [...REWRITERS, 'tayga'],
    run: (running, seconds) => udp(running, seconds, { flows: 32, batch: 1 }),
  },
  {
    name: 'stress',
    only: 'stress',
    needs: ['udp', 'ethtool'],
    variants: ['c-naive', 'c-offload', 'c-uring', 'sbr'],
    run: stress,
  },
  {
    name: 'latency',
    only: 'latency',
    needs: ['udp', 'taskset'],
    variants: REWRITERS,
    run: (running, seconds) => latency(running, seconds, ONE),
  },
  {
    name: 'latency-free',
    only: 'latency',
    needs: ['udp', 'taskset'],
    variants: REWRITERS,
    run: (running, seconds) => latency(running, seconds, ALL),
  },
  { name: 'idle', only: 'idle', needs: [], variants: ['c-offload', 'c-uring', 'sbr'], run: idle },
  { name: 'changes', only: 'table', needs: ['udp'], variants: ['sbr'], run: changes },
];

/** Whether a load is meant for a variant; other ways to run the border router take all of its loads. */
export const suits = (load, variant) => load.variants.includes(variant.name) || variant.name.startsWith('sbr-');
