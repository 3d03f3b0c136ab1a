/** The questions of the bench of end systems, with the floor where there is one (as in rows.mjs). */

const row = (id, title, of, against, [load, metric], better, floor, rest = {}) => ({
  id,
  title,
  of,
  against,
  load,
  metric,
  better,
  floor,
  aim: floor === null ? null : 1,
  unit: 'x',
  ...rest,
});

const tcp = (id, title, of, against, load, floor) => row(id, title, of, against, [load, 'gbps'], 'higher', floor);
const added = (id, title, of, against, metric) =>
  row(id, title, of, against, ['latency', metric], 'lower', null, { unit: 'us', by: 'difference' });

/** The same questions with offload and without. `mark`: of the variants, `-off` or nothing. */
const questions = (mark, floor) => {
  const [id, where] = mark === '' ? ['', 'offload on'] : ['off-', 'offload off'];
  const [none, copyBoth, shimBoth, copyOne, shimOne] = ['none', 'copy-both', 'shim-both', 'copy-one', 'shim-one'].map(
    (name) => `${name}${mark}`,
  );
  return [
    tcp(`shim-${id}tcp-copy`, `TCP, shim at both ends / copying C, ${where}`, shimBoth, copyBoth, 'tcp', floor),
    tcp(`shim-${id}tcp-none`, `… / no TUN, ${where}`, shimBoth, none, 'tcp', null),
    tcp(`shim-${id}copy-none`, `copying C at both ends / no TUN, ${where}`, copyBoth, none, 'tcp', null),
    tcp(`shim-${id}one-out-copy`, `TCP out, shim at one end / copying C, ${where}`, shimOne, copyOne, 'tcp', floor),
    tcp(`shim-${id}one-in-copy`, `TCP in, shim at one end / copying C, ${where}`, shimOne, copyOne, 'tcp-back', floor),
    row(
      `shim-${id}cpu-a`,
      `CPU per GB at the sender / copying C, ${where}`,
      shimBoth,
      copyBoth,
      ['tcp', 'cpuAtA'],
      'lower',
      null,
    ),
    row(
      `shim-${id}cpu-b`,
      `CPU per GB at the receiver / copying C, ${where}`,
      shimBoth,
      copyBoth,
      ['tcp', 'cpuAtB'],
      'lower',
      null,
    ),
    row(
      `shim-${id}cpu`,
      `CPU per GB of the whole machine / no TUN, ${where}`,
      shimBoth,
      none,
      ['tcp', 'cpuOfMachine'],
      'lower',
      null,
    ),
    added(
      `shim-${id}p50-none`,
      `added by shim at both ends, round trip, p50, ${where}`,
      shimBoth,
      none,
      'p50Microseconds',
    ),
    added(`shim-${id}p99-none`, `… p99, ${where}`, shimBoth, none, 'p99Microseconds'),
    added(`shim-${id}p50-copy`, `added by copying C at both ends, p50, ${where}`, copyBoth, none, 'p50Microseconds'),
    added(`shim-${id}p99-copy`, `… p99, ${where}`, copyBoth, none, 'p99Microseconds'),
  ];
};

export const ROWS = [
  ...questions('', 0.8),
  tcp('shim-mtu', 'price of 40 octets less MTU: copying C, 1460 / 1500', 'copy-1460', 'copy-both', 'tcp', null),
  ...questions('-off', null),
];

const table = (load, metric, title, against) => ({ load, metric, title, against });

export const TABLES = [
  table('tcp', 'gbps', 'TCP, 1 stream from a to b (Gbit/s)', ['none', 'copy-both', 'copy-one', 'copy-both-off']),
  table('tcp-back', 'gbps', 'TCP, 1 stream from b to a (Gbit/s)', ['none', 'copy-one', 'copy-one-off']),
  table('tcp', 'cpuAtA', 'processor time of the process at a, the sender (s/GB)', [
    'copy-both',
    'copy-one',
    'copy-both-off',
  ]),
  table('tcp', 'cpuAtB', 'processor time of the process at b, the receiver (s/GB)', ['copy-both', 'copy-both-off']),
  table('tcp', 'cpuOfMachine', 'processor time of the whole machine, programs included (s/GB)', [
    'none',
    'copy-both',
    'none-off',
  ]),
  ...[
    ['latency', 'all on one processor'],
    ['latency-free', 'where the scheduler likes'],
  ].flatMap(([load, where]) =>
    ['p50', 'p99'].map((p) =>
      table(load, `${p}Microseconds`, `paced ping-pong, ${where}, ${p} (us)`, ['none', 'copy-both', 'copy-one']),
    ),
  ),
];
