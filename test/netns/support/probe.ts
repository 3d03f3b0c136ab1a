/**
 * Probes of `test/netns/probes` as objects: starts one in a namespace, follows what it says, ends it, gives its result.
 * Every probe that a case forgot ends with the test file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { Namespaces } from './lab.ts';
import { until } from './wait.ts';

const PROBES = fileURLToPath(new URL('../probes/', import.meta.url));

/** What the longest silence of a receiver was; times are milliseconds since 1970. */
interface Gap {
  readonly ms: number;
  readonly from: number;
  readonly to: number;
}

interface Timeline {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly longestGap: Gap;
  readonly bucketMs: number;
  readonly buckets: readonly number[];
}

export interface RecordsResult extends Timeline {
  readonly reset: string | null;
  readonly sent: number;
  readonly received: number;
  readonly corrupt: number;
}

export interface BulkResult extends Timeline {
  readonly reset: string | null;
  readonly sent: { readonly octets: number; readonly sha256: string };
  readonly received: { readonly octets: number; readonly sha256: string };
}

export interface UdpResult extends Timeline {
  readonly error: string | null;
  readonly sent: number;
  readonly received: number;
  readonly otherSent: number | null;
  readonly lost: number | null;
  readonly doubled: number;
  readonly overtaken: number;
}

interface Results {
  readonly records: RecordsResult;
  readonly bulk: BulkResult;
  readonly udp: UdpResult;
}

interface Event {
  readonly event: string;
  readonly [field: string]: unknown;
}

const running = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  await until('all probes to end', () => running.size === 0);
});

/** One probe process. */
export class Probe<Result> {
  readonly #what: string;
  readonly #child: ChildProcess;
  readonly #events = new Map<string, Event>();
  #said = '';

  constructor(what: string, child: ChildProcess) {
    this.#what = what;
    this.#child = child;
    running.add(child);
    child.on('exit', () => running.delete(child));
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const event = JSON.parse(line) as Event;
      this.#events.set(event.event, event);
    });
    child.stderr!.on('data', (octets: Buffer) => {
      this.#said += octets.toString();
    });
  }

  /** Resolves when the probe has said `event` (the newest of that name). */
  async said(event: string, limitMs?: number): Promise<Event> {
    return until(
      `${this.#what} to say "${event}"`,
      () => {
        const found = this.#events.get(event);
        if (found === undefined && this.#child.exitCode !== null) throw new Error(`${this.#what} ended: ${this.#said}`);
        return found;
      },
      limitMs,
    );
  }

  /** What has arrived so far: records, octets or datagrams. */
  get received(): number {
    return Number(this.#events.get('progress')?.received ?? 0);
  }

  /** Resolves when `more` has arrived beyond what is there now. */
  async receives(more: number, limitMs?: number): Promise<void> {
    const before = this.received;
    await until(`${this.#what} to receive ${more} more than ${before}`, () => this.received >= before + more, limitMs);
  }

  /** Asks the probe to end its session. */
  stop(): void {
    this.#child.kill('SIGTERM');
  }

  /** The result, once the session is over. */
  async result(limitMs = 20_000): Promise<Result> {
    return (await this.said('result', limitMs)) as unknown as Result;
  }
}

/** Starts a probe program in the namespace of `node`. */
export function startProbe<Kind extends keyof Results>(
  lab: Namespaces,
  node: string,
  kind: Kind,
  ...args: string[]
): Probe<Results[Kind]> {
  const child = spawn('ip', ['netns', 'exec', lab.namespace(node), process.execPath, `${PROBES}${kind}.mjs`, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new Probe(`${kind} ${args[0]} in ${node}`, child);
}

/** Where a session goes: `to` is the address that the connecting end uses. */
export interface Ends {
  readonly listener: string;
  readonly connector: string;
  readonly to: string;
  /** Source address of the connecting end. */
  readonly from?: string;
  readonly port?: number;
}

/** A probe session with both ends. */
export interface Session<Result> {
  readonly listener: Probe<Result>;
  readonly connector: Probe<Result>;
  /** Ends the session from the connecting end; results of both ends. */
  end(limitMs?: number): Promise<{ listener: Result; connector: Result }>;
}

let nextPort = 7000;

/** Opens a session between two nodes and resolves when it is established at the connecting end. */
export async function openSession<Kind extends keyof Results>(
  lab: Namespaces,
  kind: Kind,
  ends: Ends,
  args: { listener?: readonly string[]; connector?: readonly string[] } = {},
): Promise<Session<Results[Kind]>> {
  const port = String(ends.port ?? nextPort++);
  const listener = startProbe(lab, ends.listener, kind, 'listen', '--port', port, ...(args.listener ?? []));
  await listener.said('listening');
  const local = ends.from === undefined ? [] : ['--local', ends.from];
  const connector = startProbe(
    lab,
    ends.connector,
    kind,
    'connect',
    '--host',
    ends.to,
    '--port',
    port,
    ...local,
    ...(args.connector ?? []),
  );
  await connector.said('established');
  return {
    listener,
    connector,
    async end(limitMs) {
      connector.stop();
      return { connector: await connector.result(limitMs), listener: await listener.result(limitMs) };
    },
  };
}
