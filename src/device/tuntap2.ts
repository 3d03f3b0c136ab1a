/**
 * The API of the package tuntap2 over our TUN layer, for programs written against it: `new Tun()`, a Duplex of one packet per
 * chunk with `name`, `mtu`, `ipv4`, `ipv6`, `isUp` and `release`. Different on purpose:
 *
 *   errors    are Error objects with a code, never strings, and say what was refused
 *   release   ends at once, also while nothing arrives; the interface is gone when its callback is called
 *   threads   none of libuv's pool: reading waits in poll in one worker, writing is a system call of the caller
 *   readers   chunks are never joined (the readable side is in object mode); properties are readable while it is down
 *
 * What it costs beside the batch interface (device.ts): every packet is copied out of the batch, travels to the program's
 * thread and becomes a Buffer and an event; no offload, so no super-packets, which are what makes the batch interface fast.
 * bench/tun-adapter.mjs, packets of 100 octets, one noisy machine: reading about 1 microsecond a packet more than batches
 * by poll, writing 0.1 to 1 more; a lone packet is there 0.1 ms after it was sent (median).
 */
import { writeSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { IlnpError } from '../runtime/errors.ts';
import * as settings from './interface-settings.ts';
import * as libc from './libc.ts';
import { openTun } from './tun.ts';
import {
  IN_FLIGHT,
  IN_FLIGHT_MAX,
  STATE_WORDS,
  STOPPED,
  type TunReaderStart,
  type TunReading,
} from './tuntap2-messages.ts';

const TUNGETIFF = 0x800454d2;
const EFD_NONBLOCK_CLOEXEC = 0o2004000;
const ONE = new Uint8Array(new BigUint64Array([1n]).buffer);
const EIO = 5;
const EINVAL = 22;
/** Largest IPv6 packet: fixed header and 65,535 octets of payload. */
const LARGEST = 40 + 65535;
/** Packets held for a program that does not read yet. */
const HELD = 256;

export interface TunOptions {
  /** Default: the kernel's choice, tun0, tun1, ... */
  readonly name?: string;
}

export class Tun extends Duplex {
  readonly name: string;
  readonly isTun = true;
  readonly isTap = false;
  readonly #fd: number;
  readonly #wakeFd: number;
  readonly #state = new SharedArrayBuffer(4 * STATE_WORDS);
  readonly #shared = new Int32Array(this.#state);
  readonly #room = libc.mapAnonymous(LARGEST + 1);
  readonly #roomOctets = new Uint8Array(this.#room.buffer);
  readonly #readings: TunReading[] = [];
  #taken = 0;
  #takenOctets = 0;
  #wanted = false;
  #worker: Worker | null = null;
  #ipv6 = '';

  /** Makes the interface, down. Throws IlnpError: E_PERMISSION, E_TUN. */
  constructor({ name = '' }: TunOptions = {}) {
    super({ readableObjectMode: true, readableHighWaterMark: HELD, decodeStrings: true });
    this.#fd = openTun(name, { queues: 1, offload: false }).fd;
    this.#wakeFd = libc.eventfd(0, EFD_NONBLOCK_CLOEXEC);
    this.name = nameOf(this.#fd);
  }

  /** A TUN carries packets, not frames: it has no address of that layer. */
  get mac(): string {
    return '00:00:00:00:00:00';
  }

  set mac(_: string) {
    throw new IlnpError('E_TUN', `${this.name}: a TUN has no MAC address to set`);
  }

  get mtu(): number {
    return settings.readMtu(this.name);
  }

  set mtu(mtu: number) {
    settings.writeMtu(this.name, mtu);
  }

  /** With its prefix length, `10.0.0.100/24`; '' when there is none. */
  get ipv4(): string {
    return settings.readIpv4(this.name);
  }

  set ipv4(address: string) {
    settings.writeIpv4(this.name, address);
  }

  /** With its prefix length, `fd00:1::1/64`; '' when there is none. Setting another one replaces what was set here. */
  get ipv6(): string {
    return settings.readIpv6(this.name);
  }

  set ipv6(address: string) {
    settings.addIpv6(this.name, address);
    if (this.#ipv6 !== '' && this.#ipv6 !== address) settings.removeIpv6(this.name, this.#ipv6);
    this.#ipv6 = address;
  }

  get isUp(): boolean {
    return settings.readUp(this.name);
  }

  set isUp(up: boolean) {
    settings.writeUp(this.name, up);
  }

  /** Takes the interface down and lets go of everything; `callback` when it is gone. Safe to call again. */
  release(callback?: (error?: Error | null) => void): void {
    if (callback !== undefined) {
      if (this.closed) queueMicrotask(callback);
      else this.once('close', callback);
    }
    this.destroy();
  }

  override _read(): void {
    this.#wanted = true;
    this.#worker ??= this.#startReading();
    this.#hand();
  }

  override _write(packet: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    done(this.#send(packet));
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const close = (): void => {
      libc.close(this.#fd);
      libc.close(this.#wakeFd);
      done(error);
    };
    if (this.#worker === null) close();
    else {
      this.#worker.once('exit', close);
      Atomics.store(this.#shared, STOPPED, 1);
      Atomics.notify(this.#shared, IN_FLIGHT);
      writeSync(this.#wakeFd, ONE);
    }
  }

  /** Writes one packet; null, or what was wrong. */
  #send(packet: Buffer): Error | null {
    const { length } = packet;
    if (length === 0 || length > LARGEST) return new RangeError(`a packet has 1 to ${LARGEST} octets, got ${length}`);
    this.#roomOctets.set(packet);
    if (libc.writeFrom(this.#fd, this.#room.address, length) >= 0) return null;
    const code = libc.errno();
    const why = code === EIO ? 'it is down' : code === EINVAL ? 'this is no IP packet' : 'the kernel refused it';
    return new IlnpError('E_TUN', `${this.name}: a packet of ${length} octets was not written: ${why} (errno ${code})`);
  }

  #startReading(): Worker {
    const start: TunReaderStart = { fd: this.#fd, wakeFd: this.#wakeFd, state: this.#state };
    const worker = new Worker(new URL('./tuntap2-worker.js', import.meta.url), {
      workerData: start,
      name: this.name,
      execArgv: [], // options such as --input-type are for the program, not for its workers
    });
    worker.on('message', (reading: TunReading) => {
      this.#readings.push(reading);
      this.#hand();
    });
    worker.on('error', (error) => this.destroy(error));
    return worker;
  }

  /** Gives the stream what it wants of what was read; a reading that is used up makes room for the next. */
  #hand(): void {
    while (this.#wanted && this.#readings.length > 0 && !this.destroyed) {
      const { lengths, octets } = this.#readings[0]!;
      const length = lengths[this.#taken]!;
      const packet = Buffer.from(octets.buffer, this.#takenOctets, length);
      this.#taken++;
      this.#takenOctets += length;
      if (this.#taken === lengths.length) {
        this.#readings.shift();
        this.#taken = this.#takenOctets = 0;
        if (Atomics.sub(this.#shared, IN_FLIGHT, 1) === IN_FLIGHT_MAX) Atomics.notify(this.#shared, IN_FLIGHT);
      }
      this.#wanted = this.push(packet);
    }
  }
}

/** The name the kernel gave, struct ifreq again. */
function nameOf(fd: number): string {
  const request = new Uint8Array(40);
  if (libc.ioctlPointer(fd, TUNGETIFF, request) !== 0) {
    const code = libc.errno();
    libc.close(fd);
    throw new IlnpError('E_TUN', `the name of a new TUN cannot be read: errno ${code}`);
  }
  return new TextDecoder().decode(request.subarray(0, request.indexOf(0)));
}
