/** `ilnp moves`: what moves did, of the identifiers whose home is at the border that is asked. */
import type { Command } from 'commander';
import { ControlClient } from '../runtime/control-client.ts';
import { type MoveReport, STEPS } from '../sites/move-report.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';
import { wholeUpTo } from './whole.ts';

interface MovesOptions extends SocketOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly limit: number;
}

/** How long one question waits for the next move. */
const WAIT_MS = 20_000;

/** Adds the sub-command to the program. */
export function registerMoves(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('moves')
      .description('show what moves did: when which step was done, what became of the packets')
      .option('--json', 'one JSON object per line')
      .option('--watch', 'go on with moves as they are over')
      .option('--limit <n>', 'the last so many', wholeUpTo(1000), 20),
  ).action(async (options: MovesOptions) => {
    const client = await ControlClient.connect(await socketOf(options));
    try {
      let after = 0;
      let waitMs = 0;
      do {
        const moves = (await client.call('moves', { after, limit: options.limit, waitMs })) as readonly MoveReport[];
        for (const report of moves) {
          await out.write(`${options.json ? JSON.stringify(report) : textOf(report)}\n`);
          after = report.id;
        }
        waitMs = WAIT_MS;
      } while (options.watch && !out.ended);
    } finally {
      client.close();
    }
  });
}

/** A report in three lines: what, when, packets. */
function textOf(report: MoveReport): string {
  const { id, nid, from, to, outcome, why, by, askedAt, timeline, packets, octets } = report;
  const way = outcome === 'moved' ? `${from} to ${to}` : `stays at ${from}`;
  const lines = [`${id}  ${new Date(askedAt / 1000).toISOString()}  ${nid}  ${outcome}: ${way}, asked by ${by}`];
  if (why !== null) lines.push(`    ${why}`);
  const times = STEPS.map((step) => [step, timeline[step]] as const).filter(([, time]) => time !== null);
  times.sort(([, a], [, b]) => a! - b!);
  lines.push(`    us: asked 0${times.map(([step, time]) => `, ${wordsOf[step]} ${time}`).join('')}`);
  const { held, lost, expired, replayed, sentOn } = packets;
  const counts = `held ${held}, lost ${lost}, expired ${expired}, sent twice ${replayed}, by the old site ${sentOn}`;
  lines.push(`    packets: ${counts}; ${octets} octets of signalling`);
  return lines.join('\n');
}

const wordsOf: Readonly<Record<(typeof STEPS)[number], string>> = {
  prepared: 'prepared',
  held: 'held',
  paused: 'paused',
  resumed: 'resumed',
  committed: 'committed',
  firstPacket: 'first packet at the new site',
  acknowledged: 'first acknowledged update',
  released: 'released',
  drained: 'drained',
};
