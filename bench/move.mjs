/**
 * Moves of a guest between two sites (scripts/lab, real borders), with a stream towards it: `npm run bench:move`. The guest
 * stands still from before its cable is carried over until the borders have been told, as under a hypervisor; what its
 * correspondent sees beyond that pause is what the borders cost.
 *
 *   held    prepare, hold, pause, commit, asked for at home: packets wait
 *   told    as a hypervisor tells: the old site when the guest has stopped, the new one when it runs
 *   plain   asked for at home, and nobody holds
 *   still   it stands still where it is and is not moved: what this machine and the lab cost alone
 *
 * Beside the figures of all moves are those of the moves in which the machine did not stand still (anchors/stalls.c): in no
 * processor for more than a millisecond, from a little before the guest goes on to some time after.
 * With a delay R the link between the sites takes as long for there and back (anchors/delay.c).
 *
 *   npm run bench:move -- [--moves N] [--pause MS] [--rate PPS,PPS] [--delay R,R] [--json]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ControlClient } from '../dist/runtime/control-client.js';
import { anchor, prepare } from './anchors.mjs';
import { endAll, must, start } from './process.mjs';

const { values } = parseArgs({
  options: {
    moves: { type: 'string', default: '200' },
    pause: { type: 'string', default: '100' },
    rate: { type: 'string', default: '1000,10000' },
    delay: { type: 'string', default: '0,20' },
    json: { type: 'boolean', default: false },
  },
});
const MOVES = Math.min(500, Math.max(2, Number(values.moves)));
const PAUSE_MS = Number(values.pause);
const RATES = values.rate.split(',').map(Number);
const DELAYS = values.delay.split(',').map(Number);
const LAB = process.env.LAB ?? 'ilnp-bench-move';
const SCRIPT = fileURLToPath(new URL('../scripts/lab', import.meta.url));
const NID = '0:0:0:a1';
const KINDS = ['held', 'told', 'plain', 'still'];
const HOSTS = { site1: 'host1', site2: 'host2' };
/** Between two moves: the drain of a second, and some calm. */
const REST_MS = 1200;
/** Around the moment in which a guest goes on; as long for every move, however long that takes. Reason: twice the floor. */
const WATCHED_MS = { before: 2, after: 20 };

const lab = (...args) => must(['env', `LAB=${LAB}`, SCRIPT, '-q', ...args]);
const ip = (node, ...args) => must(['ip', '-n', `${LAB}-${node}`, ...args]);
const now = () => performance.timeOrigin + performance.now();

/** A program at an end of the stream. */
const probe = (node, ...args) => listenTo(`${LAB}-${node}`, [anchor('stream'), ...args]);

/** A program that says lines of JSON; `event` resolves with what it says under a name, and rejects when it ends before. */
function listenTo(namespace, argv) {
  const program = start(namespace, argv);
  const waiting = new Map();
  const said = new Map();
  createInterface({ input: program.child.stdout }).on('line', (line) => {
    const event = JSON.parse(line);
    said.set(event.event, event);
    waiting.get(event.event)?.resolve(event);
  });
  const over = () => new Error(`${argv.join(' ')} has ended: ${program.output.stderr}`);
  void program.exited.then(() => {
    for (const { reject } of waiting.values()) reject(over());
  });
  const next = (name) =>
    new Promise((resolve, reject) => {
      if (program.ended) reject(over());
      else waiting.set(name, { resolve, reject });
    });
  return {
    stop: () => program.child.kill('SIGTERM'),
    /** What has come since the beginning. */
    soFar: async () => {
      const answer = next('so far');
      program.child.kill('SIGUSR1');
      const { event: _, ...counts } = await answer;
      return counts;
    },
    event: async (name) => said.get(name) ?? (await next(name)),
  };
}

/** What takes the cable of the guest away when it is told to: it runs already, so that the cut takes no time of its own. */
async function cutter(from) {
  const cut = spawn('ip', ['-n', `${LAB}-${HOSTS[from]}`, '-batch', '-'], { stdio: ['pipe', 'ignore', 'inherit'] });
  await once(cut, 'spawn');
  await sleep(20);
  return cut;
}

/** Carries the cable of the guest, which stands still for the time of the pause; `onPaused` is told when it has stopped. */
async function carry(cut, from, to, onPaused) {
  const paused = now();
  cut.stdin.end('link set vm-a1 down\n');
  const told = onPaused(paused);
  await once(cut, 'exit');
  ip(HOSTS[from], 'link', 'set', 'vm-a1', 'netns', `${LAB}-${HOSTS[to]}`);
  ip(HOSTS[to], 'link', 'set', 'vm-a1', 'master', 'br0', 'up');
  ip(HOSTS[to], 'link', 'set', 'br0', 'type', 'bridge', 'fdb_flush');
  await told;
  await sleep(Math.max(0, PAUSE_MS - (now() - paused)));
  return { paused, resumed: now() };
}

/** Has everything between site2 and the other sites pass through a link that takes `ms` for there and back. */
async function slow(ms) {
  const wan = `${LAB}-wan`;
  ip('wan', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far');
  ip('wan', 'link', 'set', 'near', 'master', 'br0', 'up');
  ip('wan', 'link', 'set', 'far', 'up');
  ip('wan', 'link', 'set', 'site2', 'nomaster');
  const child = spawn('ip', ['netns', 'exec', wan, anchor('delay'), 'far', 'site2', String(ms * 500)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  const ended = once(lines, 'line');
  return async () => {
    child.kill('SIGTERM');
    const { dropped } = JSON.parse((await ended)[0]);
    if (dropped > 0)
      process.stderr.write(`the link between the sites has dropped ${dropped} frames: this run says nothing\n`);
    ip('wan', 'link', 'set', 'site2', 'master', 'br0');
    ip('wan', 'link', 'del', 'near');
  };
}

/** All kinds in turn, so that what else the machine does meets them alike. */
async function run(rate, delay) {
  const connect = (site) => ControlClient.connect(`/run/ilnp-lab/${LAB}/${site}.sock`);
  const controls = { site1: await connect('site1'), site2: await connect('site2') };
  const receiver = probe('vm-a1', 'recv', '7999');
  await receiver.event('listening');
  const machine = listenTo(null, [anchor('stalls')]);
  await machine.event('watching');
  const sender = probe('cn', 'send', '2001:db8:1::a1', '7999', String(rate));
  await sender.event('sending');
  await sleep(1000);
  const moves = [];
  let known = (await controls.site1.call('moves', { limit: 1 })).at(-1)?.id ?? 0;
  let before = await receiver.soFar();
  let [from, to] = ['site1', 'site2'];
  for (let i = 0; i < MOVES; i++)
    for (const how of KINDS) {
      const pause = await (how === 'still' ? interrupt(from) : move(how, controls, from, to));
      await sleep(REST_MS);
      const soFar = await receiver.soFar();
      const counts = Object.fromEntries(Object.keys(soFar).map((name) => [name, soFar[name] - before[name]]));
      before = soFar;
      let report;
      if (how !== 'still') {
        [report] = await controls.site1.call('moves', { after: known, limit: 1, waitMs: 2000 });
        if (report?.outcome !== 'moved') throw new Error(`${how}: ${report?.why ?? 'no report'}`);
        known = report.id;
        [from, to] = [to, from];
      }
      moves.push({ how, ...pause, ...counts, report });
    }
  sender.stop();
  receiver.stop();
  machine.stop();
  const { silences } = await receiver.event('result');
  const { stalls } = await machine.event('result');
  for (const one of Object.values(controls)) one.close();
  return KINDS.map((how) => {
    const all = moves.filter((one) => one.how === how);
    const quiet = all.filter(({ resumed }) => !stoodStill(stalls, resumed));
    const { interruptionMs, commitMs } = costs(silences, quiet);
    const undisturbed = { moves: quiet.length, interruptionMs, commitMs };
    return { rate, how, delayMs: delay, moves: MOVES, pauseMs: PAUSE_MS, ...costs(silences, all), undisturbed };
  });
}

/** Whether some processor did while a guest went on that did so at `resumed`. */
function stoodStill(stalls, resumed) {
  const [begin, end] = [resumed - WATCHED_MS.before, resumed + WATCHED_MS.after];
  return stalls.some(([over, ms]) => over * 1000 > begin && over * 1000 - ms < end);
}

/** One move of the guest, and when it was asked for and done. */
async function move(how, controls, from, to) {
  const control = controls.site1; // home
  const tell = (site, news, at = now()) =>
    controls[site].call('guest', { nid: NID, news, at: Math.round(at * 1000), now: Math.round(now() * 1000) });
  const cut = await cutter(from);
  if (how === 'held') {
    await control.call('prepare', { nid: NID, to });
    await control.call('hold', { nid: NID });
  }
  if (how === 'told') await Promise.all([tell(to, 'incoming'), tell(from, 'migrating')]);
  const onPaused = {
    told: (paused) => tell(from, 'stopped', paused),
    held: () => control.call('paused', { nid: NID, isStopped: true }),
  };
  const pause = await carry(cut, from, to, (paused) => onPaused[how]?.(paused));
  const asked = now();
  const done =
    how === 'told'
      ? tell(to, 'arrived', pause.resumed)
      : control.call('move', { nid: NID, to, hold: how === 'held', resumedAgo: (asked - pause.resumed) * 1000 });
  const octets = (await done).octets;
  return { ...pause, asked, done: now(), octets };
}

/** The guest stands still where it is, and is not moved: what that costs on this machine without any move. */
async function interrupt(at) {
  const cut = await cutter(at);
  const paused = now();
  cut.stdin.write('link set vm-a1 down\n');
  await sleep(PAUSE_MS);
  const resumed = now();
  cut.stdin.end('link set vm-a1 up\n');
  await once(cut, 'exit');
  return { paused, resumed };
}

function costs(silences, moves) {
  // the silence of a move is the longest that ends within a second after it
  const interruptions = moves.map(({ paused, resumed }) => {
    const own = silences.filter(([end]) => end * 1000 > paused && end * 1000 < resumed + 1000).map(([, ms]) => ms);
    return Math.max(0, Math.max(0, ...own) - (resumed - paused));
  });
  const commits = moves
    .map(({ report }) => report?.timeline)
    .filter((t) => t && t.firstPacket !== null && t.resumed !== null)
    .map((t) => (t.firstPacket - t.resumed) / 1000);
  const sum = (of) => moves.reduce((total, one) => total + of(one), 0);
  const agreed = moves.filter(({ done }) => done).map(({ asked, done }) => done - asked);
  return {
    interruptionMs: spread(interruptions),
    lost: sum(({ highest, received }) => highest - received),
    overtaken: sum((one) => one.overtaken),
    doubled: sum((one) => one.doubled),
    commitMs: spread(commits),
    agreedMs: spread(agreed),
    octets: Math.max(0, ...moves.map(({ octets = 0 }) => octets)),
  };
}

/** Null of nothing. */
function spread(list) {
  if (list.length === 0) return null;
  const sorted = [...list].sort((a, b) => a - b);
  const at = (share) => Number(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2));
  return { min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) };
}

const four = (s) => (s === null ? '-' : `${s.min} / ${s.p50} / ${s.p99} / ${s.max}`);

const missing = [];
const tools = await prepare((line) => missing.push(line));
if (!['stream', 'stalls', 'delay'].every((name) => tools.has(name))) {
  process.stderr.write(
    `the stream, the delay between the sites and the witness of the machine are C programs:\n${missing.join('\n')}\n`,
  );
  process.exit(1);
}
lab('down');
lab('up', '--gateway-mac', '02:00:5e:00:00:01');
try {
  const results = [];
  for (const delay of DELAYS) {
    const quick = delay > 0 ? await slow(delay) : null;
    for (const rate of delay > 0 ? RATES.slice(-1) : RATES) results.push(...(await run(rate, delay)));
    await quick?.();
  }
  if (values.json) process.stdout.write(`${JSON.stringify(results)}\n`);
  else {
    const head = `${MOVES} moves, pause ${PAUSE_MS} ms; min / median / p99 / max in ms`;
    process.stdout.write(
      `| ${head} | interruption beyond the pause | lost | overtaken | doubled | command to first packet | borders agreed | octets |\n|---|---|---|---|---|---|---|---|\n`,
    );
    for (const r of results) {
      const what = `${r.rate} packets a second, ${r.how}${r.delayMs > 0 ? `, R = ${r.delayMs} ms` : ''}`;
      const quiet = r.undisturbed;
      process.stdout.write(
        `| ${what} | ${four(r.interruptionMs)} | ${r.lost} | ${r.overtaken} | ${r.doubled} | ${four(r.commitMs)} | ${four(r.agreedMs)} | ${r.octets} |\n`,
      );
      process.stdout.write(
        `| … the ${quiet.moves} while the machine ran on | ${four(quiet.interruptionMs)} | | | | ${four(quiet.commitMs)} | | |\n`,
      );
    }
  }
} finally {
  await endAll();
  lab('down');
}
