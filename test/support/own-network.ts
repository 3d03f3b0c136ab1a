/** A network of our own for the whole test process: what a test sets up in it vanishes with the process. */
import { execFileSync } from 'node:child_process';
import koffi from 'koffi';

const CLONE_NEWNET = 0x40000000;

export const isRoot = process.getuid?.() === 0;

/** Moves this process into a new, empty network namespace; call it before threads are started. */
export function enterOwnNetwork(): void {
  const unshare = koffi.load('libc.so.6').func('int unshare(int flags)') as (flags: number) => number;
  if (unshare(CLONE_NEWNET) !== 0) throw new Error(`unshare: errno ${koffi.errno()}`);
  ip('link set lo up');
}

/** Runs ip(8), IPv6. */
export function ip(words: string): void {
  execFileSync('ip', ['-6', ...words.split(' ')], { stdio: ['ignore', 'ignore', 'pipe'] });
}
