/** Echo requests, one every millisecond, that a kernel answers: what came back, from the output of ping(8). */
import { spawn } from 'node:child_process';
import type { Namespaces } from './lab.ts';
import { until } from './wait.ts';

interface PingsResult {
  readonly sent: number;
  readonly lost: number;
  readonly doubled: number;
  readonly overtaken: number;
  /** Longest time without an answer. */
  readonly longestGapMs: number;
}

export interface Pings {
  /** Resolves when `more` answers have arrived from now on. */
  receives(more: number): Promise<void>;
  end(): Promise<PingsResult>;
}

export function openPings(lab: Namespaces, node: string, to: string): Pings {
  const child = spawn('ip', ['netns', 'exec', lab.namespace(node), 'ping', '-n', '-D', '-i', '0.001', to], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const seen = new Set<number>();
  let highest = 0;
  let doubled = 0;
  let overtaken = 0;
  let lastAt = 0;
  let longestGapMs = 0;
  let cycle = 0;
  let held = '';
  child.stdout!.on('data', (text: Buffer) => {
    held += text.toString();
    const lines = held.split('\n');
    held = lines.pop()!;
    for (const line of lines) {
      const found = line.match(/^\[([\d.]+)\] .*icmp_seq=(\d+)/);
      if (found === null) continue;
      const at = Number(found[1]) * 1000;
      if (lastAt > 0) longestGapMs = Math.max(longestGapMs, at - lastAt);
      lastAt = at;
      let number = Number(found[2]) + cycle;
      if (number < highest - 0x8000) {
        cycle += 0x10000; // the field has 16 bits
        number += 0x10000;
      }
      if (seen.has(number)) doubled++;
      else if (number < highest) overtaken++;
      seen.add(number);
      highest = Math.max(highest, number);
    }
  });
  let said = '';
  child.stderr!.on('data', (text: Buffer) => {
    said += text.toString();
  });
  return {
    async receives(more) {
      const before = seen.size;
      await until(`${more} more answers from ${to} than ${before} ${said}`, () => seen.size >= before + more);
    },
    async end() {
      // those on their way do not count: the highest number that was answered is the last one
      child.kill('SIGINT');
      await until('ping to end', () => child.exitCode !== null || child.signalCode !== null);
      return { sent: highest, lost: highest - seen.size, doubled, overtaken, longestGapMs };
    },
  };
}
