/**
 * The place packets come from and go to: one queue of the TUN devices of a border router, or what stands for it in
 * memory and in captures.
 *
 *   receive ──lends──► batch ──forwarder──► batch ──► send
 *
 * The device owns the batch's store. What `receive` filled stays valid until the next `receive`.
 */
import type { PacketBatch } from '../packet/batch.ts';

export interface Device {
  readonly batch: PacketBatch;
  /**
   * Refills the batch from its start, with each packet's port, and returns how many there are. Waits until there is one
   * or until somebody wakes the device; sends first whatever `send` still holds.
   */
  receive(): number;
  /** Sends, in order within a flow, every packet whose verdict says so, to its egress port. */
  send(): void;
  /** True once after the device was woken from another thread. */
  takeWake(): boolean;
  /** Packets the kernel refused to take, since the last call. */
  takeWriteFailures(): number;
  close(): void;
}

/** A device that can also send what did not just come from it. */
export interface LendingDevice extends Device {
  /**
   * Empties the batch and lends slots for packets that somebody has kept, behind all that was sent before: `offset` of the
   * first so many, as many as it returns, each with room for the largest packet and its virtio-net header. The borrower sets
   * `length`, `port` and `count`, and sends before the next `receive`.
   */
  lend(): number;
}
