/** What a border may change in a packet, told from what tshark sees before and after. */
import { parseIlv } from '../../src/wire/text.ts';
import { FIELDS, type Fields } from './tshark.ts';

/** Their values follow the Locators; whether they are right is in fields of their own. */
const FREE = ['tcp.checksum', 'udp.checksum', 'icmpv6.checksum', '_ws.expert.message'];
const ADDRESSES = ['ipv6.src', 'ipv6.dst'];
/** Hops that being sent on between sites costs (sbr/rewrite.ts). */
const STRAGGLER_HOPS = 16;

/**
 * Fields that are not as they should be. The kernel takes two hops where a border is one, so one is given back; `hops`: of
 * those, 0 for a packet that is only quoted.
 */
export function translated(before: Fields, after: Fields, isStraggler: boolean, hops = 1): string[] {
  return FIELDS.flatMap((field) => {
    const [was, is] = [before[field] ?? [], after[field] ?? []];
    if (FREE.includes(field)) return [];
    const should =
      field === 'ipv6.hlim'
        ? was.map((hop, k) => (k > 0 ? hop : String(hopsLeft(Number(hop), isStraggler, hops))))
        : ADDRESSES.includes(field)
          ? was.map(nidOf)
          : was;
    const said = ADDRESSES.includes(field) ? is.map(nidOf) : is;
    return JSON.stringify(said) === JSON.stringify(should) ? [] : [`${field}: ${was} became ${is}`];
  });
}

function hopsLeft(came: number, isStraggler: boolean, hops: number): number {
  const left = isStraggler ? came - STRAGGLER_HOPS : came;
  return Math.min(255, left + hops);
}

const nidOf = (address: string): string => {
  const { hi, lo } = parseIlv(address)!.nid;
  return `${hi}:${lo}`;
};

/** Addresses with a Locator that only exists inside (RFC 4193), of the packet and of what it quotes. */
export const exposed = (fields: Fields): string[] =>
  ADDRESSES.flatMap((field) => fields[field] ?? []).filter((address) => /^f[cd]/.test(address));
