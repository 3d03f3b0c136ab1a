/** `ip monitor` as a child of this process: a line for every change in the kernel. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Monitor {
  readonly #words: readonly string[];
  readonly #onLine: (line: string) => void;
  readonly #onExit: () => void;
  #child: ChildProcess | undefined;

  /** `words`: what `ip` is asked for; `onExit`: it has ended, and nobody knows what it has missed. */
  constructor(words: readonly string[], onLine: (line: string) => void, onExit: () => void = () => {}) {
    this.#words = words;
    this.#onLine = onLine;
    this.#onExit = onExit;
  }

  /** Starts it unless it runs. A process that is killed takes it along. */
  follow(): void {
    if (this.#child !== undefined) return;
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', 'ip', ...this.#words], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    const ended = (): void => {
      this.#child = undefined;
    };
    child.once('error', ended).once('exit', ended);
    child.once('exit', this.#onExit);
    createInterface({ input: child.stdout }).on('line', this.#onLine);
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
  }
}
