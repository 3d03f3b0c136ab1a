/**
 * Every call into the C library, declared in one place (Linux, 64 bit). Calls are synchronous and stay in the thread that
 * owns the descriptor; errno is read right behind the call.
 *
 * This is the only module that loads native code.
 */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

export const open = libc.func('int open(const char *path, int flags)') as (path: string, flags: number) => number;
export const close = libc.func('int close(int fd)') as (fd: number) => number;
export const ioctlPointer = libc.func('ioctl', 'int', ['int', 'ulong', 'void *']) as (
  fd: number,
  request: number,
  argument: ArrayBufferView,
) => number;
export const ioctlValue = libc.func('ioctl', 'int', ['int', 'ulong', 'ulong']) as (
  fd: number,
  request: number,
  argument: number,
) => number;
export const readInto = libc.func('read', 'long', ['int', 'uint64', 'ulong']) as (
  fd: number,
  address: number,
  length: number,
) => number;
export const writeFrom = libc.func('write', 'long', ['int', 'uint64', 'ulong']) as (
  fd: number,
  address: number,
  length: number,
) => number;
export const writeGathered = libc.func('writev', 'long', ['int', 'uint64', 'int']) as (
  fd: number,
  vector: number,
  count: number,
) => number;
export const poll = libc.func('int poll(void *fds, ulong count, int milliseconds)') as (
  fds: Int32Array,
  count: number,
  milliseconds: number,
) => number;
export const eventfd = libc.func('int eventfd(uint value, int flags)') as (value: number, flags: number) => number;
export const ifNameToIndex = libc.func('uint if_nametoindex(const char *name)') as (name: string) => number;
const ifIndexToNameInto = libc.func('void *if_indextoname(uint index, void *name)') as (
  index: number,
  name: Uint8Array,
) => unknown;
/** Name of an interface, empty when there is none. */
export function ifIndexToName(index: number): string {
  const name = new Uint8Array(16); // IF_NAMESIZE
  ifIndexToNameInto(index, name);
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
}
export const socket = libc.func('int socket(int domain, int type, int protocol)') as (
  domain: number,
  type: number,
  protocol: number,
) => number;
export const setsockopt = libc.func('int setsockopt(int fd, int level, int name, void *value, uint length)') as (
  fd: number,
  level: number,
  name: number,
  value: ArrayBufferView,
  length: number,
) => number;
export const sendto = libc.func(
  'long sendto(int fd, void *data, ulong length, int flags, void *to, uint toLength)',
) as (fd: number, data: Uint8Array, length: number, flags: number, to: Uint8Array, toLength: number) => number;
export const recvfrom = libc.func(
  'long recvfrom(int fd, void *data, ulong length, int flags, void *from, void *fromLength)',
) as (fd: number, data: Uint8Array, length: number, flags: number, from: Uint8Array, fromLength: Uint32Array) => number;
export const bind = libc.func('int bind(int fd, void *address, uint length)') as (
  fd: number,
  address: Uint8Array,
  length: number,
) => number;
export const flock = libc.func('int flock(int fd, int operation)') as (fd: number, operation: number) => number;
const clockGettime = libc.func('int clock_gettime(int clock, void *time)') as (
  clock: number,
  time: BigInt64Array,
) => number;
const ftruncate = libc.func('int ftruncate(int fd, long length)') as (fd: number, length: number) => number;
const mmap = libc.func('void *mmap(void *at, ulong length, int protection, int flags, int fd, long offset)') as (
  at: null,
  length: number,
  protection: number,
  flags: number,
  fd: number,
  offset: number,
) => unknown;
const munmap = libc.func('munmap', 'int', ['uint64', 'ulong']) as (address: number, length: number) => number;
const madvise = libc.func('int madvise(void *at, ulong length, int advice)') as (
  at: unknown,
  length: number,
  advice: number,
) => number;

export const ioUringSetup = syscall(425, ['uint', 'void *']) as (entries: number, parameters: Uint32Array) => number;
export const ioUringEnter = syscall(426, ['int', 'uint', 'uint', 'uint', 'void *', 'ulong']) as (
  fd: number,
  submit: number,
  wait: number,
  flags: number,
  signals: null,
  size: number,
) => number;
export const ioUringRegister = syscall(427, ['int', 'uint', 'void *', 'uint']) as (
  fd: number,
  operation: number,
  argument: ArrayBufferView,
  count: number,
) => number;

const timespec = new BigInt64Array(2);
const CLOCK_REALTIME = 0;

/** Microseconds since 1970 of CLOCK_REALTIME, the clock that QEMU and others stamp with; finer than Date.now. */
export function realtimeMicroseconds(): number {
  clockGettime(CLOCK_REALTIME, timespec);
  return Number(timespec[0]) * 1e6 + Math.floor(Number(timespec[1]) / 1000);
}

/** errno of the call just made. */
export const errno = (): number => koffi.errno();

export const EINTR = 4;
export const EAGAIN = 11;
export const EBUSY = 16;
/** What a TUN queue answers whose device is gone. */
export const EBADFD = 77;
export const EADDRINUSE = 98;
export const ENOBUFS = 105;

export const O_RDWR = 2;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;

/** Memory mapped into this process: its address for the kernel (below 2^47 on Linux), its octets for us. */
export interface Mapping {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Writes a 64-bit address or length (below 2^53) as two 32-bit words at index `k`. */
export function putAddress(words: Uint32Array, k: number, value: number): void {
  const high = (value / 0x100000000) >>> 0;
  words[k] = LITTLE_ENDIAN ? value >>> 0 : high;
  words[k + 1] = LITTLE_ENDIAN ? high : value >>> 0;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const MAP_SHARED_POPULATE = 0x8001;
const MADV_HUGEPAGE = 14;

/** Anonymous memory at a page boundary. */
export function mapAnonymous(length: number): Mapping {
  return mapping(mmap(null, length, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0), length);
}

/** A ring of an io_uring descriptor. */
export function mapRing(fd: number, length: number, offset: number): Mapping {
  return mapping(mmap(null, length, PROT_READ_WRITE, MAP_SHARED_POPULATE, fd, offset), length);
}

/** Gives memory back; nobody may look at its octets any more. */
export function unmap({ address, buffer }: Mapping): void {
  munmap(address, buffer.byteLength);
}

/** A file shared with other threads and with later runs; grown to `length`. */
export function mapFile(fd: number, length: number): Mapping {
  if (ftruncate(fd, length) !== 0) throw new Error(`ftruncate: errno ${errno()}`);
  return mapping(mmap(null, length, PROT_READ_WRITE, MAP_SHARED, fd, 0), length);
}

function mapping(pointer: unknown, length: number): Mapping {
  const failed = errno();
  const address = Number(koffi.address(pointer as never));
  if (address >= 2 ** 53) throw new Error(`mmap of ${length} octets: errno ${failed}`);
  if (length >= 4 << 20) madvise(pointer, length, MADV_HUGEPAGE); // a hint; fewer TLB misses where the kernel agrees
  return { address, buffer: koffi.view(pointer as never, length) };
}

function syscall(number: number, types: string[]): (...args: never[]) => number {
  const call = libc.func('syscall', 'long', ['long', ...types]) as (...args: unknown[]) => number;
  return (...args: unknown[]) => call(number, ...args);
}
