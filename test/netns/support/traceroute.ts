/** Runs traceroute in a namespace and gives what it found. */
import type { Lab } from './lab.ts';

/** Address of every hop, the last being the destination; null where nobody answered. */
export async function traceroute(
  lab: Pick<Lab, 'exec'>,
  node: string,
  to: string,
  ...options: string[]
): Promise<(string | null)[]> {
  const said = await lab.exec(
    node,
    'traceroute',
    '-6',
    '-n',
    '-q',
    '1',
    '-N',
    '1',
    '-w',
    '2',
    '-m',
    '10',
    ...options,
    to,
  );
  return said
    .split('\n')
    .filter((line) => /^\s*\d+\s/.test(line))
    .map((line) => line.trim().split(/\s+/)[1]!)
    .map((address) => (address === '*' ? null : address));
}
