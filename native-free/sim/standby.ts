/** The standby of a simulated border: the production copy and its loop, over a channel of its own, on a disk of its own. */
import { Copy, type CopyFile } from '../../src/pair/copy.ts';
import { keepCopy } from '../../src/pair/keep-copy.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { errorReply } from '../../src/sites/messages.ts';
import { ControlChannel, type ControlEnd, type ControlLines } from './control.ts';
import type { SimDisk } from './disk.ts';
import type { Engine } from './engine.ts';

/** As in src/pair/channel.ts. */
const ASK_MS = 5000;
const QUIET = { info: () => {}, warn: () => {} };

/** What a standby of this name is called in scenarios. */
export const standbyOf = (site: string): string => `${site}~standby`;

export class SimStandby {
  readonly disk: SimDisk;
  readonly #engine: Engine;
  readonly #end: ControlEnd;
  readonly #channel: ControlChannel;
  readonly #moves = new MemoryFile();
  readonly #sessions: MemoryFile;
  readonly #copy: Copy;
  #isOver = false;

  /** Begins to copy; `life`: which of its processes it is. */
  constructor(options: {
    readonly engine: Engine;
    readonly lines: ControlLines;
    readonly site: string;
    readonly active: ControlEnd;
    readonly disk: SimDisk;
    readonly life: number;
  }) {
    const { engine, lines, site, active, disk, life } = options;
    this.#engine = engine;
    this.disk = disk;
    this.#sessions = new MemoryFile(disk.words.byteLength);
    this.#copy = new Copy(this.#moves, this.#sessions);
    this.#end = {
      name: standbyOf(site),
      life: () => life,
      isUp: () => !this.#isOver,
      isPowered: () => true,
      handle: async () => errorReply(new IlnpError('E_PROTOCOL', 'a standby answers nobody')),
      connected: () => {},
    };
    this.#channel = new ControlChannel({ engine, lines, self: this.#end, peer: active, life });
    void keepCopy({
      copy: this.#copy,
      ask: async (ask) => {
        const reply = await this.#channel.request({ kind: 'mirror', ...ask }, ASK_MS);
        if (reply.kind !== 'mirrored') throw new IlnpError('E_PROTOCOL', `the active one answered ${reply.kind}`);
        return reply;
      },
      isOver: () => this.#isOver,
      clock: engine.clock(),
      log: QUIET,
    });
  }

  get isWhole(): boolean {
    return this.#copy.isWhole;
  }

  /** Its process ends; what it has copied whole is where a border looks when it starts. */
  stop(): void {
    this.#isOver = true;
    this.#channel.close();
    const { placed } = this.#moves;
    if (placed !== null) this.disk.take(placed, this.#sessions.placed!);
    this.#engine.trace.add(this.#engine.now, this.#end.name, 'stopped');
  }
}

class MemoryFile implements CopyFile {
  readonly #octets: number;
  #copy = new Uint8Array(0);
  #isInPlace = false;
  #placed: Uint8Array | null = null;

  /** `octets`: at least so many, zeros. */
  constructor(octets = 0) {
    this.#octets = octets;
  }

  /** What is in place; null: what was there before. */
  get placed(): Uint8Array | null {
    return this.#isInPlace ? this.#copy : this.#placed;
  }

  begin(): void {
    this.#placed = this.placed;
    this.#copy = new Uint8Array(this.#octets);
    this.#isInPlace = false;
  }

  write(octets: Uint8Array, at: number): void {
    if (at + octets.length > this.#copy.length) {
      const longer = new Uint8Array(at + octets.length);
      longer.set(this.#copy);
      this.#copy = longer;
    }
    this.#copy.set(octets, at);
  }

  flush(): void {}

  put(): void {
    this.#isInPlace = true;
  }

  close(): void {}
}
