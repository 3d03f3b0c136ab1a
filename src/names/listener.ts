/** Where programs ask: UDP and TCP on one address, a bounded number of questions and connections at a time. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Socket, type Server as TcpServer } from 'node:net';
import { IlnpError } from '../runtime/errors.ts';
import { Frames, framed, type Server } from './exchange.ts';

/** Reason: what is beyond that is asked again by whoever still wants it. */
const QUESTIONS_MAX = 256;
const CONNECTIONS_MAX = 64;
const IDLE_MS = 10_000;

/** null: no answer. Never fails. */
export type Answer = (query: Uint8Array, over: 'udp' | 'tcp') => Promise<Uint8Array | null>;

export class Listener {
  readonly #answer: Answer;
  readonly #udp: UdpSocket;
  readonly #tcp: TcpServer;
  readonly #connections = new Set<Socket>();
  #underWay = 0;

  private constructor(udp: UdpSocket, tcp: TcpServer, answer: Answer) {
    this.#udp = udp;
    this.#tcp = tcp;
    this.#answer = answer;
    udp.on('message', (query, from) => void this.#heard(query, from));
    udp.on('error', () => {}); // an answer that nobody waits for any more
    tcp.on('connection', (socket) => this.#connected(socket));
    tcp.maxConnections = CONNECTIONS_MAX;
  }

  /** IlnpError E_NAMES: somebody else listens there, or the address is not of this machine. */
  static async open({ host, port }: Server, answer: Answer): Promise<Listener> {
    const udp = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4', ipv6Only: true });
    const tcp = createServer();
    try {
      await new Promise<void>((resolve, reject) => {
        udp.once('error', reject).once('listening', resolve);
        udp.bind({ port, address: host, exclusive: true });
      });
      await new Promise<void>((resolve, reject) => {
        tcp.once('error', reject).once('listening', resolve);
        tcp.listen({ port, host, ipv6Only: true });
      });
    } catch (error) {
      udp.close();
      throw refused(host, port, error as NodeJS.ErrnoException);
    }
    udp.removeAllListeners();
    return new Listener(udp, tcp, answer);
  }

  async close(): Promise<void> {
    this.#udp.close();
    for (const socket of this.#connections) socket.destroy();
    await new Promise((done) => this.#tcp.close(done));
  }

  async #heard(query: Uint8Array, from: RemoteInfo): Promise<void> {
    const reply = await this.#bounded(query, 'udp');
    if (reply === null) return;
    try {
      this.#udp.send(reply, from.port, from.address);
    } catch {
      // closed meanwhile
    }
  }

  #connected(socket: Socket): void {
    const frames = new Frames();
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {});
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    socket.on('data', async (octets) => {
      for (const query of frames.take(octets)) {
        const reply = await this.#bounded(query, 'tcp');
        if (reply === null) socket.destroy();
        else if (!socket.destroyed) socket.write(framed(reply));
      }
    });
  }

  async #bounded(query: Uint8Array, over: 'udp' | 'tcp'): Promise<Uint8Array | null> {
    if (this.#underWay >= QUESTIONS_MAX) return null;
    this.#underWay++;
    try {
      return await this.#answer(query, over);
    } finally {
      this.#underWay--;
    }
  }
}

function refused(host: string, port: number, error: NodeJS.ErrnoException): IlnpError {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const why =
    error.code === 'EADDRINUSE'
      ? `something else listens on ${where} (ss -lnp 'sport = :${port}' says what); set names.listen to another address or port`
      : `cannot listen on ${where}: ${error.code ?? error.message}`;
  return new IlnpError('E_NAMES', why, { cause: error });
}
