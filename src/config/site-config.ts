/**
 * The configuration of one site after it was read and checked: what the rest of the program sees. Defaults are filled
 * in, paths are absolute, Locators and Node Identifiers are numbers. Nobody but `load.ts` makes one from text.
 */
import type { L64, Nid, Prefix } from '../wire/text.ts';

/** A host and a port, of a TCP listener or of a peer. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A provider: the global Locator under which sessions of this site are seen. */
interface UplinkConfig {
  readonly name: string;
  readonly interface: string;
  readonly l64: L64;
  /** Lower is preferred for new sessions (RFC 6742 L64 preference). */
  readonly preference: number;
  /** Next hop; absent: the kernel's own default route of the interface. */
  readonly via: string | undefined;
  /** Answer neighbour discovery for Node Identifiers under `l64`. */
  readonly onLink: boolean;
  /** Address whose silence makes the uplink unusable; absent: only its link counts. */
  readonly probe: string | undefined;
}

/** A link with virtual machines; `l64` is the site Locator that routes to it. */
interface InsideConfig {
  readonly interface: string;
  readonly l64: L64;
  /** The router address that guests use, the same at every site. */
  readonly gateway: string | undefined;
  /** Guest Locators allowed on this link besides `l64`. */
  readonly guests: readonly L64[];
  /** Guests that show themselves here are moved here, when their old site has lost them. */
  readonly arrivals: boolean;
}

/** Another site's border router. */
export interface PeerConfig {
  readonly site: string;
  readonly l64: L64;
  readonly interface: string;
  readonly via: string;
  readonly control: Endpoint | undefined;
}

/** One Node Identifier: what it has configured, whose it is, where it is now. */
export interface BindingConfig {
  readonly nid: Nid;
  readonly guest: L64;
  readonly home: string;
  /** Pins sessions to one uplink of `home`. */
  readonly uplink: string | undefined;
  readonly at: string;
}

/** A subnet and how the world sees it through one uplink. */
export interface SubnetConfig {
  readonly inside: Prefix;
  readonly outside: Prefix;
  readonly uplink: string;
}

/** Both ends belong to it. */
export interface NidRange {
  readonly from: Nid;
  readonly to: Nid;
}

/** What holds for the moves of some Node Identifiers. */
export interface PolicyRule {
  readonly nids: NidRange;
  /** Where they may be; absent: anywhere. */
  readonly sites: readonly string[] | undefined;
  /** Sites whose borders may ask for a move; absent: all. */
  readonly movers: readonly string[] | undefined;
}

export interface TunConfig {
  readonly name: string;
  readonly queues: number;
  readonly io: 'auto' | 'uring' | 'uring-single' | 'poll';
  readonly offload: boolean;
}

/** The other border of this site; the one that has `address` is active. */
export interface PairConfig {
  /** In RFC 5952 form. */
  readonly address: string;
  /** Own address of this border. */
  readonly listen: Endpoint;
  /** Where the other one listens. */
  readonly peer: Endpoint;
}

interface ControlConfig {
  readonly socket: string;
  readonly listen: Endpoint | undefined;
  readonly keyFile: string | undefined;
}

/** The registry of a range of Node Identifiers, kept by a border or an `ilnp controller`. */
interface EmbeddedRegistryConfig {
  readonly kind: 'embedded';
  readonly range: NidRange;
  /** The site that keeps it, this one too, or a controller. */
  readonly name: string;
  /** Where a controller listens; undefined: a site keeps it. */
  readonly control: Endpoint | undefined;
}

/** The same, kept in etcd. */
export interface EtcdRegistryConfig {
  readonly kind: 'etcd';
  readonly range: NidRange;
  readonly endpoints: readonly string[];
  readonly caFile: string | undefined;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly prefix: string;
}

export type RegistryConfig = EmbeddedRegistryConfig | EtcdRegistryConfig;

/** Records of guests that follow uplinks and moves. */
interface DnsConfig {
  readonly server: Endpoint;
  readonly zone: string;
  /** Of the TSIG key. */
  readonly keyFile: string;
  /** Of L64 and AAAA records, seconds. */
  readonly ttl: number;
  /** `ilnp`: with NID and L64 records. */
  readonly names: readonly { readonly nid: Nid; readonly name: string; readonly ilnp: boolean }[];
}

type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Everything one border router was told. */
export interface SiteConfig {
  readonly site: string;
  readonly tun: TunConfig;
  readonly network: 'auto' | 'manual';
  readonly checksum: 'full' | 'zeroed' | 'auto';
  readonly uplinks: readonly UplinkConfig[];
  readonly inside: readonly InsideConfig[];
  readonly peers: readonly PeerConfig[];
  /** Those of the file and those of `bindingsFile`. */
  readonly bindings: readonly BindingConfig[];
  readonly subnets: readonly SubnetConfig[];
  /** The first rule that a Node Identifier is in holds. */
  readonly policy: readonly PolicyRule[];
  readonly control: ControlConfig;
  readonly pair: PairConfig | undefined;
  /** Empty: the homes decide alone. */
  readonly registries: readonly RegistryConfig[];
  readonly dns: DnsConfig | undefined;
  readonly state: string;
  readonly icmp: { readonly rate: number; readonly burst: number };
  readonly limits: {
    readonly bindings: number;
    readonly sessions: number;
    /** Of packets kept for guests on the move: all together, and how long one may wait. */
    readonly holdOctets: number;
    readonly holdPackets: number;
    readonly holdMs: number;
  };
  readonly log: { readonly level: LogLevel };
}
