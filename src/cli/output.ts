/** Where sub-commands print. A reader that went away (`ilnp show bindings | head`) ends the output, not the program. */
import type { Writable } from 'node:stream';

/** A place for text; `write` resolves when more may follow, so that a million lines are never held in memory. */
export interface Output {
  write(text: string): Promise<void>;
}

/** Prints to a stream with its back-pressure. */
export function outputTo(stream: Writable): Output {
  let gone = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    gone = true;
  });
  return {
    write: (text) =>
      new Promise((resolve) => {
        if (gone) return resolve();
        stream.write(text, () => resolve());
      }),
  };
}

/** Standard output; opened with the first text. */
export const standardOutput: Output = {
  write: (text) => {
    opened ??= outputTo(process.stdout);
    return opened.write(text);
  },
};

let opened: Output | undefined;

/** Gives rows as text with aligned columns, two spaces between them, the header first; numbers are aligned right. */
export function columns(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return alignedTo(widths(header, rows), header, rows);
}

/** Gives the width of each column. */
export function widths(header: readonly string[], rows: readonly (readonly (string | number)[])[]): number[] {
  return header.map((name, i) => rows.reduce((widest, row) => Math.max(widest, String(row[i]).length), name.length));
}

/** Gives rows as text with columns of at least these widths; without a header line if `header` is undefined. */
export function alignedTo(
  widthOf: readonly number[],
  header: readonly string[] | undefined,
  rows: readonly (readonly (string | number)[])[],
): string {
  const line = (row: readonly (string | number)[]): string =>
    row
      .map((cell, i) => (typeof cell === 'number' ? String(cell).padStart(widthOf[i]!) : cell.padEnd(widthOf[i]!)))
      .join('  ')
      .trimEnd();
  return [...(header === undefined ? [] : [header]), ...rows].map((row) => `${line(row)}\n`).join('');
}
