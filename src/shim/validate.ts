/**
 * The validation table for packets from a NID that may be a correspondent, RFC 6741 sections 5.4 and 11, RFC 6744
 * sections 4 and 7, RFC 6743 section 6:
 *
 *   nonce    Locator known   data                        Locator Update   other ICMPv6 of a correspondent
 *   absent   yes             accepted                    forgery          forgery, but for an echo in fragments
 *   right    yes             accepted                    accepted         accepted
 *   wrong    yes             dropped                     forgery          forgery
 *   absent   no              dropped                     forgery          not of the correspondent: as in IPv6
 *   right    no              accepted, answered there    accepted         accepted
 *   wrong    no              dropped                     forgery          forgery
 *
 * It binds only those who are proved to hear us, however long they have been silent (who has started anew is asked, proof.ts): else a stranger's packet with a nonce could keep the packets of the
 * true owner of a NID out. Without proof a nonce from a known Locator replaces the one before; one from anywhere else is
 * another node with the same NID (RFC 6741 section 5.4), else a stranger could have what is for the true one.
 */
import type { Correspondent } from '../ilnp/correspondent.ts';
import { sameOctets } from './same-octets.ts';

/** Session of this correspondent. */
export const ACCEPT = 0;
/** As ACCEPT; the Locator is new to us. */
export const ACCEPT_PROVISIONAL = 1;
/** As ACCEPT; the nonce is new to us. */
export const ACCEPT_LEARN = 2;
/** No ILNP session: an IPv6 packet like any other. */
export const AS_PLAIN = 3;
export const REJECT_NONCE = 4;
export const REJECT_LOCATOR = 5;

/** `known`: the source Locator is one of its valid ones. `nonce`: null when absent. */
export function validate(c: Correspondent, known: boolean, nonce: Uint8Array | null, now: number): number {
  if (now < c.plainUntil && !c.proved) return AS_PLAIN;
  if (nonce === null) {
    if (c.remoteNonce === null) return AS_PLAIN;
    if (known) return ACCEPT;
    return c.proved ? REJECT_LOCATOR : AS_PLAIN;
  }
  if (c.remoteNonce === null) return known ? ACCEPT_LEARN : AS_PLAIN;
  if (sameOctets(nonce, c.remoteNonce)) return known ? ACCEPT : ACCEPT_PROVISIONAL;
  if (known && !c.proved) return ACCEPT_LEARN;
  return c.proved ? REJECT_NONCE : AS_PLAIN;
}
