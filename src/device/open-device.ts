/** Picks the fastest way into the TUN that this kernel has. */
import { IlnpError } from '../runtime/errors.ts';
import type { LendingDevice } from './device.ts';
import { PolledDevice } from './polled-device.ts';
import type { TunQueue } from './tun.ts';
import { probeMultishot, UringDevice } from './uring-device.ts';

/** `io`: `auto` tries io_uring with multishot reads, then with single reads, then poll. `name`: what was chosen. */
export function openDevice(
  tuns: readonly TunQueue[],
  wakeFd: number,
  io: 'auto' | 'uring' | 'uring-single' | 'poll',
): { device: LendingDevice; name: string } {
  const offload = tuns[0]!.vnet ? ', offload' : '';
  if (io !== 'poll') {
    try {
      const multishot = io !== 'uring-single' && probeMultishot();
      if (io === 'uring' && !multishot)
        throw new IlnpError('E_IO_URING', 'this kernel has no multishot read (Linux 6.7)');
      const device = new UringDevice(tuns, wakeFd, { multishot, coalesce: true });
      return { device, name: `io_uring, ${multishot ? 'multishot' : 'single'} reads${offload}` };
    } catch (error) {
      if (io !== 'auto' || !(error instanceof IlnpError)) throw error;
    }
  }
  return { device: new PolledDevice(tuns, wakeFd, { coalesce: true }), name: `poll${offload}` };
}
