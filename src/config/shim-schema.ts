/** The form of the configuration of an end system (`ilnp shim`), of the same leaves as that of a border. */
import { z } from 'zod';
import { sameName } from '../wire/dns-name.ts';
import {
  dnsServer,
  domainName,
  filePath,
  jsonSchema,
  LIST,
  l64,
  listen,
  MAPPING,
  name,
  networkInterface,
  nid,
  oneOf,
  whole,
  yesOrNo,
} from './schema.ts';
import { SHIM_MEANINGS } from './shim-meanings.ts';

const IO = ['auto', 'uring', 'uring-single', 'poll'] as const;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const convention = oneOf('full', 'zeroed', 'auto');
const MAX_CORRESPONDENTS = 1 << 20;

/** Absent: names are left to whatever resolver this machine has. */
const names = z.strictObject(
  {
    listen: listen.prefault('[::1]:53'),
    upstream: z.array(dnsServer, LIST).min(1, { error: 'a list with at least one server' }),
    /** Absent: somebody else publishes where this node is, or nobody. */
    update: z
      .strictObject(
        {
          server: dnsServer,
          zone: domainName,
          name: domainName,
          subnet: domainName.optional(),
          keyFile: filePath,
          nid: yesOrNo.default(true),
          aaaa: yesOrNo.default(true),
          ttl: whole(0, 86_400).default(30),
        },
        MAPPING,
      )
      .refine((update) => update.subnet === undefined || !sameName(update.subnet, update.name), {
        path: ['subnet'],
        error: 'another name than the node has (RFC 6742 section 2.4.1.2)',
      })
      .optional(),
  },
  MAPPING,
);

export const shimSchema = z.strictObject(
  {
    node: name,
    /** Absent: modified EUI-64 of the first interface. */
    nid: nid.optional(),
    stable: l64,
    tun: z
      .strictObject(
        {
          name: networkInterface.prefault('ilnp0'),
          io: oneOf(...IO).default('auto'),
          offload: yesOrNo.default(true),
        },
        MAPPING,
      )
      .prefault({}),
    interfaces: z
      .array(z.strictObject({ interface: networkInterface, preference: whole(0, 9999).default(10) }, MAPPING), LIST)
      .min(1, { error: 'a list with at least one interface' }),
    /** Correspondents, and flows of plain IPv6, are spread over Locators instead of all using the preferred one. */
    spread: yesOrNo.default(false),
    hosts: filePath.optional(),
    names: names.optional(),
    /** What TCP and UDP sum over on the wire; `zeroed`: not over Locators (RFC 6741 section 4.2). */
    checksum: convention.default('full'),
    /** What is agreed with single nodes. */
    peers: z
      .array(
        z.strictObject(
          {
            nid,
            checksum: convention.optional(),
            /** The same key at both ends, made by `ilnp key`: Locator Updates are authenticated by more than the nonce. */
            keyFile: filePath.optional(),
            /** `required`: without the key no Locator Update of this node is believed. */
            authentication: oneOf('optional', 'required').default('optional'),
          },
          MAPPING,
        ),
        LIST,
      )
      .default([]),
    /** Type of the option that authenticates Locator Updates: experimental, skipped by who does not know it (RFC 4727). */
    authenticationOption: z.literal([0x1e, 0x3e], { error: '0x1e or 0x3e' }).default(0x1e),
    /** Octets of the nonces this node sends (RFC 6744 section 2). */
    nonce: z.literal([4, 12], { error: '4 or 12' }).default(4),
    control: z.strictObject({ socket: filePath.optional() }, MAPPING).prefault({}),
    limits: z
      .strictObject(
        {
          correspondents: whole(1, MAX_CORRESPONDENTS).default(65_536),
          strangers: whole(1, MAX_CORRESPONDENTS).default(4096),
        },
        MAPPING,
      )
      .prefault({}),
    state: filePath.prefault('/var/lib/ilnp'),
    log: z.strictObject({ level: oneOf(...LEVELS).default('info') }, MAPPING).prefault({}),
  },
  MAPPING,
);

/** The published JSON Schema. */
export const shimJsonSchema = (): string => jsonSchema('ilnp end system configuration', shimSchema, SHIM_MEANINGS);
