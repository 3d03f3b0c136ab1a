/** `ilnp trace`: the next packets of a running end system, with what was decided and why. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import type { TraceReply } from '../host/messages.ts';
import { ControlClient } from '../runtime/control-client.ts';
import { MAX_TRACE } from '../runtime/control-methods.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';
import { ofWhoHas } from './who-has.ts';
import { wholeUpTo } from './whole.ts';

interface TraceOptions extends SocketOptions {
  readonly count: number;
  readonly json?: boolean;
}

type TracedDecision = TraceReply['packets'][number];

const POLL_MS = 100;

/** Adds the sub-command to the program. */
export function registerTrace(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('trace')
      .description('show the next packets of a running end system, before and after, and what was decided')
      .option('--count <n>', 'how many packets', wholeUpTo(MAX_TRACE), 10)
      .option('--json', 'one JSON object per line'),
  ).action(async (options: TraceOptions) => {
    const client = await ControlClient.connect(await socketOf(options));
    try {
      const { trace } = await ofWhoHas('trace', async () => {
        return (await client.call('trace', { count: options.count })) as { trace: number };
      });
      for (let left = options.count; left > 0 && !out.ended; ) {
        const reply = (await client.call('traced', { trace })) as TraceReply;
        left = reply.left;
        if (reply.packets.length > 0)
          await out.write(reply.packets.map((packet) => (options.json ? line(packet) : text(packet))).join(''));
        else if (left > 0) await wait(POLL_MS);
      }
    } finally {
      client.close();
    }
  });
}

const line = (packet: TracedDecision): string => `${JSON.stringify(packet)}\n`;

const text = ({ way, verdict, why, before, after }: TracedDecision): string =>
  [
    `${way}: ${verdict}: ${why}`,
    `  before  ${before.text}`,
    ...(after === null ? [] : [`  after   ${after.text}`]),
    '',
  ].join('\n');
