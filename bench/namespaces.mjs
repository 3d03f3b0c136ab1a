/**
 * Network namespaces of a bench: made, reached into and taken away with whatever still runs in them. One bench at a time
 * has the machine.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { end, must, run, start, until } from './process.mjs';

/** Configuration, keys and sockets of what is measured; gone with the namespaces. */
export const SCRATCH = '/run/ilnp-bench';
const LOCK = `${SCRATCH}/pid`;
let mine = [];

/** A command of iproute2 in one of the namespaces. */
export const ip = (namespace, words, options) => must(['ip', '-n', namespace, ...words.split(' ')], options);

/** Any set-up command in one of the namespaces. */
export const exec = (namespace, words, options) =>
  must(['ip', 'netns', 'exec', namespace, ...words.split(' ')], options);

/** Makes them, empty; leftovers of an earlier bench that was killed go first. Refuses while another bench runs. */
export function make(namespaces) {
  if (existsSync(LOCK)) {
    const other = readFileSync(LOCK, 'utf8');
    if (isBench(other)) throw new Error(`another bench runs (process ${other})`);
  }
  mine = namespaces;
  remove();
  mkdirSync(SCRATCH, { recursive: true, mode: 0o700 });
  writeFileSync(LOCK, `${process.pid}`);
  for (const namespace of namespaces) {
    must(['ip', 'netns', 'add', namespace]);
    ip(namespace, 'link set lo up');
    exec(namespace, 'sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0');
  }
}

/** Takes away the namespaces `make` has made and whatever still runs in them. */
export function remove() {
  for (const namespace of mine) {
    if (!existsSync(`/run/netns/${namespace}`)) continue;
    for (const pid of must(['ip', 'netns', 'pids', namespace], { optional: true }).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // gone already
      }
    }
    must(['ip', 'netns', 'del', namespace]);
  }
  if (mine.length > 0) rmSync(SCRATCH, { recursive: true, force: true });
}

const isBench = (pid) =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bench/');

/** Waits until `address` answers in the namespace. `patience`: seconds for one answer. */
export async function answers(namespace, address, { timeoutMs = 15_000, program, patience = '0.3' } = {}) {
  await until(
    `${address} answers`,
    async () => {
      if (program?.ended) throw new Error(`${program.argv.join(' ')} ended: ${lastLines(program)}`);
      return (await run(namespace, ['ping', '-6', '-c', '1', '-W', patience, address])).code === 0;
    },
    { timeoutMs, everyMs: 50 },
  );
}

const lastLines = (program) =>
  (program.output.stderr || program.output.stdout).trim().split('\n').slice(-3).join(' | ').slice(-400);

/** A server in a namespace that says `ready` on standard output when it can be used. */
export async function serveIn(namespace, argv, ready) {
  const server = start(namespace, argv);
  await until(`${argv.join(' ')} is ready`, () => {
    if (server.ended) throw new Error(`${argv.join(' ')} ended: ${lastLines(server)}`);
    return server.output.stdout.includes(ready);
  });
  return { server, stop: () => end(server) };
}

/**
 * Sets features of a device (ethtool names) while `body` runs, then sets them back. Names it does not know are left out
 * by ethtool, not an error.
 */
export async function withFeatures(namespace, device, features, body) {
  const set = (value) =>
    exec(namespace, `ethtool -K ${device} ${features.map((f) => `${f} ${value}`).join(' ')}`, { optional: true });
  set('off');
  try {
    return await body();
  } finally {
    set('on');
  }
}
