/** Two UDP sockets that talk through a device under test (test/support/device-bench.ts), and one that sends super-packets. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import * as libc from '../../src/device/libc.ts';
import { octetsOf } from './packets.ts';

const AF_INET6 = 10;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

export class UdpPair {
  readonly client: Socket;
  readonly server: Socket;
  /** What the server got, in order. */
  readonly got: Buffer[] = [];
  /** What the client got. */
  readonly answers: Buffer[] = [];

  private constructor(client: Socket, server: Socket) {
    this.client = client;
    this.server = server;
    server.on('message', (octets) => this.got.push(octets));
    client.on('message', (octets) => this.answers.push(octets));
  }

  static async open(clientAddress: string, serverAddress: string, serverPort = 0): Promise<UdpPair> {
    return new UdpPair(await bound(clientAddress, 0), await bound(serverAddress, serverPort));
  }

  get port(): number {
    return this.server.address().port;
  }

  /** Sends from the client at once, in one go. */
  send(datagrams: readonly Uint8Array[], to: string): void {
    for (const datagram of datagrams) this.client.send(datagram, this.port, to);
  }

  close(): void {
    this.client.close();
    this.server.close();
  }
}

async function bound(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp6', recvBufferSize: 4 << 20, sendBufferSize: 4 << 20 });
  socket.bind({ address, port });
  await once(socket, 'listening');
  return socket;
}

/** Sends `data` as datagrams of `size` octets in one super-packet (UDP_SEGMENT, udp(7)). */
export function sendSegmented(data: Uint8Array, size: number, to: string, port: number): void {
  const fd = libc.socket(AF_INET6, SOCK_DGRAM_CLOEXEC, 0);
  const address = new Uint8Array(28); // struct sockaddr_in6
  new Uint16Array(address.buffer)[0] = AF_INET6;
  address.set([port >>> 8, port & 0xff], 2);
  address.set(octetsOf(to), 8);
  try {
    if (libc.setsockopt(fd, SOL_UDP, UDP_SEGMENT, Int32Array.of(size), 4) !== 0)
      throw new Error(`UDP_SEGMENT: errno ${libc.errno()}`);
    if (libc.sendto(fd, data, data.length, 0, address, 28) !== data.length)
      throw new Error(`sendto: errno ${libc.errno()}`);
  } finally {
    libc.close(fd);
  }
}
