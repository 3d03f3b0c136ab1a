/** Packets published octet for octet (test/vectors/ilnpv6.json). */
import { readFileSync } from 'node:fs';

interface Vector {
  readonly name: string;
  readonly description: string;
  readonly source: string;
  readonly hex: string;
}

const file = JSON.parse(readFileSync(new URL('../vectors/ilnpv6.json', import.meta.url), 'utf8')) as {
  readonly vectors: readonly Vector[];
};

const byName = new Map(file.vectors.map((v) => [v.name, v]));

/** The octets of the vector `name`. */
export function vector(name: string): Uint8Array {
  const found = byName.get(name);
  if (found === undefined) throw new RangeError(`no such vector: ${name}`);
  return Uint8Array.from(Buffer.from(found.hex, 'hex'));
}
