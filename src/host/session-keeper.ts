/** Writes the sessions of a path to their file every other second, so that a crash loses the newest ones only. */
import type { Logger } from 'pino';
import type { Answers } from './messages.ts';
import type { SessionFile } from './session-file.ts';

const PAUSE_MS = 2000;
/** Within a round: between two questions packets pass. */
const BREATH_MS = 20;

type Ask = (options: { all: boolean; again: boolean }) => Promise<Answers['unsaved']>;

export class SessionKeeper {
  readonly #file: SessionFile;
  readonly #ask: Ask;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<boolean> = Promise.resolve(true);
  #failed = false;
  #stopping = false;

  constructor(file: SessionFile, ask: Ask, log: Logger) {
    this.#file = file;
    this.#ask = ask;
    this.#log = log;
  }

  start(): void {
    this.#timer = setTimeout(() => this.#round(), 0);
  }

  /** Writes what has changed once more, while the path still answers. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping = true;
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#save(true);
    await this.#file.close();
  }

  #round(): void {
    this.#writing = this.#save(false);
    this.#writing.then((isOver) => {
      this.#timer = setTimeout(() => this.#round(), isOver ? PAUSE_MS : BREATH_MS);
    });
  }

  /** True when a round is over, or has failed. */
  async #save(all: boolean): Promise<boolean> {
    try {
      const { records, isOver } = await this.#ask({ all, again: this.#failed });
      await this.#file.write(records, isOver);
      if (this.#failed) this.#log.info({}, 'sessions are remembered again');
      this.#failed = false;
      return isOver;
    } catch (error) {
      if (!this.#failed && !this.#stopping)
        this.#log.error({ error: String(error) }, 'sessions are not remembered: a restart begins anew');
      this.#failed = true;
      return true;
    }
  }
}
