/** Where and when a run was made: without it a number means nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { must } from './process.mjs';
import { DISTURBED_PERCENT } from './ratios.mjs';

const git = (...words) => must(['git', ...words], { optional: true }).trim();

/** Facts that stay the same during a run. `dirty`: the tree had uncommitted changes of sources. */
export function machine() {
  return {
    at: new Date().toISOString(),
    commit: git('rev-parse', '--short', 'HEAD') || null,
    dirty: git('status', '--porcelain', '--', 'src', 'bench').length > 0,
    kernel: release(),
    node: process.version,
    cpu: cpus()[0]?.model ?? 'unknown',
    processors: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
  };
}

const MS_PER_TICK = 10; // USER_HZ is 100 on every Linux
const KERNEL_THREADS = 2;

/** Milliseconds of processor time of all programs that are not the bench's, those they have ended included. */
function foreignMilliseconds() {
  const parents = new Map();
  const ticks = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(entry), Number(words[1]));
      ticks.set(Number(entry), Number(words[11]) + Number(words[12]) + Number(words[13]) + Number(words[14]));
    } catch {
      // gone meanwhile: its parent has its time
    }
  }
  const isOurs = (pid) => pid === process.pid || (pid > 1 && isOurs(parents.get(pid) ?? 0));
  let total = 0;
  for (const [pid, used] of ticks) {
    if (pid !== KERNEL_THREADS && parents.get(pid) !== KERNEL_THREADS && !isOurs(pid)) total += used;
  }
  return total * MS_PER_TICK;
}

/** Milliseconds all processors have worked for the bench, the kernel's work for nobody in particular included. */
export function ownMilliseconds() {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/ +/)
    .map(Number);
  return (user + nice + system + irq + softirq) * MS_PER_TICK - foreignMilliseconds();
}

/** Runs `body`; returns what it gives and what other programs used meanwhile, in percent of one processor. */
export async function watchingOthers(body) {
  const [used, begin] = [foreignMilliseconds(), performance.now()];
  const value = await body();
  const elapsed = performance.now() - begin;
  return { value, othersPercent: Math.round(((foreignMilliseconds() - used) / elapsed) * 100) };
}

/** Waits until other programs rest, at most `timeoutMs`; returns what they used last, in percent of one processor. */
export async function quiet(timeoutMs) {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { othersPercent } = await watchingOthers(() => wait(500));
    if (othersPercent <= DISTURBED_PERCENT || performance.now() > deadline) return othersPercent;
  }
}

export const load = () => Number(loadavg()[0].toFixed(2));
