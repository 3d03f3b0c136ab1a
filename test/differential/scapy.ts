/** Transport checksums as scapy judges them (checksums.py). */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { withCapture } from './tshark.ts';

const PYTHON = '/usr/bin/python3'; // Debian's own, for which python3-scapy is installed
const SCRIPT = fileURLToPath(new URL('checksums.py', import.meta.url));

/** `zeroed`: right when Locators are left out; `part`: of a fragment; `unknown`: behind something scapy does not know, or cut. */
export type Opinion = 'right' | 'zeroed' | 'wrong' | 'none' | 'part' | 'unknown';

/** Version of the scapy that is installed, or null. */
export function scapyVersion(): string | null {
  const { status, stdout } = spawnSync(PYTHON, ['-c', 'import scapy; print(scapy.__version__)'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

/** What scapy says of every packet. */
export function opinions(packets: readonly Uint8Array[]): Opinion[] {
  return withCapture(packets, (path) => {
    const { status, stdout, stderr } = spawnSync(PYTHON, [SCRIPT, path], { encoding: 'utf8', maxBuffer: 1 << 26 });
    if (status !== 0) throw new Error(`${SCRIPT} ended with ${status}: ${stderr}`);
    return (JSON.parse(stdout) as Opinion[][])[0]!;
  });
}
