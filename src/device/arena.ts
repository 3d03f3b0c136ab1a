/**
 * The memory of a device: slots of one size, each with headroom, each able to hold the largest packet the kernel hands
 * over. Plain memory at a known address, so that the kernel reads into it and writes from it.
 */
import { HEADROOM, PacketBatch } from '../packet/batch.ts';
import { VNET_LENGTH } from '../wire/virtio-net.ts';
import { type Mapping, mapAnonymous } from './libc.ts';

/** Largest IPv6 packet: fixed header and 65,535 octets of payload. */
const MAX_PACKET = 40 + 65535;
const SLOT_OCTETS = 65536 + 256;

export class Arena {
  readonly batch: PacketBatch;
  readonly slots: number;
  readonly #memory: Mapping;
  readonly #header: number;

  /** `vnet`: every packet is preceded by its virtio-net header. */
  constructor(slots: number, capacity: number, vnet: boolean) {
    this.slots = slots;
    this.#memory = mapAnonymous(slots * SLOT_OCTETS);
    this.#header = vnet ? VNET_LENGTH : 0;
    this.batch = new PacketBatch(this.#memory.buffer, capacity, vnet);
  }

  /** Offset of the IPv6 header in slot `slot`; a multiple of 8. */
  packetAt(slot: number): number {
    return slot * SLOT_OCTETS + HEADROOM;
  }

  /** Address where the kernel puts a packet of slot `slot`, virtio-net header first. */
  readAddress(slot: number): number {
    return this.#memory.address + this.packetAt(slot) - this.#header;
  }

  /** Most octets it may put there. */
  get readLength(): number {
    return MAX_PACKET + this.#header;
  }

  /** Address of octet `offset` of the store. */
  address(offset: number): number {
    return this.#memory.address + offset;
  }
}
