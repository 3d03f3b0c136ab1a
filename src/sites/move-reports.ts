/**
 * Reports of moves, `<state>/<site>.reports.jsonl`: the last ones, kept over restarts. Written when the move is over and
 * without waiting for the disk; nothing depends on them.
 */
import { readFileSync } from 'node:fs';
import { appendFile, rename, writeFile } from 'node:fs/promises';
import { makeFolder } from '../runtime/folder.ts';
import type { MoveReport } from './move-report.ts';

/** Reports that are kept. Reason: some hundred octets each, more than anybody reads. */
const KEPT = 1000;

export class MoveReports {
  readonly path: string;
  readonly #warn: (message: string) => void;
  #reports: MoveReport[] = [];
  #lines = 0;
  #writing: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];

  /** Reads what there is; lines that are no reports are passed over. */
  constructor(state: string, site: string, warn: (message: string) => void) {
    this.path = `${state}/${site}.reports.jsonl`;
    this.#warn = warn;
    try {
      makeFolder(state, 0o700);
      const lines = readFileSync(this.path, 'utf8').split('\n');
      this.#lines = lines.length - 1;
      this.#reports = lines.flatMap(readReport).slice(-KEPT);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') warn(`${this.path}: ${(error as Error).message}`);
    }
  }

  add(report: Omit<MoveReport, 'id'>): void {
    const id = (this.#reports.at(-1)?.id ?? 0) + 1;
    this.#reports.push({ id, ...report });
    if (this.#reports.length > KEPT) this.#reports.shift();
    this.#writing = this.#writing.then(() => this.#write({ id, ...report }));
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** At most `limit` reports after the one with this id, the newest when there are more. */
  after(id: number, limit: number): readonly MoveReport[] {
    return this.#reports.filter((report) => report.id > id).slice(-limit);
  }

  /** Resolves when there is a new one, or after `ms`. */
  next(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Waits for what is being written. */
  close(): Promise<void> {
    for (const wake of this.#waiting.splice(0)) wake();
    return this.#writing;
  }

  async #write(report: MoveReport): Promise<void> {
    try {
      if (this.#lines < 2 * KEPT) {
        await appendFile(this.path, `${JSON.stringify(report)}\n`, { mode: 0o600 });
        this.#lines++;
        return;
      }
      const fresh = `${this.path}.new`;
      await writeFile(fresh, this.#reports.map((one) => `${JSON.stringify(one)}\n`).join(''), { mode: 0o600 });
      await rename(fresh, this.path);
      this.#lines = this.#reports.length;
    } catch (error) {
      this.#warn(`${this.path}: ${(error as Error).message}`);
    }
  }
}

function readReport(line: string): MoveReport[] {
  try {
    const report = JSON.parse(line) as MoveReport;
    return Number.isInteger(report.id) && typeof report.timeline === 'object' ? [report] : [];
  } catch {
    return [];
  }
}
