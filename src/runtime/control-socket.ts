/**
 * The unix socket through which an operator talks to a running border: one JSON value per line,
 *
 *   {"id":1,"method":"move","params":{"nid":"0:0:0:a1","to":"site2"}}
 *   {"id":1,"result":{...}}            or  {"id":1,"error":{"code":"E_UNKNOWN_NID","message":"..."}}
 *
 * Only the owner may connect (mode 0600). The socket file is also what keeps a second border of the same site from
 * starting. Clients that send too much, read too little, or go away in the middle harm nobody but themselves.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import { type ErrorCode, IlnpError } from './errors.ts';
import { makeFolder } from './folder.ts';

/** Longest request in octets. */
export const MAX_REQUEST = 64 << 10;
const MAX_CLIENTS = 64;
/** A client that neither reads nor writes for so long is gone; longer than the longest method. */
const IDLE_MS = 60_000;
const LINE_FEED = 0x0a;

/** Methods by name; what they throw as IlnpError is answered, anything else too, as a fault of ours. */
export type ControlMethods = Readonly<Record<string, (params: unknown) => unknown>>;

const request = z.strictObject({
  id: z.union([z.number(), z.string()]).optional(),
  method: z.string(),
  params: z.unknown().optional(),
});

/** sun_path of unix(7) without its last 0; Node cuts what is longer, and listens somewhere else. */
const LONGEST_PATH = 107;

export class ControlSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #methods: ControlMethods;
  readonly #clients = new Set<Socket>();

  private constructor(path: string, methods: ControlMethods) {
    this.path = path;
    this.#methods = methods;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Begins to listen; E_RUNNING if somebody answers there already, E_SOCKET if it cannot be made. */
  static async open(path: string, methods: ControlMethods): Promise<ControlSocket> {
    const octets = Buffer.byteLength(path);
    if (octets > LONGEST_PATH)
      throw new IlnpError('E_SOCKET', `${path}: expected at most ${LONGEST_PATH} octets, got ${octets}`);
    const control = new ControlSocket(path, methods);
    try {
      makeFolder(dirname(path), 0o755);
      try {
        await control.#listen();
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
        await removeStale(path);
        await control.#listen();
      }
      await chmod(path, 0o600);
    } catch (error) {
      if (error instanceof IlnpError) throw error;
      throw new IlnpError('E_SOCKET', `${path}: cannot listen (${(error as Error).message})`, { cause: error });
    }
    return control;
  }

  /** Stops listening, removes the socket file, ends all clients. */
  async close(): Promise<void> {
    for (const socket of this.#clients) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // The file exists from bind on: nobody but the owner may see it, not even before chmod.
      const umask = process.umask(0o177);
      try {
        this.#server.listen(this.path, () => {
          this.#server.off('error', reject);
          resolve();
        });
      } finally {
        process.umask(umask);
      }
    });
  }

  #accept(socket: Socket): void {
    socket.on('error', () => {});
    if (this.#clients.size >= MAX_CLIENTS) {
      socket.end(`${reply(null, new IlnpError('E_FULL', `${MAX_CLIENTS} clients are connected already`))}\n`);
      socket.resume();
      return;
    }
    this.#clients.add(socket);
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.once('close', () => this.#clients.delete(socket));
    this.#serve(socket).catch(() => socket.destroy());
  }

  /** Answers requests one after the other; the next is not even read before the answer has left. */
  async #serve(socket: Socket): Promise<void> {
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
      held = held.length === 0 ? (chunk as Buffer) : Buffer.concat([held, chunk as Buffer]);
      for (let end = held.indexOf(LINE_FEED); end >= 0; end = held.indexOf(LINE_FEED)) {
        const line = held.subarray(0, end).toString('utf8');
        held = held.subarray(end + 1);
        if (line.trim() !== '') await say(socket, await this.#answer(line));
      }
      if (held.length > MAX_REQUEST) {
        socket.end(`${reply(null, new IlnpError('E_USAGE', `a request has at most ${MAX_REQUEST} octets`))}\n`);
        return;
      }
    }
    socket.end();
  }

  async #answer(line: string): Promise<string> {
    let id: string | number | null = null;
    try {
      const value = readRequest(line);
      id = value.id ?? null;
      const method = Object.hasOwn(this.#methods, value.method) ? this.#methods[value.method] : undefined;
      if (method === undefined) {
        const known = Object.keys(this.#methods).join(', ');
        throw new IlnpError('E_USAGE', `no method "${value.method.slice(0, 60)}"; there are ${known}`);
      }
      return JSON.stringify({ id, result: (await method(value.params)) ?? null });
    } catch (error) {
      return reply(id, error);
    }
  }
}

/** Reads a request; E_USAGE if it is none. */
export function readRequest(line: string): z.output<typeof request> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new IlnpError(
      'E_USAGE',
      `a request is one JSON object on one line, got ${JSON.stringify(line.slice(0, 60))}`,
    );
  }
  const result = request.safeParse(value);
  if (result.success) return result.data;
  const [first] = result.error.issues;
  throw new IlnpError('E_USAGE', `request ${first?.path.join('.')}: ${first?.message}`);
}

function reply(id: string | number | null, error: unknown): string {
  const code: ErrorCode = error instanceof IlnpError ? error.code : 'E_STATE';
  const message = error instanceof Error ? error.message : String(error);
  return JSON.stringify({ id, error: { code, message } });
}

/** Resolves when the client has taken the line, or is gone. */
function say(socket: Socket, line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

/** Removes the socket file of a border that is no more; E_RUNNING if it answers, E_SOCKET if it is no socket. */
async function removeStale(path: string): Promise<void> {
  const file = await lstat(path);
  if (!file.isSocket()) throw new IlnpError('E_SOCKET', `${path}: exists and is not a socket`);
  if (await answers(path)) throw new IlnpError('E_RUNNING', `${path}: somebody answers there already`);
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else if (error.code === 'EAGAIN')
        resolve(true); // so busy that its queue is full
      else reject(error);
    });
  });
}
