/**
 * One request to one server and its answer, over UDP from a port and with an id that nobody can know, or over TCP. What
 * does not answer the question, or comes from elsewhere, is as if it had not come.
 */
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { put16, u16 } from '../wire/bytes.ts';
import { DNS_HEADER, OPCODE, QR, readMessage } from '../wire/dns-message.ts';

/** A DNS server. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

export interface Exchange {
  readonly over: 'udp' | 'tcp';
  readonly limitMs: number;
}

/** The answer of the server, or null: none that can be believed in time. `request`: with the id to use. */
export function exchange(request: Uint8Array, server: Server, { over, limitMs }: Exchange): Promise<Uint8Array | null> {
  return new Promise((resolve) => {
    const isAnswer = answers(request);
    const open = over === 'udp' ? openUdp : openTcp;
    let isOver = false;
    const done = (reply: Uint8Array | null): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      close();
      resolve(reply);
    };
    const timer = setTimeout(() => done(null), limitMs);
    const close = open(request, server, (reply) => {
      if (reply === null) done(null);
      else if (isAnswer(reply)) done(reply);
    });
  });
}

/** `heard`: with every datagram, or with null when there will be none. The socket has a port of its own, by chance. */
function openUdp(request: Uint8Array, server: Server, heard: (reply: Uint8Array | null) => void): () => void {
  const socket = createSocket(server.host.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => heard(null));
  socket.on('message', (octets) => heard(octets));
  socket.on('connect', () => socket.send(request));
  socket.connect(server.port, server.host); // connected: the kernel checks the source
  let isClosed = false;
  return () => {
    if (isClosed) return;
    isClosed = true;
    socket.close();
  };
}

function openTcp(request: Uint8Array, server: Server, heard: (reply: Uint8Array | null) => void): () => void {
  const socket = createConnection(server);
  const frames = new Frames();
  socket.on('connect', () => socket.write(framed(request)));
  socket.on('data', (octets) => {
    for (const reply of frames.take(octets)) heard(reply);
  });
  socket.on('error', () => heard(null));
  socket.on('close', () => heard(null));
  return () => socket.destroy();
}

/** A message with its length before it (RFC 1035 section 4.2.2). */
export function framed(message: Uint8Array): Uint8Array {
  const octets = new Uint8Array(2 + message.length);
  put16(octets, 0, message.length);
  octets.set(message, 2);
  return octets;
}

/** Messages out of a stream. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are whole now; at most 64 KiB wait for their end. */
  take(octets: Uint8Array): Uint8Array[] {
    this.#rest = Buffer.concat([this.#rest, octets]);
    const whole: Uint8Array[] = [];
    while (this.#rest.length >= 2) {
      const end = 2 + this.#rest.readUInt16BE(0);
      if (this.#rest.length < end) break;
      whole.push(Uint8Array.from(this.#rest.subarray(2, end)));
      this.#rest = this.#rest.subarray(end);
    }
    return whole;
  }
}

/** True for what answers this request: the same id, operation and question, all of it readable. */
function answers(request: Uint8Array): (reply: Uint8Array) => boolean {
  const asked = readMessage(request)?.question;
  return (reply) => {
    if (reply.length < DNS_HEADER || u16(reply, 0) !== u16(request, 0)) return false;
    const flags = u16(reply, 2);
    if ((flags & QR) === 0 || (flags & OPCODE) !== (u16(request, 2) & OPCODE)) return false;
    const message = readMessage(reply);
    if (message === null) return false;
    const { question } = message;
    // of an update a server may leave the question, its zone, out (RFC 2136 section 3.8)
    if (question === null) return (flags & OPCODE) !== 0;
    return question.name === asked?.name && question.type === asked.type && question.class === asked.class;
  };
}
