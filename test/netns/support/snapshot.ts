/** Everything that a border may have changed in the kernel of its namespace, as text that can be compared. */
import { expect } from 'vitest';
import type { Lab } from './lab.ts';

const VIEWS: readonly (readonly string[])[] = [
  ['ip', '-6', 'rule', 'show'],
  ['ip', '-4', 'rule', 'show'],
  ['ip', '-6', 'route', 'show', 'table', 'all'],
  ['ip', '-4', 'route', 'show', 'table', 'all'],
  ['ip', 'addr', 'show'],
  ['ip', '-6', 'neigh', 'show', 'proxy'],
  ['sysctl', '-a', '--pattern', '^net\\.ipv[46]\\.(conf|route|icmp|neigh|ip_forward)'],
];

/**
 * Anycast addresses of routers (RFC 4291 section 2.6.1) are the kernel's own affair: when forwarding ends while it still
 * looks whether an address is unique, it may keep one.
 */
const KERNELS_OWN = /^anycast .* proto kernel .*\n/gm;

/** A snapshot of the namespace of `node`: the views' outputs one after the other. */
export async function snapshot(lab: Pick<Lab, 'run'>, node: string): Promise<string> {
  const parts: string[] = [];
  for (const view of VIEWS) {
    const { stdout } = await lab.run(node, ...view);
    parts.push(`# ${view.join(' ')}\n${stdout.replace(KERNELS_OWN, '')}`);
  }
  return parts.join('\n');
}

/**
 * The namespace looks again as it did, in whatever order the kernel lists what was made anew. Reason for the second of
 * patience: the kernel tears down an io_uring, which holds the TUN, some milliseconds after its process has ended.
 */
export async function expectAsBefore(
  lab: Pick<Lab, 'run'>,
  node: string,
  before: string,
  timeout = 1000,
): Promise<void> {
  const sorted = (text: string) => text.split('\n').sort();
  await expect.poll(async () => sorted(await snapshot(lab, node)), { timeout, interval: 50 }).toEqual(sorted(before));
}
