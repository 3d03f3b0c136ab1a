/** Everything the move machine needs of the world, so that the same machine runs over TLS, in memory, in a simulator. */
import type { PolicyRule } from '../config/site-config.ts';
import type { Binding, Bindings } from '../ilnp/bindings.ts';
import type { KeepCounts, KeepOrder } from '../ilnp/keeping.ts';
import type { Nid } from '../wire/text.ts';
import type { Recorder } from './binding-writer.ts';
import type { Change, Reply, Request } from './messages.ts';
import type { MoveReport } from './move-report.ts';

/** The bindings as this border knows them now. */
export type BindingsView = Pick<Bindings, 'get' | 'all'>;

/**
 * Switches bindings in the store and in every worker's table, between two batches; resolves when all have switched. Calls
 * `onOrdered` as soon as what is ordered from then on (`keep`) comes after the switch in every worker, if that is earlier.
 */
type ApplyBindings = (bindings: readonly Binding[], onOrdered: () => void) => Promise<void>;

/** Time as an argument. */
export interface MovesClock {
  /** Microseconds since an arbitrary start, never decreasing. */
  now(): number;
  /** Calls `run` once after `ms` milliseconds unless the returned function was called before. */
  after(ms: number, run: () => void): () => void;
}

/**
 * Asks another site. Rejects with PeerError if there is no answer (`sent` false: it certainly never got the request), or
 * with the IlnpError it answered.
 */
export type SendRequest = (site: string, request: Request, timeoutMs?: number) => Promise<Reply>;

/** What the moves ask of the registries. */
export interface RegistryView {
  /** A registry tells everybody where this identifier is, so that we need not. */
  readonly has: (nid: Nid) => boolean;
  /** What they had at the start is known here. */
  readonly isSynced: () => boolean;
  /** Why one that was not heard yet is not to be had; null: not known. */
  readonly problem: () => string | null;
  /** The last decision about it, when that was not answered: it may have been made. Null: it was, or there is none. */
  readonly doubtOf: (nid: Nid) => Change | null;
  /** Resolves when the registry of this identifier answers now; rejects with why it does not. */
  readonly ask: (nid: Nid) => Promise<unknown>;
}

export interface MovesWorld {
  /** Name of this site. */
  readonly site: string;
  readonly bindings: BindingsView;
  readonly apply: ApplyBindings;
  /** A binding may be like this soon: what takes time is done now. Nothing changes. */
  readonly foresee: (binding: Binding) => Promise<void>;
  readonly record: Recorder;
  /** Absent: no registry, homes decide alone. */
  readonly registry?: RegistryView;
  /** Keeps packets of a guest on the move in every worker, or lets them go; resolves when that is so. */
  readonly keep: (nid: Nid, order: KeepOrder) => Promise<KeepCounts>;
  /** How long packets may wait for a commit to begin, as configured now. */
  readonly holdMs: () => number;
  /** Where moves of our identifiers are reported. */
  readonly reports: { add(report: Omit<MoveReport, 'id'>): void };
  readonly send: SendRequest;
  /** A site can be asked, as far as is known here. */
  readonly isConnected: (site: string) => boolean;
  /** Where guests may be and who may move them, as configured now. */
  readonly policy: () => readonly PolicyRule[];
  /** Names of the other sites as configured now. */
  readonly peers: () => Iterable<string>;
  readonly clock: MovesClock;
  /** Microseconds since 1970, of the clock that also dates kept packets. */
  readonly wall: () => number;
  /** Octets so far, both ways, on the connections this border opened: each exchange counts where it was asked. */
  readonly octets: () => number;
  readonly log: SitesLog;
}

/** Whether this border knows a site of that name. */
export function knowsSite({ site, peers }: Pick<MovesWorld, 'site' | 'peers'>, name: string): boolean {
  if (name === site) return true;
  for (const peer of peers()) if (peer === name) return true;
  return false;
}

/** The part of a pino logger that the control plane uses. */
export interface SitesLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
