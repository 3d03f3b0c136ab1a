/**
 * What the connections between borders are, and nothing else is accepted: TLS 1.3 with a pre-shared key and an ephemeral
 * exchange (psk_dhe_ke), so a key that leaks later opens no recorded connection. No certificates: a server that shows
 * one is refused, as is a resumed session, which would carry no name.
 *
 * OpenSSL's callback for pre-shared keys, which Node uses, hashes with SHA-256: hence the one cipher suite.
 */
import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls';
import { linkIdentity, linkKey } from './site-key.ts';

const ONLY = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256',
  ALPNProtocols: ['ilnp/1'],
} as const;

/** Options of the connection that `site` opens to `peer`. */
export function clientOptions(key: Uint8Array, site: string, peer: string): ConnectionOptions {
  const psk = Buffer.from(linkKey(key, site, peer));
  const identity = linkIdentity(site, peer);
  return {
    ...ONLY,
    ca: [], // no authority may vouch for a peer
    pskCallback: () => ({ psk, identity }),
    checkServerIdentity: (_host, certificate) =>
      Object.keys(certificate ?? {}).length === 0 ? undefined : new Error('the peer showed a certificate'),
  };
}

/** Options of the listener; `keyOf` gives the key that belongs to an identity, or undefined to refuse it. */
export function serverOptions(keyOf: (identity: string, socket: TLSSocket) => Uint8Array | undefined): TlsOptions {
  return {
    ...ONLY,
    pskCallback: (socket, identity) => {
      const key = keyOf(identity, socket);
      // Null is refused in the hand-shake: there is no certificate to fall back to.
      return key === undefined ? null : Buffer.from(key);
    },
  };
}

/** What is wrong with a connection we opened, its hand-shake being over; undefined: it is what we want. */
export function weaknessOf(socket: TLSSocket): string | undefined {
  if (socket.getProtocol() !== 'TLSv1.3') return `negotiated ${socket.getProtocol()}, expected TLSv1.3`;
  const exchange = socket.getEphemeralKeyInfo();
  return exchange !== null && 'type' in exchange ? undefined : 'negotiated no ephemeral key exchange';
}
