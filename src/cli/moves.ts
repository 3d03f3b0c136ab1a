/** `ilnp moves`: what moves did, of the identifiers whose home is at the border that is asked. */
import type { Command } from 'commander';
import { ControlClient } from '../runtime/control-client.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { MoveReport } from '../sites/move-report.ts';
import { MOVE_COLUMNS, moveRow, timelineOf } from './moves-text.ts';
import { alignedTo, type Output, standardOutput, widths } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';
import { wholeUpTo } from './whole.ts';

interface MovesOptions extends SocketOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly timeline?: boolean;
  readonly limit: number;
}

/** How long one question waits for the next move. */
const WAIT_MS = 20_000;
/** Reports that a border keeps at most. */
const ALL = 1000;

/** Adds the sub-command to the program. */
export function registerMoves(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('moves')
      .description('show what moves did: when which step was done, what became of the packets')
      .argument('[id]', 'only this move, with its timeline', wholeUpTo(Number.MAX_SAFE_INTEGER))
      .option('--timeline', 'each with its timeline')
      .option('--json', 'one JSON object per line')
      .option('--watch', 'go on with moves as they are over')
      .option('--limit <n>', 'at first, the last so many', wholeUpTo(ALL), 20),
  ).action(async (id: number | undefined, options: MovesOptions) => {
    const client = await ControlClient.connect(await socketOf(options));
    const ask = async (after: number, limit: number, waitMs: number): Promise<readonly MoveReport[]> =>
      (await client.call('moves', { after, limit, waitMs })) as readonly MoveReport[];
    const print = printerTo(out, { ...options, timeline: options.timeline === true || id !== undefined });
    try {
      if (id !== undefined) {
        const found = (await ask(id - 1, ALL, 0)).find((report) => report.id === id);
        if (found === undefined)
          throw new IlnpError('E_USAGE', `no move ${id} is kept; ilnp moves lists those that are`);
        return await print([found]);
      }
      let after = 0;
      let waitMs = 0;
      do {
        const moves = await ask(after, waitMs === 0 ? options.limit : ALL, waitMs); // of those that come, none is passed over
        if (moves.length > 0 || waitMs === 0) await print(moves);
        after = moves.at(-1)?.id ?? after;
        waitMs = WAIT_MS;
      } while (options.watch && !out.ended);
    } finally {
      client.close();
    }
  });
}

/** Prints reports as they come; columns of the table keep the widths that the first ones gave them. */
function printerTo(out: Output, { json, timeline }: Pick<MovesOptions, 'json' | 'timeline'>) {
  let widthOf: number[] | undefined;
  let isFirst = true;
  return async (moves: readonly MoveReport[]): Promise<void> => {
    if (json) return await out.write(moves.map((report) => `${JSON.stringify(report)}\n`).join(''));
    if (timeline) {
      for (const report of moves) {
        await out.write(`${isFirst ? '' : '\n'}${timelineOf(report)}\n`);
        isFirst = false;
      }
      return;
    }
    const rows = moves.map(moveRow);
    const header = widthOf === undefined ? MOVE_COLUMNS : undefined;
    widthOf ??= widths(MOVE_COLUMNS, rows);
    await out.write(alignedTo(widthOf, header, rows));
  };
}
