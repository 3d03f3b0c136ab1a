/**
 * Opening a queue of a TUN device (Linux Documentation/networking/tuntap.rst): no packet information, with the virtio-net
 * header and offloads where wanted and known.
 */
import { IlnpError } from '../runtime/errors.ts';
import * as libc from './libc.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;

const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_VNET_HDR = 0x4000;

const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40; // since Linux 6.2, only together with USO4

/** io_uring of a killed predecessor holds its descriptors for some milliseconds. */
const BUSY_RETRY_MS = 20;
const BUSY_RETRIES = 150;

export interface TunQueue {
  readonly fd: number;
  /** Packets carry a virtio-net header; TCP segments may come and go as one super-packet. */
  readonly vnet: boolean;
  /** UDP datagrams too. */
  readonly uso: boolean;
}

/** Opens one queue of the TUN `name`, which is made if it does not exist and vanishes with its last queue. */
export function openTun(name: string, options: { queues: number; offload: boolean }): TunQueue {
  const fd = libc.open('/dev/net/tun', libc.O_RDWR | libc.O_NONBLOCK | libc.O_CLOEXEC);
  if (fd < 0) throw failure(`/dev/net/tun cannot be opened`);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name.slice(0, 15)));
  const flags = IFF_TUN | IFF_NO_PI | (options.offload ? IFF_VNET_HDR : 0) | (options.queues > 1 ? IFF_MULTI_QUEUE : 0);
  new DataView(request.buffer).setUint16(16, flags, LITTLE_ENDIAN);
  for (let attempt = 0; libc.ioctlPointer(fd, TUNSETIFF, request) !== 0; attempt++) {
    if (libc.errno() === libc.EBUSY && attempt < BUSY_RETRIES) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_RETRY_MS);
      continue;
    }
    const error = failure(`TUN ${name} cannot be made`);
    libc.close(fd);
    throw error;
  }
  if (!options.offload) return { fd, vnet: false, uso: false };
  const tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  if (libc.ioctlPointer(fd, TUNSETVNETHDRSZ, new Int32Array([10])) !== 0) {
    const error = failure(`TUN ${name} does not take a virtio-net header`);
    libc.close(fd);
    throw error;
  }
  const uso = libc.ioctlValue(fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6) === 0;
  if (!uso && libc.ioctlValue(fd, TUNSETOFFLOAD, tso) !== 0) {
    const error = failure(`TUN ${name} does not take offloads`);
    libc.close(fd);
    throw error;
  }
  return { fd, vnet: true, uso };
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Why packets can no longer be read from a TUN. */
export function readFailure(errno: number): IlnpError {
  const why = errno === libc.EBADFD ? 'somebody has deleted the device' : `errno ${errno}`;
  return new IlnpError('E_TUN', `reading from the TUN failed: ${why}`);
}

function failure(what: string): IlnpError {
  const code = libc.errno();
  if (code === 1 || code === 13)
    return new IlnpError('E_PERMISSION', `${what}: needs root or CAP_NET_ADMIN (errno ${code})`);
  if (code === libc.EBUSY) return new IlnpError('E_TUN', `${what}: it is in use by another process`);
  return new IlnpError('E_TUN', `${what}: errno ${code}`);
}
