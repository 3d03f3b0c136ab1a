/**
 * `npm run bench:flood`: what floods of forged packets cost a border beside as many packets that forge nothing, in one
 * interleaved run: TCP from the correspondent through the border of site1 (scripts/lab) to its guest. Floods change nothing:
 * test/netns/border-forged.test.ts. See README.md beside this file.
 *
 *   npm run bench:flood -- [--rate 10000] [--dials 200] [--json] [options as of the other benches]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ControlClient } from '../dist/runtime/control-client.js';
import { anchor, prepare } from './anchors.mjs';
import { FORGED_NET, floods, GATEWAY_MAC, introductions, REACHED_AT, UNROUTED } from './flood-packets.mjs';
import { machine } from './machine.mjs';
import { answers, ip, serveIn } from './namespaces.mjs';
import { isUsageError, parse, usage } from './options.mjs';
import { cpuNanoseconds, end, endAll, must, run, saysReady, start, until } from './process.mjs';
import { judge } from './ratios.mjs';
import { print, writeFiles } from './record.mjs';
import { misses } from './report.mjs';
import { cleanUpOnSignals, measureAll, say } from './rounds.mjs';

const LAB = process.env.LAB ?? 'ilnp-bench-flood';
const SCRIPT = fileURLToPath(new URL('../scripts/lab', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const RUN = `/run/ilnp-lab/${LAB}`;
const node = (name) => `${LAB}-${name}`;
const lab = (...words) => must(['env', `LAB=${LAB}`, SCRIPT, '-q', ...words]);

/** Left out of the result; iperf3 takes whole seconds only. */
const WARM_UP_SECONDS = 1;
/** The same as `registrations`, while the border listens for none. */
const UNHEARD = 'registrations-unheard';
const NAMES = [
  'none',
  'plain',
  'through',
  'updates',
  'strangers',
  'plain-inside',
  UNHEARD,
  'registrations',
  'dial-nobody',
  'dial',
];

const COUNTED = [
  'outside_packets_in',
  'drop_forged_update',
  'pairs_refused',
  'refusedKey',
  'refusedName',
  'refusedTls',
  'refusedSlow',
  'refusedMany',
  'accepted',
];

async function ask(method) {
  const client = await ControlClient.connect(`${RUN}/site1.sock`);
  try {
    return await client.call(method);
  } finally {
    client.close();
  }
}

async function counters() {
  const { control, ...rest } = await ask('counters');
  return Object.fromEntries(COUNTED.map((name) => [name, { ...rest, ...control }[name] ?? 0]));
}

const macOf = (where, device) =>
  JSON.parse(must(['ip', '-n', node(where), '-j', 'link', 'show', device]))[0].address.replaceAll(':', '');

/** Processor time of the border: of the thread that keeps control, and of all others: packets, and what listens on links. */
function times({ pid }) {
  const control = Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]);
  return { control, others: cpuNanoseconds([pid]) - control };
}

async function tcp({ border }, seconds) {
  const options = ['-t', `${seconds}`, '-O', `${WARM_UP_SECONDS}`, '-J'];
  const [before, begin] = [times(border), performance.now()];
  const { stdout } = await run(node('cn'), ['iperf3', '-6', '-c', REACHED_AT, ...options], {
    timeoutMs: (seconds + 10) * 1000,
  });
  const [after, took] = [times(border), (performance.now() - begin) * 1e6];
  const report = JSON.parse(stdout);
  if (report.error) throw new Error(`iperf3: ${report.error}`);
  const percent = (part) => ((after[part] - before[part]) / took) * 100;
  return {
    gbps: report.end.sum_received.bits_per_second / 1e9,
    control: percent('control'),
    others: percent('others'),
  };
}

/** Begins a flood; stop() adds to `seen` what was sent and what the border has counted. `hears`: the border listens for arrivals meanwhile. */
async function begin(border, words, seen, hears) {
  // so that the border knows the nonces of both directions, as of any session that it carries
  for (const words of introductions(macOf)) await briefly(...words);
  if (!hears) await setArrivals(border, false);
  const before = await counters();
  const [where, ...rest] = words ?? [];
  const flood = words && start(node(where), [anchor('flood'), ...rest.map(String)]);
  const stop = async () => {
    if (flood) {
      await end(flood);
      const said = JSON.parse(flood.output.stdout);
      seen.sent += said.sent;
      seen.seconds += said.seconds;
    }
    const after = await counters();
    for (const name of COUNTED) seen[name] = (seen[name] ?? 0) + after[name] - before[name];
    if (!hears) await setArrivals(border, true);
  };
  return { border, program: flood, pids: [border.pid], stop };
}

async function briefly(where, device, octets) {
  const sender = start(node(where), [anchor('flood'), 'frames', device, '100', octets]);
  await wait(100);
  await end(sender);
}

const fileOf = (site) => `${RUN}/site${site}.yaml`;

/** Has the border of site1 listen for guests that arrive, or not. */
async function setArrivals(border, hears) {
  const file = fileOf(1);
  const [from, to] = hears ? ['false', 'true'] : ['true', 'false'];
  const text = readFileSync(file, 'utf8').replace(`arrivals: ${from}`, `arrivals: ${to}`);
  writeFileSync(file, text);
  const rereads = () => `${border.output.stdout}${border.output.stderr}`.split('took the configuration over').length;
  const before = rereads();
  border.child.kill('SIGHUP');
  await until('the border has read its configuration again', () => rereads() > before, { timeoutMs: 5000 });
}

async function startBorder(site) {
  const file = fileOf(site);
  writeFileSync(file, readFileSync(file, 'utf8').replace('interface: lan0,', 'interface: lan0, arrivals: true,'));
  const border = start(node(`sbr${site}`), [process.execPath, PROGRAM, 'sbr', '--config', file]);
  await until(
    `the border of site${site} is ready`,
    () => {
      if (border.ended) throw new Error(border.output.stderr);
      return saysReady(border);
    },
    { timeoutMs: 15_000 },
  );
  return border;
}

const row = (of, against, title, floor = null) => ({
  id: `flood-${of}-${against}`,
  title,
  of,
  against,
  load: 'tcp',
  metric: 'gbps',
  better: 'higher',
  floor,
  aim: floor && 1,
  unit: 'x',
});
const ROWS = [
  row('updates', 'plain', 'forged Locator Updates / packets that the kernel throws away', 0.95),
  row('updates', 'through', '… / packets that the border carries'),
  row('strangers', 'through', 'Locator Updates of strangers, carried to the guest / packets that the border carries'),
  row('registrations', UNHEARD, 'forged registrations / the same while the border listens for none', 0.95),
  row(UNHEARD, 'plain-inside', '… that it does not hear / frames for nobody on the same link'),
  row('dial', 'dial-nobody', 'strangers at the port of the borders / at a port of nobody'),
  ...NAMES.slice(1).map((of) => row(of, 'none', `${of} / no flood`)),
];
const TABLES = [
  { load: 'tcp', metric: 'gbps', title: 'TCP, 1 stream through the border (Gbit/s)', against: ['none'] },
  { load: 'tcp', metric: 'others', title: 'processor time of the border, its other threads (%)', against: [] },
  {
    load: 'tcp',
    metric: 'control',
    title: 'processor time of the border, the thread that keeps control (%)',
    against: [],
  },
];

async function bench(options, own) {
  const down = () => lab('down');
  cleanUpOnSignals(down);
  down();
  try {
    if (!(await prepare(say)).has('flood')) throw new Error('flood.c needs gcc');
    lab('up', '--gateway-mac', GATEWAY_MAC, '--no-sbr');
    ip(node('core'), `-6 route add blackhole ${FORGED_NET}`);
    ip(node('sbr1'), `-6 route add blackhole ${UNROUTED}/128`);
    ip(node('wan'), 'addr add fd00:12::66/64 dev br0 nodad');
    const [border] = await Promise.all([startBorder(1), startBorder(2)]);
    await answers(node('cn'), REACHED_AT, { program: border });
    await serveIn(node('vm-a1'), ['iperf3', '-s', '--forceflush'], 'Server listening');
    const words = await floods({ ...own, macOf });
    words[UNHEARD] = words.registrations;
    const before = await ask('bindings');
    const seen = Object.fromEntries(NAMES.map((name) => [name, { sent: 0, seconds: 0 }]));
    const variants = NAMES.filter((name) => options.variants?.includes(name) ?? true).map((name) => ({
      name,
      start: () => begin(border, words[name], seen[name], name !== UNHEARD),
    }));
    const loads = [{ name: 'tcp', run: tcp }];
    await tcp({ border }, 2); // what is compiled first is not measured
    const results = await measureAll(variants, loads, options, { ready: async () => {}, suits: () => true });
    const isChanged = JSON.stringify(await ask('bindings')) !== JSON.stringify(before);
    return { results, seen, isChanged };
  } finally {
    await endAll();
    down();
  }
}

const argv = process.argv.slice(2);
/** Takes an option of this bench alone out of the words. */
function take(name, otherwise, most) {
  const at = argv.indexOf(name);
  return Math.min(most, Number(at < 0 ? otherwise : argv.splice(at, 2)[1]));
}

try {
  const own = { rate: take('--rate', 10_000, 100_000), dials: take('--dials', 200, 2000) };
  const json = argv.includes('--json');
  const options = parse(
    argv.filter((word) => word !== '--json'),
    { loads: ['tcp'], variants: NAMES },
  );
  if (options.help) console.log(usage('npm run bench:flood', ['tcp']));
  else {
    const { results, seen, isChanged } = await bench(options, own);
    const judged = ROWS.map((one) => judge(results, one)).filter(({ verdict }) => verdict !== 'absent');
    const record = { machine: machine(), options: { ...options, ...own }, results, judged, seen, isChanged };
    if (json) console.log(JSON.stringify(record));
    else {
      print(record, { head: 'floods', tables: TABLES, variants: NAMES });
      for (const [name, counted] of Object.entries(seen))
        if (counted.seconds > 0) console.log(`${name}: ${JSON.stringify(counted)}`);
    }
    say(`bindings ${isChanged ? 'CHANGED' : 'as before'}; written: ${writeFiles(record, { name: 'flood' })}`);
    for (const line of misses(judged)) say(line);
    if (isChanged || misses(judged).length > 0) process.exitCode = 1;
  }
} catch (error) {
  say(isUsageError(error) ? error.message : `bench: ${error.stack}`);
  process.exitCode = isUsageError(error) ? 2 : 1;
}
