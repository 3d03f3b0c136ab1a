/**
 * What still anchors guests at their home: sessions with correspondents that speak plain IPv6, which keep the global Locator they
 * began with (RFC 6748 section 3). Nothing has to be ended: a guest is anchored as long as somebody talks to it by that Locator.
 */
import type { SiteConfig } from '../config/site-config.ts';
import type { Binding } from '../ilnp/bindings.ts';
import { IDLE_SECONDS, type SessionView } from '../ilnp/sessions.ts';
import { native32 } from '../wire/bytes.ts';
import { formatIlv, formatNid } from '../wire/text.ts';

/** Plain sessions of a guest with one correspondent by one uplink. */
export interface AnchorReply {
  readonly nid: string;
  /** Where the guest is. */
  readonly at: string;
  /** Null, and the next two empty: nobody was heard. */
  readonly correspondent: string | null;
  readonly uplink: string | null;
  readonly sessions: number;
  /** Seconds since the last of them was heard of, in steps of four. */
  readonly idle: number | null;
}

/** Adds up what was noted of some guests of ours. `ids`: what sessions know the configured uplinks by. */
export function anchorsOf(
  guests: readonly Binding[],
  noted: readonly SessionView[],
  { uplinks }: Pick<SiteConfig, 'uplinks'>,
  ids: Uint8Array,
): AnchorReply[] {
  const plain = groupsOf(
    noted.filter(({ isIlnp, idle }) => !isIlnp && idle < IDLE_SECONDS),
    (one) => one.nid.join(),
  );
  return guests.flatMap(({ nid, at }): AnchorReply[] => {
    const place = { nid: formatNid(nid), at };
    const own = plain.get([native32(nid.hi) | 0, native32(nid.lo) | 0].join()) ?? [];
    if (own.length === 0) return [{ ...place, correspondent: null, uplink: null, sessions: 0, idle: null }];
    const rows = [...groupsOf(own, ({ correspondent, uplink }) => `${correspondent} ${uplink}`).values()].map(
      (group) => {
        const { correspondent, uplink } = group[0]!;
        return {
          ...{ ...place, correspondent: addressOf(correspondent) },
          uplink: uplinks[ids.indexOf(uplink)]?.name ?? null,
          sessions: group.filter(({ flow }) => flow !== 0).length || 1, // what does not show its flow goes with the pair
          idle: Math.min(...group.map(({ idle }) => idle)),
        };
      },
    );
    return rows.sort((a, b) => a.idle - b.idle);
  });
}

function addressOf(words: SessionView['correspondent']): string {
  const [l0, l1, c0, c1] = words.map((word) => native32(word)) as [number, number, number, number];
  return formatIlv({ hi: l0, lo: l1 }, { hi: c0, lo: c1 });
}

function groupsOf<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return groups;
}
