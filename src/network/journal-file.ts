/**
 * Where the set-up of a gateway or an end system is written down, for whoever comes after a crash: a file of the network
 * namespace that was set up, whatever the next configuration there is called.
 */
import { readlinkSync } from 'node:fs';

/** The file in `folder`, e.g. `/run/ilnp/gateway-4026531840.undo`: the number is what `lsns -t net` shows. */
export function journalFile(folder: string, kind: 'gateway' | 'end-system'): string {
  const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/net'))?.[0];
  return `${folder}/${kind}-${namespace}.undo`;
}
