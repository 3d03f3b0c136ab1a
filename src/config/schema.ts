/**
 * The form of a configuration file: keys, types, ranges, defaults. Every message of a leaf says what was expected;
 * `validate.ts` adds the place and what came. What spans several keys is in `check-*.ts`.
 */
import { z } from 'zod';
import { parseL64, parseNid, parsePrefix } from '../wire/text.ts';
import { isReservedNid, isUnicastL64, isUnicastPrefix } from '../wire/unicast.ts';
import {
  isDomainName,
  isEtcdUrl,
  isInterfaceName,
  isName,
  parseDnsServer,
  parseListen,
  parseNextHop,
  parseNidRange,
  parsePeerControl,
} from './fields.ts';
import { describeKeys } from './meanings.ts';
import type { Draft } from './validate.ts';

/** 2^24: what the tables can index; memory is the real limit long before. */
export const TABLE_MAX = 16_777_216;

/** The names of the two other devices end in `-in` and `-site`, and Linux allows 15 characters. */
const TUN_NAME_MAX = 10;

/** Text that `parse` makes a value of; one sentence says what it must be. */
function parsed<T>(expected: string, parse: (text: string) => T | null) {
  return z
    .string({ error: expected })
    .meta({ description: expected })
    .transform((text, context): T => {
      const value = parse(text);
      if (value !== null) return value;
      context.addIssue({ code: 'custom', message: expected });
      return z.NEVER;
    });
}

/** Text with a form of its own. */
const formed = (expected: string, isFormed: (text: string) => boolean) =>
  parsed(expected, (text) => (isFormed(text) ? text : null));

export function whole(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export const oneOf = <const T extends readonly [string, ...string[]]>(...words: T) =>
  z.enum(words, { error: `one of ${words.join(', ')}` });

export const yesOrNo = z.boolean({ error: 'true or false' });
export const MAPPING = { error: 'a mapping' };
export const LIST = { error: 'a list' };

export const name = formed('a name (letters, digits, "_", ".", "-", at most 63)', isName);
export const networkInterface = formed('the name of a network interface (at most 15 characters)', isInterfaceName);
const tunName = formed(
  `the name of a device (at most ${TUN_NAME_MAX} characters)`,
  (text) => text.length <= TUN_NAME_MAX && isInterfaceName(text),
);
export const filePath = formed('a path', (text) => text !== '' && !text.includes('\0'));

export const l64 = parsed('a Locator such as "2001:db8:1::/64"', parseL64).refine(isUnicastL64, {
  error: 'a global unicast or unique local Locator (in 2000::/3 or fc00::/7)',
});
export const nid = parsed('a Node Identifier such as "0:0:0:a1"', parseNid).refine((value) => !isReservedNid(value), {
  error: 'a Node Identifier that is not reserved for anycast (RFC 4291 section 2.6.1, RFC 2526)',
});
const prefix = parsed('a prefix of at most 64 bits such as "2001:db8:1::/48"', parsePrefix).refine(isUnicastPrefix, {
  error: 'a global unicast or unique local prefix (in 2000::/3 or fc00::/7)',
});
export const nidRange = parsed('a Node Identifier or a range such as "0:0:0:a0 - 0:0:0:af"', parseNidRange);
export const nextHop = parsed('a unicast or link-local IPv6 address', parseNextHop);
export const listen = parsed('an address and a port such as "[fd00:12::1]:6740"', parseListen);
export const peerControl = parsed('the address and the port of a peer such as "[fd00:12::2]:6740"', parsePeerControl);

export const dnsServer = parsed('the address of a DNS server, with or without a port', parseDnsServer);
export const domainName = formed('a domain name such as "a.example.com"', isDomainName);

const etcdUrl = formed('the address of a member of etcd such as "https://[fd00:e::1]:2379"', isEtcdUrl);
const keyPrefix = formed('a prefix of keys such as "/ilnp"', (text) =>
  /^\/[A-Za-z0-9_./-]{1,100}[A-Za-z0-9_-]$/.test(text),
);

/** Who keeps the bindings of all sites; which keys belong to which kind is in check-registry.ts. */
const registryFields = {
  kind: oneOf('embedded', 'etcd'),
  name: name.optional(),
  control: peerControl.optional(),
  endpoints: z.array(etcdUrl, LIST).optional(),
  caFile: filePath.optional(),
  user: formed('a user of etcd', (text) => text !== '').optional(),
  passwordFile: filePath.optional(),
  prefix: keyPrefix.optional(),
};

/** One Node Identifier, in the file itself or as a line of `bindingsFile`. */
export const bindingSchema = z.strictObject(
  { nid, guest: l64, home: name, uplink: name.optional(), at: name },
  MAPPING,
);

export const logSchema = z
  .strictObject({ level: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent').default('info') }, MAPPING)
  .prefault({});

/** A configuration file. */
export const siteSchema = z.strictObject(
  {
    site: name,
    tun: z
      .strictObject(
        {
          name: tunName.prefault('ilnp0'),
          queues: whole(1, 8).default(1),
          io: oneOf('auto', 'uring', 'uring-single', 'poll').default('auto'),
          offload: yesOrNo.default(true),
        },
        MAPPING,
      )
      .prefault({}),
    network: oneOf('auto', 'manual').default('auto'),
    checksum: oneOf('full', 'zeroed', 'auto').default('full'),
    uplinks: z
      .array(
        z.strictObject(
          {
            name,
            interface: networkInterface,
            l64,
            preference: whole(0, 65535).default(10),
            via: nextHop.optional(),
            onLink: yesOrNo.default(false),
            probe: nextHop.optional(),
          },
          MAPPING,
        ),
        LIST,
      )
      .prefault([]),
    inside: z
      .array(
        z.strictObject(
          {
            interface: networkInterface,
            l64,
            gateway: nextHop.optional(),
            guests: z.array(l64, LIST).prefault([]),
            arrivals: yesOrNo.default(false),
          },
          MAPPING,
        ),
        LIST,
      )
      .min(1, { error: 'a list with at least one link' }),
    peers: z
      .array(
        z.strictObject(
          { site: name, l64, interface: networkInterface, via: nextHop, control: peerControl.optional() },
          MAPPING,
        ),
        LIST,
      )
      .prefault([]),
    bindings: z.array(bindingSchema, LIST).prefault([]),
    bindingsFile: filePath.optional(),
    subnets: z.array(z.strictObject({ inside: prefix, outside: prefix, uplink: name }, MAPPING), LIST).prefault([]),
    policy: z
      .array(
        z.strictObject(
          { nids: nidRange, sites: z.array(name, LIST).optional(), movers: z.array(name, LIST).optional() },
          MAPPING,
        ),
        LIST,
      )
      .prefault([]),
    control: z
      .strictObject({ socket: filePath.optional(), listen: listen.optional(), keyFile: filePath.optional() }, MAPPING)
      .prefault({}),
    registry: z.strictObject(registryFields, MAPPING).optional(),
    registries: z.array(z.strictObject({ range: nidRange, ...registryFields }, MAPPING), LIST).prefault([]),
    pair: z.strictObject({ address: nextHop, listen: peerControl, peer: peerControl }, MAPPING).optional(),
    dns: z
      .strictObject(
        {
          server: dnsServer,
          zone: domainName,
          keyFile: filePath,
          ttl: whole(0, 86_400).default(30),
          names: z.array(z.strictObject({ nid, name: domainName, ilnp: yesOrNo.default(true) }, MAPPING), LIST),
        },
        MAPPING,
      )
      .optional(),
    state: filePath.prefault('/var/lib/ilnp'),
    icmp: z
      .strictObject({ rate: whole(1, 1_000_000).default(10), burst: whole(1, 1_000_000).default(10) }, MAPPING)
      .prefault({}),
    limits: z
      .strictObject(
        {
          bindings: whole(1, TABLE_MAX).default(1_000_000),
          sessions: whole(1, TABLE_MAX).default(262_144),
          holdOctets: whole(1 << 20, 2 ** 31).default(64 << 20),
          holdPackets: whole(1, 10_000_000).default(65_536),
          holdMs: whole(1, 60_000).default(5000),
        },
        MAPPING,
      )
      .prefault({}),
    log: logSchema,
  },
  MAPPING,
);

/** A configuration file as far as it is right. */
export type SiteDraft = Draft<z.output<typeof siteSchema>>;

/** A binding as far as it is right. */
export type BindingDraft = Draft<z.output<typeof bindingSchema>>;

/** Gives the JSON Schema of a configuration file, as published in `site.schema.json`. */
export function siteJsonSchema(): string {
  return jsonSchema('ilnp site configuration', siteSchema);
}

/** `meanings`: of the keys; absent: those of a site. */
export function jsonSchema(title: string, form: z.ZodType, meanings?: Readonly<Record<string, string>>): string {
  const schema = z.toJSONSchema(form, { io: 'input' });
  const missing = describeKeys(schema as Parameters<typeof describeKeys>[0], meanings);
  if (missing.length > 0) throw new Error(`no meaning for ${missing.join(', ')}`);
  return `${JSON.stringify({ title, ...schema }, null, 2)}\n`;
}
