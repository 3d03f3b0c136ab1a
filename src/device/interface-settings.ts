/**
 * Settings of a network interface by ioctl, netdevice(7): MTU, up and down, addresses. For programs that set up a TUN of their
 * own; a border router uses ip(8) (network/ip.ts), which can do more and is slower.
 */
import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { IlnpError } from '../runtime/errors.ts';
import { formatGroups } from '../wire/ipv6-text.ts';
import { parseIpv6 } from '../wire/text.ts';
import * as libc from './libc.ts';

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFADDR = 0x8915;
const SIOCSIFADDR = 0x8916;
const SIOCGIFNETMASK = 0x891b;
const SIOCSIFNETMASK = 0x891c;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;
const SIOCDIFADDR = 0x8936;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const IFF_UP = 1;
const EPERM = 1;
const EEXIST = 17;
const EADDRNOTAVAIL = 99;

/** struct ifreq: a name of 16 octets and a union of 24. */
const VALUE = 16;
const IFREQ = 40;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export const readMtu = (name: string): number => call(name, 'read the MTU', SIOCGIFMTU).getInt32(VALUE, LITTLE_ENDIAN);

/** Throws a RangeError for what is no MTU of a TUN. */
export function writeMtu(name: string, mtu: number): void {
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65535)
    throw new RangeError(`an MTU is a whole number of 68 to 65535, got ${mtu}`);
  call(name, `set the MTU ${mtu}`, SIOCSIFMTU, (request) => request.setInt32(VALUE, mtu, LITTLE_ENDIAN));
}

export const readUp = (name: string): boolean => (readFlags(name) & IFF_UP) !== 0;

export function writeUp(name: string, up: boolean): void {
  const flags = readFlags(name);
  const wanted = up ? flags | IFF_UP : flags & ~IFF_UP;
  call(name, `set it ${up ? 'up' : 'down'}`, SIOCSIFFLAGS, (request) =>
    request.setUint16(VALUE, wanted, LITTLE_ENDIAN),
  );
}

/** `10.0.0.100/24`, or '' when it has none. */
export function readIpv4(name: string): string {
  const octets = (request: number): number[] | null => {
    const { code, argument } = ask(name, request);
    if (code === EADDRNOTAVAIL) return null;
    if (code !== 0) throw failure(name, 'read the IPv4 address', code);
    return [0, 1, 2, 3].map((k) => argument.getUint8(VALUE + 4 + k));
  };
  const address = octets(SIOCGIFADDR);
  const mask = octets(SIOCGIFNETMASK);
  if (address === null || mask === null) return '';
  const ones = mask
    .map((octet) => octet.toString(2))
    .join('')
    .replaceAll('0', '').length;
  return `${address.join('.')}/${ones}`;
}

/** Throws a RangeError for a text that is not an address with a prefix length. */
export function writeIpv4(name: string, text: string): void {
  const [address = '', length] = split(text, 32);
  if (!isIPv4(address)) throw new RangeError(`expected an IPv4 address with its prefix length, got ${text}`);
  const octets = address.split('.').map(Number);
  const mask = (2 ** 32 - 2 ** (32 - length)) >>> 0;
  const put = (request: DataView, value: number[]): void => {
    request.setUint16(VALUE, AF_INET, LITTLE_ENDIAN);
    for (const [k, octet] of value.entries()) request.setUint8(VALUE + 4 + k, octet);
  };
  call(name, `set the address ${text}`, SIOCSIFADDR, (request) => put(request, octets));
  call(name, `set the mask of ${text}`, SIOCSIFNETMASK, (request) =>
    put(request, [mask >>> 24, (mask >>> 16) & 0xff, (mask >>> 8) & 0xff, mask & 0xff]),
  );
}

/** `fd00:1::1/64`, or '' when it has none; a link-local address only when there is no other. */
export function readIpv6(name: string): string {
  const lines = readFileSync('/proc/net/if_inet6', 'utf8').trim().split('\n');
  const own = lines.map((line) => line.trim().split(/\s+/)).filter((fields) => fields[5] === name);
  const best = own.find(([address]) => !/^fe[89ab]/.test(address!)) ?? own[0];
  if (best === undefined) return '';
  const groups = best[0]!.match(/.{4}/g)!.map((group) => Number.parseInt(group, 16));
  return `${formatGroups(groups)}/${Number.parseInt(best[2]!, 16)}`;
}

/** Adds an address; one that is there already stays. Throws a RangeError for a text that is not one with its length. */
export function addIpv6(name: string, text: string): void {
  changeIpv6(name, text, SIOCSIFADDR, EEXIST);
}

/** Removes an address; one that is not there is none. */
export function removeIpv6(name: string, text: string): void {
  changeIpv6(name, text, SIOCDIFADDR, EADDRNOTAVAIL);
}

/** struct in6_ifreq: address, prefix length, index of the interface. */
function changeIpv6(name: string, text: string, request: number, harmless: number): void {
  const [address = '', length] = split(text, 128);
  const octets = parseIpv6(address);
  if (octets === null) throw new RangeError(`expected an IPv6 address with its prefix length, got ${text}`);
  const argument = new DataView(new ArrayBuffer(24));
  new Uint8Array(argument.buffer).set(octets);
  argument.setUint32(16, length, LITTLE_ENDIAN);
  argument.setInt32(20, libc.ifNameToIndex(name), LITTLE_ENDIAN);
  const code = withSocket(AF_INET6, (fd) => ioctl(fd, request, argument));
  if (code !== 0 && code !== harmless)
    throw failure(name, `${request === SIOCSIFADDR ? 'add' : 'remove'} the address ${text}`, code);
}

function split(text: string, longest: number): [string, number] {
  const [address = '', digits = ''] = text.split('/');
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : -1;
  if (length < 0 || length > longest) throw new RangeError(`expected a prefix length of 0 to ${longest}, got ${text}`);
  return [address, length];
}

const readFlags = (name: string): number => call(name, 'read its flags', SIOCGIFFLAGS).getUint16(VALUE, LITTLE_ENDIAN);

/** One request about an interface, which must succeed; returns it as the kernel left it. */
function call(name: string, what: string, request: number, fill?: (request: DataView) => void): DataView {
  const { code, argument } = ask(name, request, fill);
  if (code !== 0) throw failure(name, what, code);
  return argument;
}

/** `fill` puts the value in; `code`: 0, or errno. */
function ask(name: string, request: number, fill?: (request: DataView) => void): { code: number; argument: DataView } {
  const argument = new DataView(new ArrayBuffer(IFREQ));
  new Uint8Array(argument.buffer).set(new TextEncoder().encode(name).subarray(0, 15));
  fill?.(argument);
  return { code: withSocket(AF_INET, (fd) => ioctl(fd, request, argument)), argument };
}

/** 0, or errno. */
const ioctl = (fd: number, request: number, argument: DataView): number =>
  libc.ioctlPointer(fd, request, argument) === 0 ? 0 : libc.errno();

function withSocket(family: number, use: (fd: number) => number): number {
  const fd = libc.socket(family, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return libc.errno();
  try {
    return use(fd);
  } finally {
    libc.close(fd);
  }
}

function failure(name: string, what: string, code: number): IlnpError {
  if (code === EPERM) return new IlnpError('E_PERMISSION', `${name}: cannot ${what}: needs root or CAP_NET_ADMIN`);
  return new IlnpError('E_TUN', `${name}: cannot ${what}: errno ${code}`);
}
