/**
 * The questions the bench answers: one row each, with the floor the border router must not fall below and the aim it
 * should reach. Source of the numbers: the issue of the border router; floors lie below the worst round measured with
 * the prototypes, aims at or above their median.
 */

const HIGHER = 'higher';
const LOWER = 'lower';
const sbr = 'sbr';

/** Bindings in the table whose rewriting is timed. */
export const REWRITE_SIZES = [
  { name: '1k', bindings: 1000 },
  { name: '100k', bindings: 100_000 },
  { name: '1M', bindings: 1_000_000 },
];

/** Traffic between devices in memory (memory-sbr.mjs). */
export const MEMORY_LOADS = [
  { name: 'single', title: '1 flow' },
  { name: 'mixed', title: 'mixed' },
];

/**
 * `against`: the variant of the same round it is divided by, null for a value that stands for itself (then `unit`).
 * `floor` and `aim` are null where the row only informs.
 */
const row = (id, title, against, [load, metric], better, floor, aim, rest = {}) => ({
  id,
  title,
  of: sbr,
  against,
  load,
  metric,
  better,
  floor,
  aim,
  unit: 'x',
  ...rest,
});

export const ROWS = [
  row('tcp1-kernel', 'TCP 1 stream / kernel forwarding', 'kernel', ['tcp1', 'gbps'], HIGHER, 0.6, 0.9),
  row('tcp1-c-uring', 'TCP 1 stream / C, io_uring, offload', 'c-uring', ['tcp1', 'gbps'], HIGHER, 0.85, 1.0),
  row('tcp1-tayga', 'TCP 1 stream / tayga', 'tayga', ['tcp1', 'gbps'], HIGHER, 8, 11),
  row('tcp1-wireguard', 'TCP 1 stream / wireguard-go*', 'wireguard-go', ['tcp1', 'gbps'], HIGHER, null, null),
  row('tcp4-kernel', 'TCP 4 streams / kernel forwarding', 'kernel', ['tcp4', 'gbps'], HIGHER, null, null),
  row('tcp4-c-uring', 'TCP 4 streams / C, io_uring, offload', 'c-uring', ['tcp4', 'gbps'], HIGHER, null, null),
  row('mtu-kernel', 'TCP in MTU-size frames / kernel', 'kernel', ['mtu', 'gbps'], HIGHER, 0.8, 1.1),
  row('udp1-c', 'UDP 64 octets, 1 flow / naive C', 'c-naive', ['udp1', 'kpps'], HIGHER, 1.3, 2.0),
  row('udp32-c', 'UDP 64 octets, 32 flows / naive C', 'c-naive', ['udp32', 'kpps'], HIGHER, 1.15, 1.5),
  row('stress-c', 'UDP, 2 Mpps offered / naive C', 'c-naive', ['stress', 'kpps'], HIGHER, 5, 8),
  row('cpu-c', 'CPU per UDP packet / naive C', 'c-naive', ['udp1', 'cpuMicrosecondsPerPacket'], LOWER, null, null),
  ...REWRITE_SIZES.map(({ name }, i) =>
    row(
      `rewrite-${name}`,
      `rewrite ns per packet, ${name} / C -O3`,
      'c-rewrite',
      [`rewrite-${name}`, 'ns'],
      LOWER,
      [2.5, 2, 2][i],
      [1.5, 1.2, 1.2][i],
    ),
  ),
  row(
    'latency-c',
    'paced latency, p50, on one processor / C',
    'c-offload',
    ['latency', 'p50Microseconds'],
    LOWER,
    1.8,
    1.3,
  ),
  row(
    'latency-free-c',
    '… where the scheduler likes / C',
    'c-offload',
    ['latency-free', 'p50Microseconds'],
    LOWER,
    null,
    null,
  ),
  row('latency-kernel', 'paced latency, p50 / kernel', 'kernel', ['latency', 'p50Microseconds'], LOWER, null, null),
  ...MEMORY_LOADS.map(({ name, title }) =>
    row(`memory-${name}`, `in memory, no TUN, ${title}`, null, [`memory-${name}`, 'ns'], LOWER, null, null, {
      unit: 'ns',
    }),
  ),
  row('idle', 'idle CPU', null, ['idle', 'cpuPercent'], LOWER, 0.1, 0, { unit: '%' }),
  row('table-memory', 'table of 1,000,000 bindings', null, ['table', 'megabytes'], LOWER, 48, null, { unit: 'MB' }),
  row('table-changes', 'changes of the table alone', null, ['table', 'kiloChanges'], HIGHER, 200, null, {
    unit: 'k/s',
  }),
  row('changes', 'changes by a re-read under load', null, ['changes', 'kiloChangesPerSecond'], HIGHER, 200, null, {
    unit: 'k/s',
  }),
  row('changes-lost', 'packets lost meanwhile', null, ['changes', 'lost'], LOWER, 0, 0, { unit: 'packets' }),
];

/** The measured values that get a table of their own: all variants, absolute and against one of them. */
export const TABLES = [
  { load: 'tcp1', metric: 'gbps', title: 'TCP, 1 stream (Gbit/s)', against: ['kernel', 'c-uring', 'c-naive'] },
  { load: 'tcp4', metric: 'gbps', title: 'TCP, 4 streams (Gbit/s)', against: ['kernel', 'c-uring', 'c-naive'] },
  {
    load: 'mtu',
    metric: 'gbps',
    title: 'TCP, 1 stream, MTU-size frames at ingress (Gbit/s)',
    against: ['kernel', 'c-uring', 'c-naive'],
  },
  { load: 'udp1', metric: 'kpps', title: 'UDP, 64 octets, 1 flow (kpps)', against: ['kernel', 'c-uring', 'c-naive'] },
  { load: 'udp1', metric: 'lossPercent', title: 'its loss at the full rate of the sender (%)', against: [] },
  {
    load: 'udp1',
    metric: 'cpuMicrosecondsPerPacket',
    title: 'its processor time per delivered packet (us)',
    against: ['c-uring', 'c-naive'],
  },
  {
    load: 'udp32',
    metric: 'kpps',
    title: 'UDP, 64 octets, 32 flows (kpps)',
    against: ['kernel', 'c-uring', 'c-naive'],
  },
  { load: 'udp32', metric: 'lossPercent', title: 'its loss (%)', against: [] },
  {
    load: 'stress',
    metric: 'kpps',
    title: 'UDP, 64 octets, super-packets cut at the TUN (kpps)',
    against: ['c-uring', 'c-naive'],
  },
  { load: 'stress', metric: 'offeredKpps', title: 'what was offered there (kpps)', against: [] },
  {
    load: 'stress',
    metric: 'cpuMicrosecondsPerPacket',
    title: 'its processor time per delivered packet (us)',
    against: ['c-uring', 'c-naive'],
  },
  ...[
    ['latency', 'all on one processor'],
    ['latency-free', 'where the scheduler likes'],
  ].flatMap(([load, where]) =>
    ['p50', 'p99'].map((p) => ({
      load,
      metric: `${p}Microseconds`,
      title: `paced ping-pong, ${where}, ${p} (us)`,
      against: ['kernel', 'c-offload'],
    })),
  ),
  { load: 'idle', metric: 'cpuPercent', title: 'processor time without load (% of one processor)', against: [] },
  ...REWRITE_SIZES.map(({ name }) => ({
    load: `rewrite-${name}`,
    metric: 'ns',
    title: `rewrite of one packet, ${name} bindings (ns)`,
    against: ['c-rewrite'],
  })),
  ...MEMORY_LOADS.map(({ name, title }) => ({
    load: `memory-${name}`,
    metric: 'ns',
    title: `one packet from memory to memory, no TUN, ${title} (ns)`,
    against: [],
  })),
];
