/**
 * Whether the path behind an uplink is alive, RFC 6748 section 2.8: an echo request (RFC 4443 section 4.1) a second to an
 * address that the operator has named. A link says nothing of a provider that is silent behind it.
 */
import { randomBytes } from 'node:crypto';
import * as libc from '../device/libc.ts';
import { parseIpv6 } from '../wire/text.ts';

const PERIOD_MS = 1000;
/** Echo requests in a row without an answer after which an uplink is silent; answers in a row after which it is not. */
const MISSED = 3;
const ANSWERED = 2;
const AF_INET6 = 10;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0o2004000;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPPROTO_ICMPV6 = 58;
const ICMPV6_FILTER = 1;
const ECHO_REQUEST = 128;
const ECHO_REPLY = 129;
/** Type, code, checksum, identifier, sequence number; then octets that nobody else can know. */
const HEADER = 8;
const MESSAGE = HEADER + 8;

/** An uplink as far as it is probed. */
export interface Probed {
  readonly interface: string;
  /** IPv6 address; undefined: not probed. */
  readonly probe: string | undefined;
}

interface Probe {
  readonly uplink: Probed;
  /** Of the request that is on its way; -1 for none. */
  fd: number;
  token: Uint8Array;
  /** Requests without an answer while it counts as alive, answers while it counts as silent. */
  against: number;
  isSilent: boolean;
}

export class UplinkProbes {
  readonly #onChange: () => void;
  readonly #answer = libc.mapAnonymous(4096);
  #probes: Probe[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isStarted = false;

  /** `onChange`: some uplink is silent, or no longer. */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Probes these from now on; what is known of those that were probed before stays. */
  watch(uplinks: readonly Probed[]): void {
    const before = this.#probes;
    const isSame = (a: Probed, b: Probed): boolean => a.interface === b.interface && a.probe === b.probe;
    this.#probes = uplinks
      .filter(({ probe }) => probe !== undefined)
      .map(
        (uplink) =>
          before.find((known) => isSame(known.uplink, uplink)) ?? {
            uplink,
            fd: -1,
            token: new Uint8Array(0),
            against: 0,
            isSilent: false,
          },
      );
    for (const probe of before) if (!this.#probes.includes(probe)) close(probe);
    this.#schedule();
  }

  /** Begins. */
  start(): void {
    this.#isStarted = true;
    this.#schedule();
  }

  stop(): void {
    this.#isStarted = false;
    this.#schedule();
    for (const probe of this.#probes) close(probe);
  }

  isSilent(uplink: Probed): boolean {
    return this.#probes.some(
      ({ uplink: one, isSilent }) => isSilent && one.interface === uplink.interface && one.probe === uplink.probe,
    );
  }

  /** Who probes nothing is not woken. */
  #schedule(): void {
    if (this.#isStarted && this.#probes.length > 0) this.#timer ??= setInterval(() => this.#look(), PERIOD_MS).unref();
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #look(): void {
    let changed = false;
    for (const probe of this.#probes) {
      if (probe.token.length > 0) {
        const isAnswered = this.#isAnswered(probe);
        probe.against = isAnswered === probe.isSilent ? probe.against + 1 : 0;
        if (probe.against >= (probe.isSilent ? ANSWERED : MISSED)) {
          probe.isSilent = !probe.isSilent;
          probe.against = 0;
          changed = true;
        }
      }
      close(probe);
      ask(probe);
    }
    if (changed) this.#onChange();
  }

  #isAnswered({ fd, token }: Probe): boolean {
    if (fd < 0) return false;
    const message = new Uint8Array(this.#answer.buffer, 0, MESSAGE);
    while (libc.readInto(fd, this.#answer.address, MESSAGE) === MESSAGE)
      if (message[0] === ECHO_REPLY && token.every((octet, k) => message[HEADER + k] === octet)) return true;
    return false;
  }
}

function close(probe: Probe): void {
  if (probe.fd >= 0) libc.close(probe.fd);
  probe.fd = -1;
}

/** Sends a request out of the interface, by a socket of its own: the interface may be another one since the last time. */
function ask(probe: Probe): void {
  const { interface: name, probe: address } = probe.uplink;
  probe.token = randomBytes(MESSAGE - HEADER);
  const index = libc.ifNameToIndex(name);
  const fd = index === 0 ? -1 : libc.socket(AF_INET6, SOCK_RAW_CLOEXEC_NONBLOCK, IPPROTO_ICMPV6);
  if (fd < 0) return;
  probe.fd = fd;
  const filter = new Uint32Array(8).fill(0xffffffff); // a bit for each type that is kept away (RFC 3542 section 3.2)
  filter[ECHO_REPLY >>> 5]! &= ~(1 << (ECHO_REPLY & 31));
  libc.setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter, 32);
  const device = new TextEncoder().encode(`${name}\0`);
  libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device.length);
  const message = new Uint8Array(MESSAGE);
  message[0] = ECHO_REQUEST;
  message.set(probe.token, HEADER);
  const to = new Uint8Array(28); // struct sockaddr_in6
  new Uint16Array(to.buffer)[0] = AF_INET6;
  to.set(parseIpv6(address!)!, 8);
  new Uint32Array(to.buffer)[6] = index;
  libc.sendto(fd, message, message.length, 0, to, to.length); // a failure is a request without an answer
}
