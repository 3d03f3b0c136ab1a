/**
 * The tables of the path straight from a configuration, in one thread and without a device: for replay and simulation, and
 * wherever a border runs that has no worker. The same compiler and the same path as in production.
 */
import type { SiteConfig } from '../config/site-config.ts';
import { Bindings } from '../ilnp/bindings.ts';
import { LocatorTable } from '../ilnp/locator-table.ts';
import { Pairs } from '../ilnp/pairs.ts';
import { Sessions } from '../ilnp/sessions.ts';
import { native32 } from '../wire/bytes.ts';
import { compile } from './compile.ts';
import { COUNTERS, Fib } from './fib.ts';

export interface TableOptions {
  /** Source of the ICMPv6 errors this border originates, 16 octets; null: it does not answer. */
  readonly outsideAddress: Uint8Array | null;
  readonly insideAddress: Uint8Array | null;
  /** Four numbers of 32 bits; identifiers are chosen by strangers. */
  readonly seeds: readonly [number, number, number, number];
}

export interface Tables {
  readonly fib: Fib;
  readonly bindings: Bindings;
}

/** Everybody where the configuration says, every uplink up. */
export function tablesOf(config: SiteConfig, options: TableOptions): Tables {
  const [a, b, c, d] = options.seeds;
  const bindings = new Bindings(config.limits.bindings, [a, b]);
  const table = new LocatorTable(config.limits.bindings, [c, d]);
  for (const binding of config.bindings) {
    const index = bindings.put({ ...binding, epoch: 0 });
    table.put(native32(binding.nid.hi), native32(binding.nid.lo), index, 0);
  }
  const image = compile(config, bindings, { ...options, uplinkUp: config.uplinks.map(() => true) });
  const sessions = new Sessions(new Int32Array(Sessions.words(config.limits.sessions)), a ^ d);
  const pairs = new Pairs(new ArrayBuffer(Pairs.octets(config.limits.sessions)), b ^ c);
  return { fib: new Fib(image, table, sessions, new Float64Array(COUNTERS), pairs), bindings };
}
