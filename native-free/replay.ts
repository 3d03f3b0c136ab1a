/**
 * What a border of this configuration would have done with a capture: the production path over a replay device, with the
 * capture's own time as its clock. Same capture and configuration, same result, octet for octet.
 */
import type { SiteConfig } from '../src/config/site-config.ts';
import { tunNames } from '../src/device/tun-names.ts';
import { INSIDE, OUTSIDE, PORT_NAMES, SITE } from '../src/packet/batch.ts';
import { namedCounters } from '../src/sbr/counters.ts';
import { Explainer, type Explanation } from '../src/sbr/explain.ts';
import { forward } from '../src/sbr/forward.ts';
import { LINK_SCOPE, sideOf } from '../src/sbr/side.ts';
import { tablesOf } from '../src/sbr/tables.ts';
import type { L64 } from '../src/wire/text.ts';
import type { CaptureReader, CaptureTime, CaptureWriter, Direction } from './capture/capture.ts';
import { ReplayDevice } from './replay-device.ts';

/** `auto`: by the interface when the capture names it, else by addresses. */
export type ReplayPort = 'auto' | (typeof PORT_NAMES)[number];

export interface ReplayOptions {
  readonly config: SiteConfig;
  readonly reader: CaptureReader;
  /** Name of the capture, for messages. */
  readonly file: string;
  readonly writer: CaptureWriter | null;
  readonly port?: ReplayPort;
  /** Sources of the border's own ICMPv6 errors, 16 octets; default: the Subnet-Router anycast addresses. */
  readonly outsideAddress?: Uint8Array;
  readonly insideAddress?: Uint8Array;
  /** Yield every packet the border saw, with its decision in words. */
  readonly explain?: boolean;
}

export interface ReplayedPacket extends Explanation {
  readonly number: number;
  readonly time: CaptureTime;
}

export interface ReplaySummary {
  /** Packets the border saw. */
  readonly packets: number;
  /** Frames that hold no IPv6 packet. */
  readonly otherFrames: number;
  /** Packets the border would not have seen: IPv4, link-local, multicast, or already on their way out. */
  readonly passedOver: number;
  /** Of the path (sbr/counters.ts). */
  readonly counters: Record<string, number>;
}

/** A number of anybody's choice: a replay has no adversary and must be the same every time. */
const SEEDS = [1, 2, 3, 4] as const;
const NOT_OURS = -2;

export interface ReplayResult {
  readonly summary: ReplaySummary;
  /** Of a broken capture; the summary holds what was done before. */
  readonly problem: Error | null;
}

/** Replays a capture packet by packet; returns what came of it. */
export function* replay(options: ReplayOptions): Generator<ReplayedPacket, ReplayResult, undefined> {
  const { config, explain = false } = options;
  const { fib, bindings } = tablesOf(config, {
    outsideAddress: options.outsideAddress ?? subnetRouter(config.uplinks[0]!.l64),
    insideAddress: options.insideAddress ?? subnetRouter(config.inside[0]!.l64),
    seeds: SEEDS,
  });
  const explainer = new Explainer(config, bindings);
  const interfaces = interfaceSides(config);
  const fixed = PORT_NAMES.indexOf(options.port as (typeof PORT_NAMES)[number]);
  const device = new ReplayDevice(
    options.reader,
    options.file,
    (batch, frame, { direction }) => {
      if (fixed >= 0) return fixed;
      if (batch.bytes[batch.offset[0]!]! >>> 4 !== 6) return NOT_OURS; // no route for it leads to a border
      const known = frame.interface.name === undefined ? undefined : interfaces.get(frame.interface.name);
      if (direction !== undefined && direction === (known?.after ?? 'out')) return NOT_OURS;
      const side = sideOf(batch, 0, fib);
      return side === LINK_SCOPE ? side : (known?.port ?? side);
    },
    options.writer,
  );

  let packets = 0;
  let problem: Error | null = null;
  const { batch } = device;
  const octets = (): Uint8Array => batch.bytes.slice(batch.offset[0]!, batch.offset[0]! + batch.length[0]!);
  try {
    while (device.receive() > 0) {
      packets++;
      const before = explain ? octets() : null;
      forward(batch, fib, device.now);
      if (before !== null) {
        const [port, verdict, egress] = [batch.port[0]!, batch.verdict[0]!, batch.egress[0]!];
        const explanation = explainer.explain({ port, verdict, egress, before, after: octets() });
        yield { number: device.frame!.number, time: device.time, ...explanation };
      }
      device.send();
    }
  } catch (error) {
    problem = error as Error;
  }
  const { otherFrames, passedOver } = device;
  return { summary: { packets, otherFrames, passedOver, counters: namedCounters(fib.counters) }, problem };
}

/**
 * Side by interface, and the direction of what the border has already handled: on a link what is sent, on a TUN what the
 * kernel receives from it.
 */
function interfaceSides(config: SiteConfig): Map<string, { port: number; after: Direction }> {
  const sides = new Map<string, { port: number; after: Direction }>();
  for (const { interface: name } of config.peers) sides.set(name, { port: SITE, after: 'out' });
  for (const { interface: name } of config.inside) sides.set(name, { port: INSIDE, after: 'out' });
  for (const { interface: name } of config.uplinks) sides.set(name, { port: OUTSIDE, after: 'out' });
  for (const [port, name] of tunNames(config.tun.name).entries()) sides.set(name, { port, after: 'in' });
  return sides;
}

/** The Subnet-Router anycast address of a Locator (RFC 4291 section 2.6.1): every router on the link has it. */
function subnetRouter({ hi, lo }: L64): Uint8Array {
  const address = new Uint8Array(16);
  new DataView(address.buffer).setUint32(0, hi);
  new DataView(address.buffer).setUint32(4, lo);
  return address;
}
