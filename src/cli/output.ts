/** Where sub-commands print. A reader that went away (`ilnp show bindings | head`) ends the output, not the program. */
import { writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { ERROR_CODES, type ErrorCode, IlnpError } from '../runtime/errors.ts';

/** A place for text; `write` resolves when more may follow, so that a million lines are never held in memory. */
export interface Output {
  /** Nobody reads any more. */
  readonly ended?: boolean;
  write(text: string): Promise<void>;
}

/** Prints to a stream with its back-pressure. */
function outputTo(stream: Writable): Output {
  let gone = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    gone = true;
  });
  return {
    get ended() {
      return gone;
    },
    write: (text) =>
      new Promise((resolve) => {
        if (gone) return resolve();
        stream.write(text, () => resolve());
      }),
  };
}

/** Standard output; opened with the first text. */
export const standardOutput: Output = {
  get ended() {
    return opened?.ended ?? false;
  },
  write: (text) => {
    opened ??= outputTo(process.stdout);
    return opened.write(text);
  },
};

let opened: Output | undefined;

/**
 * Ends the program because of an error: `ilnp: E_CODE: message` on standard error, exit code 2 if the user can mend it by
 * writing something else, 1 otherwise. Anything that is not an IlnpError is a fault of ours and shows where.
 */
export function fail(error: unknown): never {
  writeAll(2, `${failure(error)}\n`);
  process.exit(error instanceof IlnpError && USAGE_CODES.has(error.code) ? 2 : 1);
}

/** Writes all of it before the program ends, also into a pipe that takes it slowly. */
export function writeAll(fd: number, text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return; // nobody reads any more
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

const USAGE_CODES: ReadonlySet<ErrorCode> = new Set(['E_USAGE', 'E_CONFIG', 'E_NID']);

/** Gives the text of `fail`; several mistakes of a configuration are one per line. */
export function failure(error: unknown): string {
  if (!(error instanceof IlnpError)) return `ilnp: internal error: ${error instanceof Error ? error.stack : error}`;
  const { code, message } = error;
  return message.includes('\n') ? `ilnp: ${code}: ${ERROR_CODES[code]}\n${message}` : `ilnp: ${code}: ${message}`;
}

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
