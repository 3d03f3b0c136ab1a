/**
 * Programs the bench starts: each is known by its id, bounded in time and ended when the bench ends, however it ends.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TAIL_CHARACTERS = 1_000_000; // of each output stream; an iperf3 report of a few seconds is far below
const GRACE_MS = 3000;

const running = new Set();
let ending = false;

/** The command that runs `argv` in a network namespace; the namespace tool replaces itself, so the id is the program's. */
const inside = (namespace, argv) => (namespace ? ['ip', 'netns', 'exec', namespace, ...argv] : argv);

/**
 * Starts a program; `output.stdout` and `output.stderr` grow while it runs, `exited` resolves to its exit code (or signal).
 */
export function start(namespace, argv, options = {}) {
  if (ending) throw new Error('the bench is ending');
  const [command, ...rest] = inside(namespace, argv);
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8');
    child[stream].on('data', (text) => {
      output[stream] = (output[stream] + text).slice(-TAIL_CHARACTERS);
    });
  }
  const program = { pid: child.pid, child, output, argv, ended: false, exited: undefined };
  program.exited = new Promise((resolve) => {
    const done = (how) => {
      program.ended = true;
      running.delete(program);
      resolve(how);
    };
    child.on('error', (error) => {
      output.stderr += error.message;
      done(127);
    });
    child.on('close', (code, signal) => done(code ?? signal));
  });
  running.add(program);
  return program;
}

/** Runs a program to its end; past `timeoutMs` it is killed. Returns the exit code and both outputs. */
export async function run(namespace, argv, { timeoutMs = 10_000, ...options } = {}) {
  const program = start(namespace, argv, options);
  const timer = setTimeout(() => program.child.kill('SIGKILL'), timeoutMs);
  const code = await program.exited;
  clearTimeout(timer);
  return { code, stdout: program.output.stdout, stderr: program.output.stderr };
}

/** Ends one program by its id and waits until it is gone. */
export async function end(program, signal = 'SIGTERM') {
  if (program.ended) return;
  program.child.kill(signal);
  const timer = setTimeout(() => program.child.kill('SIGKILL'), GRACE_MS);
  await program.exited;
  clearTimeout(timer);
}

/** Ends every program the bench has started; none can be started any more. */
export async function endAll() {
  ending = true;
  await Promise.all([...running].map((program) => end(program)));
}

/** Runs a short set-up command; throws with what it printed when it fails, unless `optional`. */
export function must(argv, { optional = false, input } = {}) {
  const result = spawnSync(argv[0], argv.slice(1), { encoding: 'utf8', timeout: 20_000, input });
  if (result.status !== 0 && !optional) {
    const why = result.error?.message ?? result.stderr.trim();
    throw new Error(`${argv.join(' ')}: ${why}`);
  }
  return result.stdout ?? '';
}

/** True when `name` is a program in the path. */
export const installed = (name) => spawnSync('sh', ['-c', `command -v "$1"`, 'sh', name]).status === 0;

/** Whether `ilnp sbr` or `ilnp shim` has said that it is ready. */
export const saysReady = ({ output }) => `${output.stdout}${output.stderr}`.includes('"msg":"ready"');

/** Waits until `holds()` is true (it may be asynchronous); throws what was waited for when `timeoutMs` is over. */
export async function until(what, holds, { timeoutMs = 5000, everyMs = 20 } = {}) {
  const deadline = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Nanoseconds of processor time of all threads of the given processes, kernel work done in their name included. */
export function cpuNanoseconds(pids) {
  let total = 0;
  for (const pid of pids) {
    try {
      for (const task of readdirSync(`/proc/${pid}/task`)) {
        total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
      }
    } catch {
      // a thread or process that ended between the two reads has nothing to add
    }
  }
  return total;
}
