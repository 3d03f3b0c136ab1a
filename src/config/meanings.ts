/** What each key of a site's configuration means, for the published JSON Schema; a test finds keys that are missing here. */
const MEANINGS: Readonly<Record<string, string>> = {
  site: 'Name of this site; the same word that the other sites use for it.',
  tun: 'The TUN devices: NAME (outside), NAME-in (inside), NAME-site (between sites).',
  'tun.name': 'Name of the first device.',
  'tun.queues': 'Queues of each device, each with a thread of its own.',
  'tun.io': 'How packets are read and written; auto: io_uring where the kernel has it, else poll.',
  'tun.offload': 'Take and give super-packets (TSO, USO) instead of packets of MTU size.',
  network:
    'auto: set up routes, rules, sysctls and proxy neighbours, and take them back; manual: print the commands instead.',
  checksum:
    'What transport checksums cover: whole addresses (full, RFC 8200), no Locators in ILNP sessions (zeroed, RFC 6741 section 4.2), or what each session shows (auto).',
  uplinks: 'Providers of this site, each with a global Locator.',
  'uplinks[].name': 'Name that bindings and subnets use.',
  'uplinks[].interface': 'Its network interface.',
  'uplinks[].l64': 'Global Locator that the provider routes to this site.',
  'uplinks[].preference': 'For new sessions; lower is preferred (RFC 6742 section 2.3).',
  'uplinks[].via': 'Next hop of the provider; without it the default route of the interface is used.',
  'uplinks[].probe':
    'Address that is sent an echo request a second by this uplink; three without an answer, and new sessions use another one.',
  'uplinks[].onLink':
    'The Locator is on the link instead of routed to us: answer neighbour solicitations for its addresses.',
  inside:
    "Links where guests live. The Locator of the first one is this site's own (L_L), by which other sites reach it.",
  'inside[].interface': 'Its network interface, a bridge for example.',
  'inside[].l64': 'Locator of the link.',
  'inside[].gateway':
    'Address of the gateway that guests are configured with, the same at every site; put on the interface.',
  'inside[].guests': 'Further guest Locators that may be on the link, besides those of bindings.',
  'inside[].arrivals':
    'A guest that shows itself here (neighbour discovery, the reverse ARP of its hypervisor) is moved here, when its old site has lost it.',
  peers: 'The borders of the other sites.',
  'peers[].site': 'Name of that site.',
  'peers[].l64': 'Its own Locator.',
  'peers[].interface': 'Network interface of the inter-site network.',
  'peers[].via': 'Address of its border there; it must be on the link.',
  'peers[].control': 'Where its border listens for moves.',
  bindings: 'Guests: the same list at every site.',
  'bindings[].nid': 'Node Identifier: the lower half of its address.',
  'bindings[].guest': 'Locator the guest itself is configured with.',
  'bindings[].home': 'Site whose uplinks its sessions use, and which decides about its moves.',
  'bindings[].uplink': 'Uplink of its home for its new sessions; without it the preferred one.',
  'bindings[].at': 'Site where it is when nothing is known of a move.',
  bindingsFile: 'More bindings, one JSON object per line, for large sites.',
  subnets: 'Whole prefixes of hosts without bindings that are mapped one to one (RFC 6748 section 2.3).',
  'subnets[].inside': 'Prefix of the hosts.',
  'subnets[].outside': 'Prefix of the same length under which the world knows them.',
  'subnets[].uplink': 'Uplink that the outside prefix belongs to.',
  policy:
    'Where guests may be and who may move them; the first rule that names a Node Identifier holds, without one everything is allowed. Its home and the site it would go to look into theirs.',
  'policy[].nids': 'One Node Identifier, or the first and the last of a range: "0:0:0:a0 - 0:0:0:af".',
  'policy[].sites': 'Sites where they may be; without it anywhere.',
  'policy[].movers': 'Sites whose borders may ask for a move; without it all.',
  control: 'How this border is spoken to.',
  'control.socket': 'Unix socket for ilnp move and ilnp show; without it /run/ilnp/SITE.sock.',
  'control.listen': 'Where it listens for the other borders: an address of the inter-site network.',
  'control.keyFile': 'Key that all borders share, made by ilnp key.',
  registry: 'Who keeps the bindings of all sites, for all Node Identifiers; without it the home of each decides alone.',
  'registry.kind': 'embedded: a border or ilnp controller keeps them; etcd: a cluster of etcd v3 does.',
  'registry.name': 'embedded: the site that keeps them, this one too, or the name of a controller.',
  'registry.control': 'embedded: where the controller listens.',
  'registry.endpoints': 'etcd: members, tried in turn.',
  'registry.caFile': 'etcd: PEM of the authority of its certificates; without it those the system trusts.',
  'registry.user': 'etcd: user who may read and write below the prefix.',
  'registry.passwordFile': 'etcd: file with the password, readable by its owner only.',
  'registry.prefix': 'etcd: before all keys; without it /ilnp.',
  registries: 'The same, for several registries with a range of Node Identifiers each.',
  'registries[].range': 'First and last Node Identifier.',
  'registries[].kind': 'embedded: a border or ilnp controller keeps them; etcd: a cluster of etcd v3 does.',
  'registries[].name': 'embedded: the site that keeps them, this one too, or the name of a controller.',
  'registries[].control': 'embedded: where the controller listens.',
  'registries[].endpoints': 'etcd: members, tried in turn.',
  'registries[].caFile': 'etcd: PEM of the authority of its certificates; without it those the system trusts.',
  'registries[].user': 'etcd: user who may read and write below the prefix.',
  'registries[].passwordFile': 'etcd: file with the password, readable by its owner only.',
  'registries[].prefix': 'etcd: before all keys; without it /ilnp.',
  pair: 'Another border of this site beside this one: one is active, the other stands by with a copy of what it remembers.',
  'pair.address': 'An address that keepalived, for example, gives to one of the two: whoever has it is active.',
  'pair.listen': 'Own address and port of this border, where its standby asks.',
  'pair.peer': 'The same of the other border.',
  dns: 'Records of guests that follow uplinks and moves by dynamic updates (RFC 2136), the same list at every site: NID and L64 say the uplinks of the site where the guest is, AAAA those of its home.',
  'dns.server': 'The primary server of the zone.',
  'dns.zone': 'The zone.',
  'dns.keyFile':
    'Its TSIG key, as tsig-keygen or keymgr -t writes it; hmac-sha256, 384 or 512; readable by its owner only.',
  'dns.ttl': 'TTL of L64 and AAAA records in seconds: about the time a failover may take.',
  'dns.names': 'Names of guests; nothing else in the zone is touched.',
  'dns.names[].nid': 'Node Identifier of the guest.',
  'dns.names[].name': 'A name of it, in the zone.',
  'dns.names[].ilnp': 'It speaks ILNP and has NID and L64 records; false: AAAA only.',
  state: 'Folder for the record of moves and the uplinks of sessions, which outlive restarts.',
  icmp: 'Limits on ICMPv6 errors that this border originates (RFC 4443 section 2.4 f).',
  'icmp.rate': 'Errors a second.',
  'icmp.burst': 'Errors at once.',
  limits: 'Most entries of tables; memory is taken as they fill.',
  'limits.bindings': 'Bindings.',
  'limits.sessions': 'Sessions whose uplink is remembered, at sites with several uplinks.',
  'limits.holdOctets': 'Octets that are kept for guests on the move, at most; shared by the queues.',
  'limits.holdPackets': 'Packets that are kept for guests on the move, at most; shared by the queues.',
  'limits.holdMs': 'Longest time that a packet is kept for a guest on the move, in milliseconds.',
  log: 'The log, JSON lines on standard error.',
  'log.level': 'Least severity that is logged.',
};

interface Schema {
  description?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
}

/** Writes the meanings before the forms in a JSON Schema; returns the paths of keys that have none. */
export function describeKeys(schema: Schema, meanings = MEANINGS, path = ''): string[] {
  const missing: string[] = [];
  for (const [key, value] of Object.entries(schema.properties ?? {})) {
    const here = path === '' ? key : `${path}.${key}`;
    const meaning = meanings[here];
    if (meaning === undefined) missing.push(here);
    else value.description = value.description === undefined ? meaning : `${meaning} Form: ${value.description}`;
    missing.push(...describeKeys(value, meanings, here));
    if (value.items !== undefined) missing.push(...describeKeys(value.items, meanings, `${here}[]`));
  }
  return missing;
}
