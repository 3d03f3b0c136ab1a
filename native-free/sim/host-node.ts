/** A host's place in the network: at most one link at a time, which it may leave and find another. */
import type { Engine } from './engine.ts';
import type { HostMachine } from './host.ts';
import type { Packet } from './packet.ts';

/** Where a host hands its packets to. */
export interface Below {
  send(packet: Packet): void;
}

export class HostNode {
  readonly name: string;
  /** The link it sends on; undefined while it is nowhere. */
  link: Below | undefined;
  /** Packets it wanted to send while it was nowhere. */
  unplugged = 0;
  sent = 0;
  received = 0;
  readonly #engine: Engine;
  readonly #machine: () => HostMachine;
  #plannedAt = Number.POSITIVE_INFINITY;

  /** `machine`: made after its node, because it sends through it. */
  constructor(engine: Engine, name: string, machine: () => HostMachine) {
    this.#engine = engine;
    this.name = name;
    this.#machine = machine;
  }

  send(packet: Packet): void {
    this.sent++;
    if (this.link === undefined) this.unplugged++;
    else this.link.send(packet);
    this.plan();
  }

  receive(packet: Packet): void {
    const { origin } = packet;
    this.received++;
    origin.delivered++;
    if (origin.delivered > origin.copies)
      this.#engine.violate(
        `${this.name} got ${origin.delivered} copies of a packet of which links made ${origin.copies}`,
      );
    const result = this.#machine().input(packet.octets, this.#engine.now);
    if (result !== 'taken' && !origin.corrupted)
      this.#engine.violate(`${this.name} got a ${result} packet that no link has changed`);
    this.plan();
  }

  /** Sees to it that `tick` is called when the machine next has work. */
  plan(): void {
    const deadline = this.#machine().nextDeadline();
    if (deadline >= this.#plannedAt) return;
    this.#plannedAt = deadline;
    this.#engine.at(deadline, () => {
      if (this.#plannedAt !== deadline) return;
      this.#plannedAt = Number.POSITIVE_INFINITY;
      if (this.#machine().nextDeadline() <= this.#engine.now) this.#machine().tick(this.#engine.now);
      this.plan();
    });
  }
}
