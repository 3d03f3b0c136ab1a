/**
 * Packets in flight: one backing store, a packet is three numbers (offset, length, port).
 *
 * The buffer law: the device owns the slots, everybody else borrows them for one call, keeping means copying. The
 * IPv6 header of every packet is 8-octet aligned, so that `word` and `half` read it in the machine's own order; with
 * `vnet` the 10 octets before it are its virtio-net header (wire/virtio-net.ts).
 */

/** Sides of a border router; a packet's port says from which side it came, its egress to which side it goes. */
export const OUTSIDE = 0;
export const INSIDE = 1;
export const SITE = 2;
export const PORT_NAMES = ['outside', 'inside', 'site'] as const;

/** Octets before a packet that a forwarder may push headers into. */
export const HEADROOM = 128;

export class PacketBatch {
  readonly capacity: number;
  /** The whole store, as octets, 16-bit and 32-bit words of the machine's own order. */
  readonly bytes: Uint8Array;
  readonly half: Uint16Array;
  readonly word: Int32Array;
  /** True when every packet is preceded by its virtio-net header. */
  readonly vnet: boolean;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  readonly port: Uint8Array;
  readonly verdict: Uint8Array;
  readonly egress: Uint8Array;
  count = 0;

  /** `store`: a multiple of 8 octets, 8-octet aligned. `capacity`: packets. */
  constructor(store: ArrayBufferLike, capacity: number, vnet: boolean) {
    this.capacity = capacity;
    this.bytes = new Uint8Array(store);
    this.half = new Uint16Array(store);
    this.word = new Int32Array(store);
    this.vnet = vnet;
    this.offset = new Uint32Array(capacity);
    this.length = new Uint32Array(capacity);
    this.port = new Uint8Array(capacity);
    this.verdict = new Uint8Array(capacity);
    this.egress = new Uint8Array(capacity);
  }
}
