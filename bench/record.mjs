/** What a run leaves: tables for the reader, all numbers as JSON, a picture, and a line of history. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OUT } from './anchors.mjs';
import { installed, must } from './process.mjs';
import { isDisturbed } from './ratios.mjs';
import { historyLine, targetTable, valueTable } from './report.mjs';

const HISTORY = fileURLToPath(new URL('./history.jsonl', import.meta.url));

/** `head`: of the table of judged rows; `tables`: of rows.mjs; `variants`: their names in order. */
export function print({ results, judged }, { head, tables, variants }) {
  for (const shape of tables) {
    const text = valueTable(results, shape, variants);
    if (text !== '') console.log(`${text}\n`);
  }
  console.log(targetTable(judged, head));
  const disturbed = results.filter(isDisturbed);
  const worst = Math.max(0, ...disturbed.map(({ othersPercent }) => othersPercent));
  const how = disturbed.length > 0 ? `, the worst by ${worst} % of a processor` : '';
  console.log(`${disturbed.length} of ${results.length} measurements were disturbed by other programs${how}`);
}

/** `name`: of the bench, unless it is that of the border; `picture`: SVG. Returns where the numbers are. */
export function writeFiles(record, { name, picture } = {}) {
  mkdirSync(OUT, { recursive: true });
  const stem = `${OUT}${name ? `${name}-` : ''}${record.machine.at.replace(/[:.]/g, '-')}`;
  writeFileSync(`${stem}.json`, `${JSON.stringify(record, null, 1)}\n`);
  if (picture) {
    for (const file of [stem, `${OUT}latest`]) writeFileSync(`${file}.svg`, picture);
    if (installed('rsvg-convert')) must(['rsvg-convert', '-o', `${OUT}latest.png`, `${OUT}latest.svg`]);
  }
  if (record.options.history) appendFileSync(HISTORY, `${historyLine(record, name)}\n`);
  return `${stem}.json`;
}
