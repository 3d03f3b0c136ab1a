/** The result of a run for people: what lived, what the moves cost, what was dropped and why. */
import { columns } from '../../src/cli/output.ts';
import type { RunResult } from './run.ts';

/** Moves that are listed; of more, the first and a summary. */
const MOVES_LISTED = 12;

const seconds = (us: number): string => `${(us / 1e6).toFixed(3)} s`;
const ms = (value: number): string => `${value.toFixed(1)} ms`;

/** Gives the report as text; `again`: the command that repeats this run. */
export function reportOf(result: RunResult, again: string): string {
  const { moves, sessions } = result;
  const text = [`${result.title}\n`, `seed ${result.seed}, ${result.virtualSeconds.toFixed(1)} virtual seconds, `];
  text.push(`${result.events} events, trace ${result.trace}\n\n`);
  text.push(
    columns(
      ['session', 'lived', 'octets', 'repeated segments', 'lost', 'twice', 'longest silence'],
      sessions.map((one) => [
        one.name,
        one.lived ? 'yes' : `NO: ${one.why}`,
        one.octets,
        one.retransmits,
        one.sent === 0 ? '-' : `${one.lost} of ${one.sent}`,
        one.repeated,
        `${one.gapMs} ms`,
      ]),
    ),
  );
  for (const { name, ways } of sessions) for (const way of ways) text.push(`${name}: ${way}\n`);
  if (moves.length > 0) {
    text.push(
      '\n',
      columns(
        ['move', 'at', 'state', 'borders agreed in', 'signalling'],
        moves
          .slice(0, MOVES_LISTED)
          .map((one) => [
            `${one.guest} ${one.from || 'nowhere'} to ${one.to}`,
            seconds(one.at),
            one.state === 'done' ? 'done' : `${one.state}: ${one.why}`,
            one.state === 'done' ? ms(one.agreementMs) : '-',
            one.state === 'done' ? `${one.octets} octets` : '-',
          ]),
      ),
    );
    if (moves.length > MOVES_LISTED) text.push(`... ${moves.length - MOVES_LISTED} more\n`);
    const done = moves.filter((one) => one.state === 'done');
    text.push(`${done.length} of ${moves.length} moves done, ${result.controlOctets} octets of signalling in all\n`);
  }
  text.push('\n', columns(['border', 'packets', ''], borderRows(result)));
  const links = Object.entries(result.links)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`);
  text.push(`\nlinks: ${links.join(', ')}\n\n`);
  if (result.ok) {
    text.push(sessions.length > 0 ? 'every session lived and every promise was kept\n' : 'every promise was kept\n');
  } else {
    text.push('the last events before the end:\n', ...result.last.map((line) => `  ${line}\n`), '\n');
    for (const failure of result.failures) text.push(`FAILED: ${failure}\n`);
    text.push(`again: ${again}\n`);
  }
  return text.join('');
}

function borderRows({ borders }: RunResult): (string | number)[][] {
  return Object.entries(borders).flatMap(([name, counters]) =>
    Object.entries(counters).map(([counter, count]) => [name, count, counter]),
  );
}
