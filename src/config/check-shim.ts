/** Checks of an end system's configuration across its keys. */

import type { z } from 'zod';
import { formatNid } from '../wire/text.ts';
import type { shimSchema } from './shim-schema.ts';
import type { Endpoint } from './site-config.ts';
import type { Draft, Report } from './validate.ts';

type ShimDraft = Draft<z.output<typeof shimSchema>>;

/** Reports what does not fit together. */
export function checkShim(node: ShimDraft, report: Report): void {
  checkInterfaces(node, report);
  checkPeers(node, report);
  checkNames(node, report);
}

function checkInterfaces({ interfaces = [], tun }: ShimDraft, report: Report): void {
  const names = interfaces.map((i) => i?.interface);
  for (const [k, name] of names.entries()) {
    if (name === undefined || (names.indexOf(name) === k && name !== 'lo' && name !== tun?.name)) continue;
    report(['interfaces', k, 'interface'], 'an interface with a link, neither the TUN nor in the list already');
  }
}

function checkPeers({ peers = [], nid: own }: ShimDraft, report: Report): void {
  const nids = peers.map((peer) => peer?.nid && formatNid(peer.nid));
  for (const [k, peer] of peers.entries()) {
    const nid = nids[k];
    if (nid !== undefined && nids.indexOf(nid) !== k)
      report(['peers', k, 'nid'], 'a Node Identifier that is not in the list already');
    if (nid !== undefined && own !== undefined && nid === formatNid(own))
      report(['peers', k, 'nid'], 'the Node Identifier of another node');
    if (peer?.authentication === 'required' && peer.keyFile === undefined)
      report(['peers', k, 'authentication'], '`required` only with a `keyFile`');
  }
}

/** A resolver that asks itself answers nobody. */
function checkNames({ names }: ShimDraft, report: Report): void {
  const own = names?.listen;
  if (names === undefined || own === undefined) return;
  const isOwn = (server: Draft<Endpoint> | undefined): boolean =>
    server !== undefined && server.host === own.host && server.port === own.port;
  for (const [k, server] of (names.upstream ?? []).entries())
    if (isOwn(server)) report(['names', 'upstream', k], 'another server than the resolver of this node itself');
  if (isOwn(names.update?.server))
    report(['names', 'update', 'server'], 'the server that has the zone, not the resolver');
}
