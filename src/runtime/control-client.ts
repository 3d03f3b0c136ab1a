/** Asks a running border over its control socket. Every problem of the connection is E_SOCKET and names the socket. */
import { connect, type Socket } from 'node:net';
import { ERROR_CODES, type ErrorCode, IlnpError } from './errors.ts';

/** Reason: longer than any method takes; a move over dead peers takes ten seconds. */
const CALL_MS = 30_000;

/** What a border answers. Checked by hand, because loading a schema library would double the time a command takes. */
type Answer =
  | { readonly id: number; readonly result: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } };

/** Asks one thing; see ControlClient. */
export async function controlCall(path: string, method: string, params: unknown = {}): Promise<unknown> {
  const client = await ControlClient.connect(path);
  try {
    return await client.call(method, params);
  } finally {
    client.close();
  }
}

export class ControlClient {
  readonly #path: string;
  readonly #socket: Socket;
  #parts: string[] = [];
  #lastId = 0;
  #waiting: { readonly id: number; resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;

  private constructor(path: string, socket: Socket) {
    this.#path = path;
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (text) => this.#read(String(text)));
    socket.on('error', (error) => this.#failed(`the border closed the connection (${error.message})`));
    socket.on('close', () => this.#failed('the border closed the connection'));
  }

  /** Connects; E_SOCKET says what to look at. */
  static connect(path: string): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const failed = (error: NodeJS.ErrnoException): void => reject(unreachable(path, error));
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        resolve(new ControlClient(path, socket));
      });
    });
  }

  /** Asks, one thing at a time. Rejects with E_SOCKET or with the error that was answered. */
  call(method: string, params: unknown = {}, timeoutMs: number = CALL_MS): Promise<unknown> {
    if (this.#waiting !== undefined) throw new RangeError('one call at a time');
    if (this.#socket.destroyed) return Promise.reject(new IlnpError('E_SOCKET', `${this.#path}: is closed`));
    return new Promise((resolve, reject) => {
      this.#lastId++;
      const timer = setTimeout(() => this.#failed(`no answer within ${timeoutMs} ms`), timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting = undefined;
      };
      this.#waiting = {
        id: this.#lastId,
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
      this.#socket.write(`${JSON.stringify({ id: this.#lastId, method, params })}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    const end = text.indexOf('\n');
    this.#parts.push(end < 0 ? text : text.slice(0, end));
    if (end < 0) return;
    const line = this.#parts.join('');
    this.#parts = [text.slice(end + 1)];
    this.#take(line);
  }

  #take(line: string): void {
    const answer = readAnswer(line);
    if (answer === null) this.#failed('it answered something that is not ours');
    else if ('error' in answer) this.#waiting?.reject(new IlnpError(answer.error.code, answer.error.message));
    else if (answer.id === this.#waiting?.id) this.#waiting.resolve(answer.result);
  }

  #failed(reason: string): void {
    this.#socket.destroy();
    this.#waiting?.reject(new IlnpError('E_SOCKET', `${this.#path}: ${reason}`));
  }
}

function readAnswer(line: string): Answer | null {
  try {
    const { id, result, error } = JSON.parse(line) as {
      id?: unknown;
      result?: unknown;
      error?: Record<string, unknown>;
    };
    if (error === undefined) return typeof id === 'number' ? { id, result } : null;
    const { code, message } = error;
    if (typeof code !== 'string' || !(code in ERROR_CODES) || typeof message !== 'string') return null;
    return { error: { code: code as ErrorCode, message } };
  } catch {
    return null;
  }
}

function unreachable(path: string, error: NodeJS.ErrnoException): IlnpError {
  const hints: Record<string, string> = {
    ENOENT: 'no such socket; is ilnp running, and is this its socket?',
    ECONNREFUSED: 'nobody answers; the ilnp that listens there is not running',
    EACCES: 'permission denied; run as the user who runs ilnp sbr',
    ENOTSOCK: 'is not a socket',
  };
  return new IlnpError('E_SOCKET', `${path}: ${hints[error.code ?? ''] ?? error.message}`, { cause: error });
}
