/** What the control plane of an end system and the worker of its path say to each other. */
import type { LocalLocator } from '../ilnp/correspondent.ts';
import type { NamedHost } from '../shim/teach.ts';
import type { TracedDecision } from '../shim/trace.ts';
import type { UpdateState } from '../shim/update-log.ts';
import type { SavedRecord } from './unsaved.ts';

export type Convention = 'full' | 'zeroed' | 'auto';

/** What is configured of a node, whether it is known or comes by itself. */
export interface PeerSettings {
  readonly nid0: number;
  readonly nid1: number;
  readonly checksum: Convention;
  /** For Locator Updates; null: none is shared. */
  readonly key: Uint8Array | null;
  readonly isKeyRequired: boolean;
}

export interface WorkerStart {
  readonly tun: { readonly fd: number; readonly vnet: boolean; readonly uso: boolean };
  /** Non-blocking eventfd that ends the worker's wait. */
  readonly wakeFd: number;
  readonly io: 'auto' | 'uring' | 'uring-single' | 'poll';
  readonly nid0: number;
  readonly nid1: number;
  readonly stable: { readonly l0: number; readonly l1: number; readonly sum: number };
  readonly spread: boolean;
  /** The smallest of the links. */
  readonly mtu: number;
  readonly nonceOctets: 4 | 12;
  readonly checksum: Convention;
  readonly peers: readonly PeerSettings[];
  /** Type of the option that authenticates Locator Updates. */
  readonly authenticationOption: number;
  readonly limits: { readonly strangers: number; readonly known: number };
  readonly seed: readonly [number, number];
  readonly hosts: readonly NamedHost[];
  /** Sessions of an earlier run (session-record.ts). */
  readonly remembered: readonly Uint8Array[];
  /** COUNTERS numbers of 64 bits, read by the control plane. */
  readonly counters: SharedArrayBuffer;
}

/** To the worker; handled in order, between two batches. */
export type ToWorker =
  /** Something of `due` may be due now. */
  { readonly kind: 'tick' } | ({ readonly kind: 'ask'; readonly id: number } & Question) | { readonly kind: 'stop' };

/** What control wants to know of the path; each has its answer in `Answers`. */
export type Question =
  /** The Locators of this node are these; answered when the path goes by it. */
  | { readonly what: 'locators'; readonly locators: readonly LocalLocator[] }
  /** Some correspondents, from this place of the cache on: packets pass between two such questions. */
  | { readonly what: 'sessions'; readonly from: number }
  | { readonly what: 'updates' }
  /** Begins to show the next `count` packets, in place of a trace that is under way; the answer is its number. */
  | { readonly what: 'trace'; readonly count: number }
  /** What trace `trace` has shown since the last question. */
  | { readonly what: 'traced'; readonly trace: number }
  /** Names say this of a node; answered when the path goes by it, or does not believe it. */
  | { readonly what: 'teach'; readonly host: NamedHost }
  /** Sessions to be written; `all`: at once. `again`: what was given out before did not get to disk. */
  | { readonly what: 'unsaved'; readonly all: boolean; readonly again: boolean };

export interface Answers {
  readonly locators: null;
  readonly sessions: { readonly sessions: readonly SessionReply[]; readonly next: number | null };
  readonly updates: readonly UpdateReply[];
  readonly trace: number;
  readonly traced: TraceReply;
  readonly teach: boolean;
  readonly unsaved: { readonly records: readonly SavedRecord[]; readonly isOver: boolean };
}

export interface SessionReply {
  readonly nid: string;
  /** Addresses under which programs here know it. */
  readonly views: readonly string[];
  readonly configured: boolean;
  readonly proved: boolean;
  /** True while it is spoken to without a nonce. */
  readonly plain: boolean;
  readonly locators: readonly { readonly locator: string; readonly preference: number; readonly state: string }[];
  /** How long ago it was last spoken to, heard of. */
  readonly sentMs: number | null;
  readonly heardMs: number | null;
}

/** A set of Locators that this node has told a correspondent, or the other way. */
export interface UpdateReply {
  readonly nid: string;
  readonly way: 'sent' | 'received';
  readonly locators: readonly { readonly locator: string; readonly preference: number; readonly lifetime: number }[];
  /** How often it was sent, or came. */
  readonly tries: number;
  readonly state: UpdateState;
  /** How long ago it was first sent or came, and since when it is in this state; one that waits: since it was sent last. */
  readonly beganMs: number;
  readonly changedMs: number;
}

export interface TraceReply {
  readonly packets: readonly TracedDecision[];
  /** Packets still to come; 0: this trace has ended, or another one has taken its place. */
  readonly left: number;
}

/** A dropped packet: the name of its verdict, how many of that kind there were since the last one, its first octets. */
export interface Drop {
  readonly verdict: string;
  readonly count: number;
  readonly packet: Uint8Array;
}

export type FromWorker =
  | { readonly kind: 'ready'; readonly io: string }
  /** Wants a tick in so many milliseconds. */
  | { readonly kind: 'due'; readonly ms: number }
  /** A correspondent answers on no path; programs here still speak to it. */
  | { readonly kind: 'lost'; readonly nid0: number; readonly nid1: number }
  | { readonly kind: 'answer'; readonly id: number; readonly value: Answers[keyof Answers] }
  | { readonly kind: 'drops'; readonly drops: readonly Drop[] };

/** A Locator of this node, as scripts see it. */
export interface LocatorReply {
  readonly locator: string;
  readonly interface: string;
  readonly gateway: string | null;
  /** Lower is preferred. */
  readonly preference: number;
  /** Seconds. */
  readonly lifetime: number;
}
