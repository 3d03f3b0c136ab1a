/**
 * rtnetlink, RFC 3549 and Linux include/uapi/linux/{netlink,rtnetlink}.h: messages as octets, and a socket that asks for
 * tables and changes them without a process of its own. All numbers are in the machine's order.
 */
import * as libc from '../device/libc.ts';
import { IlnpError } from '../runtime/errors.ts';

export const [RTM_GETLINK, RTM_GETADDR] = [18, 22];
export const [RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE] = [24, 25, 26];
export const [RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH] = [28, 29, 30];
export const [RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE] = [32, 33, 34];

export const [REPLACE, EXCLUSIVE, CREATE] = [0x100, 0x200, 0x400];
const [REQUEST, ACKNOWLEDGE, DUMP] = [1, 4, 0x300];
const [ERROR, DONE] = [2, 3];

const HEADER = 16;
export const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const SOL_NETLINK = 270;
/** The kernel filters what it dumps by the header of the request. */
const STRICT_CHECK = 12;
const BUFFER = 1 << 16;

/** One message: its body starts with the fixed header of its type, attributes follow. */
export interface Message {
  readonly type: number;
  /** That of the request it answers. */
  readonly sequence: number;
  readonly body: DataView;
}

/** A request for `RouteSocket.change`. */
export interface Change {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
}

/** An attribute, padded to 4 octets. */
export function attribute(type: number, value: Uint8Array): Uint8Array {
  const octets = new Uint8Array((4 + value.length + 3) & ~3);
  const view = new DataView(octets.buffer);
  view.setUint16(0, 4 + value.length, LITTLE);
  view.setUint16(2, type, LITTLE);
  octets.set(value, 4);
  return octets;
}

export const number32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Attributes of `body` behind a fixed header of `skip` octets; the last one of a type counts. */
export function attributes(body: DataView, skip: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = skip; at + 4 <= body.byteLength; ) {
    const length = body.getUint16(at, LITTLE);
    if (length < 4 || at + length > body.byteLength) break;
    const type = body.getUint16(at + 2, LITTLE) & 0x3fff; // without the flags "nested" and "network order"
    found.set(type, new DataView(body.buffer, body.byteOffset + at + 4, length - 4));
    at += (length + 3) & ~3;
  }
  return found;
}

/** The messages in what was read. */
export function* messagesIn(octets: Uint8Array): Generator<Message> {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  for (let at = 0; at + HEADER <= octets.length; ) {
    const length = view.getUint32(at, LITTLE);
    if (length < HEADER || at + length > octets.length) return;
    const body = new DataView(octets.buffer, octets.byteOffset + at + HEADER, length - HEADER);
    yield { type: view.getUint16(at + 4, LITTLE), sequence: view.getUint32(at + 8, LITTLE), body };
    at += (length + 3) & ~3;
  }
}

/** A socket bound to these multicast groups (0: none); E_NETWORK when the kernel gives none. */
export function openNetlink(groups: number): number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, 0);
  const address = new Uint8Array(12);
  new Uint16Array(address.buffer)[0] = AF_NETLINK;
  new Uint32Array(address.buffer)[2] = groups;
  if (fd < 0 || libc.bind(fd, address, 12) !== 0)
    throw new IlnpError('E_NETWORK', `no rtnetlink socket: errno ${libc.errno()}`);
  return fd;
}

/** Requests and their answers, one after the other, at once: the kernel answers before `sendto` returns. */
export class RouteSocket {
  #fd: number;
  readonly #memory = libc.mapAnonymous(BUFFER);
  #sequence = 0;

  constructor() {
    this.#fd = openNetlink(0);
    libc.setsockopt(this.#fd, SOL_NETLINK, STRICT_CHECK, Int32Array.of(1), 4);
  }

  close(): void {
    if (this.#fd < 0) return;
    libc.close(this.#fd);
    libc.unmap(this.#memory);
    this.#fd = -1;
  }

  /** What the kernel has of this kind. */
  dump(type: number, body: Uint8Array): Message[] {
    return this.#ask({ type, flags: DUMP, body });
  }

  /** One of them, or none. */
  get(type: number, body: Uint8Array): Message | undefined {
    return this.#ask({ type, flags: 0, body })[0];
  }

  /** Asks for a change; 0 or the errno the kernel answers. */
  change(change: Change): number {
    this.#send({ ...change, flags: change.flags | ACKNOWLEDGE });
    for (;;) for (const { type, body } of this.#answers()) if (type === ERROR) return 0 - body.getInt32(0, LITTLE);
  }

  #ask(request: Change): Message[] {
    this.#send(request);
    const found: Message[] = [];
    for (;;) {
      for (const message of this.#answers()) {
        if (message.type === DONE) return found;
        if (message.type === ERROR) {
          const errno = 0 - message.body.getInt32(0, LITTLE);
          if (errno === ENODEV || errno === ENOENT) return found;
          throw new IlnpError('E_NETWORK', `rtnetlink request ${request.type}: errno ${errno}`);
        }
        found.push(message);
      }
      if ((request.flags & DUMP) === 0 && found.length > 0) return found;
    }
  }

  #send({ type, flags, body }: Change): void {
    const octets = new Uint8Array(HEADER + body.length);
    const view = new DataView(octets.buffer);
    view.setUint32(0, octets.length, LITTLE);
    view.setUint16(4, type, LITTLE);
    view.setUint16(6, flags | REQUEST, LITTLE);
    view.setUint32(8, ++this.#sequence, LITTLE);
    octets.set(body, HEADER);
    if (libc.sendto(this.#fd, octets, octets.length, 0, KERNEL, 12) !== octets.length)
      throw new IlnpError('E_NETWORK', `rtnetlink: errno ${libc.errno()}`);
  }

  /** Messages for the last request; what is left of one that failed is passed over. */
  #answers(): Message[] {
    return [...messagesIn(this.#read())].filter(({ sequence }) => sequence === this.#sequence);
  }

  #read(): Uint8Array {
    const count = libc.readInto(this.#fd, this.#memory.address, BUFFER);
    if (count < 0) throw new IlnpError('E_NETWORK', `rtnetlink: errno ${libc.errno()}`);
    return new Uint8Array(this.#memory.buffer).slice(0, count);
  }
}

export const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const [ENOENT, ENODEV] = [2, 19];
/** struct sockaddr_nl of the kernel. */
const KERNEL = new Uint8Array(12);
new Uint16Array(KERNEL.buffer)[0] = AF_NETLINK;
