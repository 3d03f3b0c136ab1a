/**
 * IPv6 addresses as text: reads RFC 4291 section 2.2 (`::` and a dotted tail included), writes RFC 5952. Our own 60
 * lines because an address library costs 70 ms at start-up. Pure; what is no address is null. No zones here.
 */

/** An address as eight groups of 16 bits. */
export type Groups = readonly [number, number, number, number, number, number, number, number];

const GROUP = /^[0-9a-f]{1,4}$/i;
const DOTTED_TAIL = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;
const LONGEST = 'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255'.length;

/** Reads an address without zone or length. */
export function parseGroups(text: string): Groups | null {
  if (text.length > LONGEST) return null;
  const plain = withoutDottedTail(text);
  if (plain === null) return null;

  const gap = plain.indexOf('::');
  if (gap < 0) return eight(numbers(plain));
  const left = numbers(plain.slice(0, gap));
  const right = numbers(plain.slice(gap + 2));
  if (left === null || right === null || left.length + right.length > 7) return null; // `::` stands for one or more
  return eight([...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]);
}

/** Writes RFC 5952 text: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
export function formatGroups(groups: readonly number[]): string {
  const hex = groups.map((group) => group.toString(16));
  let start = -1;
  let longest = 1; // section 4.2.2: one zero group is not shortened
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > longest) {
      longest = end - i;
      start = i;
    }
    i = Math.max(i, end);
  }
  if (start < 0) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + longest).join(':')}`;
}

/** Groups between single colons; the empty text, left or right of `::`, is no group at all. */
function numbers(text: string): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  return groups.every((group) => GROUP.test(group)) ? groups.map((group) => Number.parseInt(group, 16)) : null;
}

function eight(list: number[] | null): Groups | null {
  return list !== null && list.length === 8 ? (list as unknown as Groups) : null;
}

/** `::ffff:192.0.2.1` becomes `::ffff:c000:201`; octets above 255 or with a leading zero are refused. */
function withoutDottedTail(text: string): string | null {
  if (!text.includes('.')) return text;
  const match = DOTTED_TAIL.exec(text);
  if (match === null) return null;
  const octets = match.slice(2);
  if (octets.some((octet) => Number(octet) > 255 || (octet.length > 1 && octet.startsWith('0')))) return null;
  const [a, b, c, d] = octets.map(Number) as [number, number, number, number];
  return `${match[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
