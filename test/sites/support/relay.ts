/** A relay between two borders: counts octets, can stop passing them on, can cut everything. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  toServer = 0;
  toClient = 0;
  #stopped = false;

  private constructor(target: () => number) {
    this.#server = createServer((client) => {
      const server = connect({ host: '::1', port: target(), noDelay: true });
      this.#pass(client, server, (octets) => {
        this.toServer += octets;
      });
      this.#pass(server, client, (octets) => {
        this.toClient += octets;
      });
    });
  }

  static open(target: () => number): Promise<Relay> {
    return new Promise((resolve) => {
      const relay = new Relay(target);
      relay.#server.listen(0, '::1', () => resolve(relay));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Swallows everything from now on, ends of connections too, like a network that lost its route. */
  stop(): void {
    this.#stopped = true;
  }

  goOn(): void {
    this.#stopped = false;
    this.cut();
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #pass(from: Socket, to: Socket, count: (octets: number) => void): void {
    this.#sockets.add(from);
    from.on('data', (chunk) => {
      if (this.#stopped) return;
      count(chunk.length);
      to.write(chunk);
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      if (!this.#stopped) to.destroy();
    });
  }
}
