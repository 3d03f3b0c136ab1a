/** Links between devices in memory: lossless, or with faults from a seed in each direction. */
import { type FaultOptions, FaultPlug } from './fault-plug.ts';
import type { MemoryDevice, Plug } from './memory-device.ts';
import type { SeededRandom } from './random.ts';

/** One end of a link. */
export interface LinkEnd {
  readonly device: MemoryDevice;
  readonly port: number;
}

/** Joins two ends: what one sends the other receives, in order and unchanged, as long as its queue has room. */
export function memoryLink(a: LinkEnd, b: LinkEnd): void {
  a.device.connect(a.port, b.device.plug(b.port));
  b.device.connect(b.port, a.device.plug(a.port));
}

/** The two directions of a link with faults. */
export interface FaultLink {
  readonly aToB: FaultPlug;
  readonly bToA: FaultPlug;
  /** Delivers what is held back for reordering. */
  flush(): void;
}

/** Joins two ends by a link that loses, repeats, reorders and corrupts packets as the seed says. */
export function faultLink(a: LinkEnd, b: LinkEnd, options: FaultOptions & { random: SeededRandom }): FaultLink {
  const direction = (to: Plug, name: string): FaultPlug => new FaultPlug(to, options.random.fork(name), options);
  const aToB = direction(b.device.plug(b.port), 'a to b');
  const bToA = direction(a.device.plug(a.port), 'b to a');
  a.device.connect(a.port, aToB);
  b.device.connect(b.port, bToA);
  return {
    aToB,
    bToA,
    flush: () => {
      aToB.flush();
      bToA.flush();
    },
  };
}
