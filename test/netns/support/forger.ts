/** An attacker: forged packets at a steady rate (probes/forge.py), and how much memory who is attacked has meanwhile. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Namespaces } from './lab.ts';
import { Probe } from './probe.ts';

const FORGE = fileURLToPath(new URL('../probes/forge.py', import.meta.url));
/** Every source of the forger within it is another one; template of all of them. */
export const FORGED_NET = '2001:db8:bad::/48';
export const FORGED = '2001:db8:bad::ffff:0:ffff';

export interface ForgeResult {
  readonly sent: number;
  readonly refused: number;
  readonly seconds: number;
}

/** Begins to send; `expressions`: packets, see forge.py. */
export async function startForger(
  lab: Namespaces,
  node: string,
  { rate, seconds, expressions }: { rate: number; seconds: number; expressions: readonly string[] },
): Promise<Probe<ForgeResult>> {
  const words = ['nice', '-n', '10', '/usr/bin/python3', FORGE, String(rate), String(seconds), ...expressions];
  const child = spawn('ip', ['netns', 'exec', lab.namespace(node), ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  const forger = new Probe<ForgeResult>(`the forger in ${node}`, child);
  await forger.said('sending');
  return forger;
}

/** Memory that a process has in use, all its threads together; octets. */
export function residentOctets(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

/** Watches the memory of a process until told to stop; the largest value seen. */
export function watchMemory(pid: number): () => number {
  let most = residentOctets(pid);
  const timer = setInterval(() => {
    most = Math.max(most, residentOctets(pid));
  }, 100);
  return () => {
    clearInterval(timer);
    return Math.max(most, residentOctets(pid));
  };
}
