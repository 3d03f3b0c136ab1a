/** What is done to each variant; see loads.mjs for the numbers. Always from a to b unless it says otherwise. */
import { availableParallelism } from 'node:os';
import { anchor } from './anchors.mjs';
import { ownMilliseconds } from './machine.mjs';
import { serveIn } from './namespaces.mjs';
import { cpuNanoseconds, must, run } from './process.mjs';
import { A, B } from './shim-lab.mjs';

const TCP_PORT = 5201;
const ECHO_PORT = 7001;
const WARM_UP_SECONDS = 0.5; // iperf3 leaves it out of the result
const SIZE = 64; // octets of UDP payload
const GAP_MICROSECONDS = 500;

/** One stream. `back`: from b to a. Processor time: of what runs at a and at b, and of the whole machine, a gigabyte. */
async function tcp(running, seconds, { back = false } = {}) {
  const { stop } = await serveIn(B, ['iperf3', '-s', '-p', `${TCP_PORT}`, '--forceflush'], 'Server listening');
  try {
    const options = ['-t', `${seconds}`, '-O', `${WARM_UP_SECONDS}`, '-J', ...(back ? ['-R'] : [])];
    const before = [ownMilliseconds(), ...running.pids.map((pid) => cpuNanoseconds([pid]))];
    const { stdout, code } = await run(A, ['iperf3', '-6', '-c', running.address, '-p', `${TCP_PORT}`, ...options], {
      timeoutMs: (seconds + 10) * 1000,
    });
    const after = [ownMilliseconds(), ...running.pids.map((pid) => cpuNanoseconds([pid]))];
    const report = JSON.parse(stdout);
    if (code !== 0 || report.error) throw new Error(`iperf3: ${report.error ?? code}`);
    const { bits_per_second: rate } = report.end.sum_received;
    const gigabytes = ((rate / 8) * (seconds + WARM_UP_SECONDS)) / 1e9; // the processor time covers the warm-up too
    const [machine, atA = Number.NaN, atB = Number.NaN] = after.map((value, k) => value - before[k]);
    return {
      gbps: rate / 1e9,
      cpuAtA: atA / 1e9 / gigabytes,
      cpuAtB: atB / 1e9 / gigabytes,
      cpuOfMachine: machine / 1e3 / gigabytes,
      retransmits: report.end.sum_sent.retransmits,
    };
  } finally {
    await stop();
  }
}

const WARM_SECONDS = 1.5;

/** A process that has seen no load is still being compiled, which would be charged to the first load. */
export const warmUp = (running) => tcp(running, WARM_SECONDS);

const ONE = '0';
const ALL = `0-${availableParallelism() - 1}`;

/** Question and answer with a pause between; `processors`: where all parties run. */
async function latency(running, seconds, processors) {
  const keepOn = (where) => {
    for (const pid of running.pids) must(['taskset', '-a', '-p', '-c', where, `${pid}`]);
  };
  const here = ['taskset', '-c', processors];
  const { stop } = await serveIn(B, [...here, anchor('udp'), 'echo', `${ECHO_PORT}`], 'ready');
  try {
    keepOn(processors);
    const words = [running.address, ECHO_PORT, seconds, SIZE, GAP_MICROSECONDS].map(String);
    const { stdout, stderr, code } = await run(A, [...here, anchor('udp'), 'ping', ...words], {
      timeoutMs: (seconds + 10) * 1000,
    });
    if (code !== 0) throw new Error(`udp ping: ${stderr.trim()}`);
    const { p50, p99, lost } = JSON.parse(stdout);
    return { p50Microseconds: p50, p99Microseconds: p99, lost };
  } finally {
    keepOn(ALL);
    await stop();
  }
}

const ONE_ENDED = ['none', 'copy-one', 'shim-one', 'none-off', 'copy-one-off', 'shim-one-off'];
const all = () => true;
const oneEnded = ({ name }) => ONE_ENDED.includes(name);

/** Latency comes last, when the just-in-time compiler has seen load. */
export const LOADS = [
  { name: 'tcp', only: 'tcp', needs: ['iperf3'], suits: all, run: tcp },
  {
    name: 'tcp-back',
    only: 'tcp',
    needs: ['iperf3'],
    suits: oneEnded,
    run: (running, seconds) => tcp(running, seconds, { back: true }),
  },
  {
    name: 'latency',
    only: 'latency',
    needs: ['udp', 'taskset'],
    suits: all,
    run: (running, seconds) => latency(running, seconds, ONE),
  },
  {
    name: 'latency-free',
    only: 'latency',
    needs: ['udp', 'taskset'],
    suits: all,
    run: (running, seconds) => latency(running, seconds, ALL),
  },
];
