/** Captures as other programs write them, built octet by octet and independent of native-free/. */

export interface Made {
  readonly seconds?: number;
  readonly fraction?: number;
  readonly octets: Uint8Array;
  readonly originalLength?: number;
}

type Order = 'little' | 'big';

const u16 = (order: Order, x: number): number[] => {
  const octets = [x & 0xff, (x >>> 8) & 0xff];
  return order === 'little' ? octets : octets.reverse();
};
export const u32 = (order: Order, x: number): number[] => {
  const octets = [x & 0xff, (x >>> 8) & 0xff, (x >>> 16) & 0xff, (x >>> 24) & 0xff];
  return order === 'little' ? octets : octets.reverse();
};

/** A pcap file. */
export function pcapOf(
  packets: readonly Made[],
  { order = 'little', magic = 0xa1b2c3d4, linkType = 101 }: { order?: Order; magic?: number; linkType?: number } = {},
): Uint8Array {
  const w = (x: number): number[] => u32(order, x);
  return Uint8Array.from([
    ...[...w(magic), ...u16(order, 2), ...u16(order, 4), ...w(0), ...w(0), ...w(65535), ...w(linkType)],
    ...packets.flatMap(({ seconds = 1, fraction = 2, octets, originalLength = octets.length }) => [
      ...[...w(seconds), ...w(fraction), ...w(octets.length), ...w(originalLength)],
      ...octets,
    ]),
  ]);
}

/** One block of a pcapng file. */
export function block(order: Order, type: number, body: readonly number[]): number[] {
  const padded = [...body, ...new Array<number>(-body.length & 3).fill(0)];
  const total = u32(order, padded.length + 12);
  return [...u32(order, type), ...total, ...padded, ...total];
}

export const option = (order: Order, code: number, value: readonly number[]): number[] => [
  ...u16(order, code),
  ...u16(order, value.length),
  ...value,
  ...new Array<number>(-value.length & 3).fill(0),
];

export const section = (order: Order): number[] =>
  block(order, 0x0a0d0d0a, [
    ...u32(order, 0x1a2b3c4d),
    ...u16(order, 1),
    ...u16(order, 0),
    ...new Array<number>(8).fill(0xff),
  ]);

export const interfaceBlock = (
  order: Order,
  linkType: number,
  options: readonly number[] = [],
  snapshot = 0,
): number[] => block(order, 1, [...u16(order, linkType), 0, 0, ...u32(order, snapshot), ...options]);

export const enhanced = (
  order: Order,
  {
    id = 0,
    high = 0,
    low = 0,
    octets,
    originalLength = octets.length,
    options = [] as readonly number[],
  }: {
    id?: number;
    high?: number;
    low?: number;
    octets: Uint8Array;
    originalLength?: number;
    options?: readonly number[];
  },
): number[] =>
  block(order, 6, [
    ...[id, high, low, octets.length, originalLength].flatMap((x) => u32(order, x)),
    ...octets,
    ...new Array<number>(-octets.length & 3).fill(0),
    ...options,
  ]);
