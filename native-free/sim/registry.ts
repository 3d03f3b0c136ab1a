/**
 * The registry in the simulator: the production rules, service and client, its entries in memory. A crash ends what it was
 * about to answer; what it has confirmed it has again, as store.ts does from its disk.
 */
import { RegistryClient } from '../../src/registry/client.ts';
import { MemoryRegistry } from '../../src/registry/memory.ts';
import type { RegistryOfRange } from '../../src/registry/ranges.ts';
import type { Entry } from '../../src/registry/registry.ts';
import { RegistryService } from '../../src/registry/service.ts';
import { IlnpError } from '../../src/runtime/errors.ts';
import { errorReply, type Reply, type Request } from '../../src/sites/messages.ts';
import type { SendRequest } from '../../src/sites/moves-world.ts';
import type { Nid } from '../../src/wire/text.ts';
import type { ControlEnd } from './control.ts';
import type { Engine } from './engine.ts';

/** What it is called in scenarios. */
export const REGISTRY = 'registry';

export class SimRegistry {
  readonly end: ControlEnd;
  readonly #engine: Engine;
  readonly #kept: MemoryRegistry;
  #service: RegistryService | undefined;
  #crashes = 0;

  constructor(engine: Engine, limit: number) {
    this.#engine = engine;
    const random = engine.random(REGISTRY);
    const seed = [random.next(), random.next()] as const;
    this.#kept = new MemoryRegistry({ now: () => engine.now / 1000, seed, limit, remembered: 64 });
    this.end = {
      name: REGISTRY,
      life: () => this.#crashes,
      isUp: () => this.#service !== undefined,
      isPowered: () => true,
      handle: (from, request) => this.#answer(from, request),
      connected: () => {},
    };
    this.start();
  }

  get isUp(): boolean {
    return this.#service !== undefined;
  }

  /** What it has of an identifier. */
  entry(nid: Nid): Entry | null {
    return this.#kept.state.get(nid);
  }

  start(): void {
    this.#service ??= new RegistryService(this.#kept, this.#engine.clock().after);
    this.#engine.trace.add(this.#engine.now, REGISTRY, 'started');
  }

  crash(): void {
    if (this.#service === undefined) return;
    this.#service.close();
    this.#service = undefined;
    this.#crashes++;
    this.#engine.trace.add(this.#engine.now, REGISTRY, 'crashed');
  }

  async #answer(from: string, request: Request): Promise<Reply> {
    try {
      if (request.kind !== 'registry' || this.#service === undefined) throw new IlnpError('E_REGISTRY', 'not here');
      const answer = await this.#service.answer(from, request.ask);
      this.#engine.touch();
      return { kind: 'registry', answer };
    } catch (error) {
      return errorReply(error);
    }
  }
}

/** The registry of all identifiers as a border asks it. */
export function registryThrough(send: SendRequest): RegistryOfRange[] {
  const range = { from: { hi: 0, lo: 0 }, to: { hi: 0xffff_ffff, lo: 0xffff_ffff } };
  const registry = new RegistryClient(async (ask, timeoutMs) => {
    const reply = await send(REGISTRY, { kind: 'registry', ask }, timeoutMs);
    return reply.kind === 'registry' ? reply.answer : reply;
  });
  return [{ range, registry }];
}
