/** Where and when a run was made: without it a number means nothing. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { must } from './process.mjs';

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

function processorTimes() {
  const [user, nice, system, idle, ioWait, irq, softIrq, steal] = readFileSync('/proc/stat', 'utf8')
    .split('\n')[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { total: user + nice + system + idle + ioWait + irq + softIrq + steal, idle: idle + ioWait, steal };
}

/**
 * How busy the machine is while the bench does nothing for half a second: what others take away from the numbers, in
 * percent of all processors, and the hypervisor's share.
 */
export async function noise() {
  const before = processorTimes();
  await wait(500);
  const after = processorTimes();
  const total = Math.max(1, after.total - before.total);
  return {
    othersPercent: Math.round((1 - (after.idle - before.idle) / total) * 100),
    stealPercent: Math.round(((after.steal - before.steal) / total) * 100),
    load: Number(loadavg()[0].toFixed(2)),
  };
}
