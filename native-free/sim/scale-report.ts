/** What a border with a million bindings costs, as a table and a picture. */
import { columns } from '../../src/cli/output.ts';
import { COLOURS, FAINT, GRID, LEFT, line, picture, RIGHT, roundStep, text, WIDTH } from './chart.ts';
import type { ScaleResult } from './scale.ts';

/** A result with the processor time of this machine, which is no part of the simulation. */
export type MeasuredScale = ScaleResult & { readonly processorSeconds: number };

const mega = (octets: number): string => (octets / 1e6).toFixed(1);

/** Gives the table as text. */
export const scaleTable = (rows: readonly MeasuredScale[]): string =>
  `${columns(
    [
      'bindings',
      'sites',
      'moves/s',
      'moves done',
      'tables MiB',
      'changes told',
      'messages',
      'signalling Mbyte/s',
      'agreed ms',
      '99 %',
      'all told ms',
      'processor s',
    ],
    rows.map((row) => [
      row.bindings,
      row.sites,
      row.movesPerSecond,
      row.done,
      (row.stateOctets / 2 ** 20).toFixed(0),
      row.changesTold,
      row.messages,
      mega(row.signallingOctets / row.seconds),
      row.agreedMs.toFixed(1),
      row.agreedMs99.toFixed(1),
      row.convergedMs.toFixed(1),
      row.processorSeconds.toFixed(1),
    ]),
  )}\nOne home border; every move is agreed with two sites, then told to all. Times are virtual, 4 ms a round trip and 1 ms a write\nto disk; "processor" is what this machine needed for the run, filling the tables included.\n`;

/** Draws signalling, time until all are told, and processor time as bars. */
export function drawScale(rows: readonly MeasuredScale[]): string {
  const panels = [
    {
      title: 'Signalling of the home border, Mbyte a second',
      value: (r: MeasuredScale) => r.signallingOctets / r.seconds / 1e6,
    },
    {
      title: 'From the last move until every site has heard of all, virtual ms',
      value: (r: MeasuredScale) => r.convergedMs,
    },
    {
      title: 'Processor seconds per virtual second, this machine, filling the tables included',
      value: (r: MeasuredScale) => r.processorSeconds / r.seconds,
    },
  ];
  const height = 150;
  const parts = [
    text(LEFT, 34, `One home border, ${rows[0]?.bindings.toLocaleString('en')} bindings`, { size: 18, bold: true }),
  ];
  parts.push(
    text(
      LEFT,
      55,
      `tables ${((rows[0]?.stateOctets ?? 0) / 2 ** 20).toFixed(0)} MiB; all moves done: ${rows.every((r) => r.moves === r.done) ? 'yes' : 'NO'}`,
      { size: 12, fill: FAINT },
    ),
  );
  let top = 92;
  for (const [p, { title, value }] of panels.entries()) {
    const max = 1.15 * Math.max(0.001, ...rows.map(value));
    const y = (v: number): number => top + 12 + height - (v / max) * height;
    parts.push(text(LEFT, top, title, { bold: true }));
    const step = roundStep(max, 3);
    for (let v = 0; v <= max; v += step) {
      parts.push(line(LEFT, y(v), WIDTH - RIGHT, y(v), v === 0 ? FAINT : GRID));
      parts.push(text(LEFT - 8, y(v) + 4, String(Number(v.toPrecision(3))), { size: 12, fill: FAINT, anchor: 'end' }));
    }
    const slot = (WIDTH - LEFT - RIGHT) / rows.length;
    for (const [i, row] of rows.entries()) {
      const x = LEFT + (i + 0.5) * slot;
      const v = value(row);
      parts.push(
        `<rect x="${(x - 26).toFixed(1)}" y="${y(v).toFixed(1)}" width="52" height="${(y(0) - y(v)).toFixed(1)}" fill="${COLOURS[p]}"/>`,
      );
      parts.push(text(x, y(v) - 5, String(Number(v.toPrecision(3))), { size: 12, anchor: 'middle' }));
      parts.push(
        text(x, y(0) + 17, `${row.sites} sites, ${row.movesPerSecond}/s`, { size: 11, fill: FAINT, anchor: 'middle' }),
      );
    }
    top += height + 62;
  }
  return picture(top, parts);
}
