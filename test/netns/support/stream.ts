/** A one-way stream of numbered datagrams (probes/stream.py), fast enough for 10,000 a second beside everything else. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Namespaces } from './lab.ts';
import { Probe } from './probe.ts';

const PROBE = fileURLToPath(new URL('../probes/stream.py', import.meta.url));

/** What became of a stream; `gapMs`: the longest silence at the receiver. */
export interface StreamResult {
  readonly sent: number;
  readonly lost: number;
  readonly doubled: number;
  readonly overtaken: number;
  readonly gapMs: number;
}

export interface Stream {
  readonly receiver: Probe<{ received: number; doubled: number; overtaken: number; gapMs: number }>;
  /** Stops the sender, waits for what is on its way, and says what came. */
  end(): Promise<StreamResult>;
}

let nextPort = 7900;

/** Starts a stream of `rate` datagrams a second between two nodes, each with `octets` in it. */
export async function openStream(
  lab: Namespaces,
  {
    from,
    node,
    to,
    rate = 10_000,
    octets = 64,
  }: { from: string; node: string; to: string; rate?: number; octets?: number },
): Promise<Stream> {
  const port = String(nextPort++);
  const start = <T>(at: string, ...args: string[]): Probe<T> =>
    new Probe<T>(
      `stream ${args[0]} in ${at}`,
      spawn('ip', ['netns', 'exec', lab.namespace(at), 'python3', PROBE, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
  const receiver = start<{ received: number; doubled: number; overtaken: number; gapMs: number }>(node, 'recv', port);
  await receiver.said('listening');
  const sender = start<{ sent: number }>(from, 'send', to, port, String(rate), String(octets));
  await sender.said('sending');
  return {
    receiver,
    async end() {
      sender.stop();
      const { sent } = await sender.result();
      receiver.stop();
      const { received, doubled, overtaken, gapMs } = await receiver.result();
      return { sent, lost: sent - received, doubled, overtaken, gapMs };
    },
  };
}
