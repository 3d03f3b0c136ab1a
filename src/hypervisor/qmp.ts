/**
 * A connection to the monitor of a virtual machine: QEMU Machine Protocol, one JSON object a line over a unix socket.
 * A monitor talks to one client at a time: give `ilnp` one of its own (another `-qmp` option), beside the one that is
 * used to manage the machine.
 */
import { connect, type Socket } from 'node:net';
import { IlnpError } from '../runtime/errors.ts';

/** How long an answer may take. Reason: the monitor's thread is held up by disks and by other commands. */
const ANSWER_MS = 10_000;
/** How long the greeting may take. Reason: it is sent at once to whoever has the monitor. */
const GREETING_MS = 3000;
/** Longest line. Reason: the longest answers that we ask for have some kilobytes. */
const MAX_LINE = 1 << 20;

export interface QmpEvent {
  /** As QEMU names it: `STOP`, `RESUME`, `MIGRATION`. */
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Microseconds since 1970 by the clock of QEMU's machine, taken when it happened. */
  readonly at: number;
}

export interface QmpEvents {
  readonly onEvent: (event: QmpEvent) => void;
  /** The machine is gone, or what it says is no QMP; nothing comes after it. */
  readonly onEnd: (reason: string) => void;
}

interface Message {
  readonly QMP?: unknown;
  readonly event?: unknown;
  readonly data?: Record<string, unknown>;
  readonly timestamp?: { readonly seconds?: unknown; readonly microseconds?: unknown };
  readonly id?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly desc?: unknown };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class Qmp {
  readonly path: string;
  readonly #socket: Socket;
  readonly #events: QmpEvents;
  readonly #waiting = new Map<number, Waiting>();
  #held = '';
  #lastId = 0;
  #greeted: (() => void) | null = null;
  #ended = false;

  private constructor(path: string, socket: Socket, events: QmpEvents) {
    this.path = path;
    this.#socket = socket;
    this.#events = events;
    socket.setEncoding('utf8');
    socket.on('data', (text) => this.#read(String(text)));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('the machine has closed its monitor'));
  }

  /** Connects and negotiates; E_HYPERVISOR names the socket. */
  static async connect(path: string, events: QmpEvents): Promise<Qmp> {
    const socket = await new Promise<Socket>((resolve, reject) => {
      const s = connect(path);
      s.once('connect', () => resolve(s));
      s.once('error', (error: NodeJS.ErrnoException) => reject(unreachable(path, error)));
    });
    const qmp = new Qmp(path, socket, events);
    try {
      await qmp.#greeting();
      await qmp.execute('qmp_capabilities');
      return qmp;
    } catch (error) {
      qmp.close();
      throw error;
    }
  }

  /** Runs a command; E_HYPERVISOR with QEMU's own words when it refuses, does not answer or is gone. */
  execute(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#error('is closed'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(this.#error(`no answer to ${command} within ${ANSWER_MS / 1000} s`));
      }, ANSWER_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
    });
  }

  /** Lets go of the monitor; `onEnd` is not called. */
  close(): void {
    this.#finish('closed');
  }

  #greeting(): Promise<void> {
    return new Promise((resolve, reject) => {
      // A monitor that is taken accepts the connection and stays silent.
      const timer = setTimeout(
        () => reject(this.#error('no greeting; another client has this monitor, or it is no QMP')),
        GREETING_MS,
      );
      this.#greeted = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#socket.once('close', () => {
        clearTimeout(timer);
        reject(this.#error('closed before its greeting'));
      });
    });
  }

  #read(text: string): void {
    this.#held += text;
    for (let end = this.#held.indexOf('\n'); end >= 0; end = this.#held.indexOf('\n')) {
      const line = this.#held.slice(0, end).trim();
      this.#held = this.#held.slice(end + 1);
      if (line !== '') this.#take(line);
    }
    if (this.#held.length > MAX_LINE) this.#end('a line without an end');
  }

  #take(line: string): void {
    let message: Message | null;
    try {
      message = JSON.parse(line) as Message | null;
    } catch {
      message = null;
    }
    if (message === null || typeof message !== 'object') {
      this.#end('it does not speak QMP');
    } else if (message.QMP !== undefined) {
      this.#greeted?.();
    } else if (typeof message.event === 'string') {
      this.#events.onEvent({ name: message.event, data: message.data ?? {}, at: microseconds(message.timestamp) });
    } else if (typeof message.id === 'number') {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      clearTimeout(waiting?.timer);
      if (message.error === undefined) waiting?.resolve(message.return);
      else waiting?.reject(this.#error(String(message.error.desc ?? 'refused')));
    }
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#finish(reason);
    this.#events.onEnd(reason);
  }

  #finish(reason: string): void {
    this.#ended = true;
    this.#socket.destroy();
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(this.#error(reason));
    }
    this.#waiting.clear();
  }

  #error(reason: string): IlnpError {
    return new IlnpError('E_HYPERVISOR', `${this.path}: ${reason}`);
  }
}

/** QEMU says -1 for both where its machine has no clock; then it was now. */
function microseconds(stamp: Message['timestamp']): number {
  const seconds = stamp?.seconds;
  const part = stamp?.microseconds;
  if (typeof seconds !== 'number' || typeof part !== 'number' || seconds < 0) return Date.now() * 1000;
  return seconds * 1e6 + part;
}

function unreachable(path: string, error: NodeJS.ErrnoException): IlnpError {
  const hints: Record<string, string> = {
    ENOENT: 'no such socket; is the machine running with -qmp unix:PATH,server=on,wait=off?',
    ECONNREFUSED: 'nobody answers; the machine is not running',
    EACCES: 'permission denied',
    ENOTSOCK: 'is not a socket',
  };
  return new IlnpError('E_HYPERVISOR', `${path}: ${hints[error.code ?? ''] ?? error.message}`, { cause: error });
}
