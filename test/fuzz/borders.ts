/** The borders that are attacked: every kind of configuration the path tells apart, small enough to be built at once. */
import type { SiteConfig } from '../../src/config/site-config.ts';
import { Bindings } from '../../src/ilnp/bindings.ts';
import { LocatorTable } from '../../src/ilnp/locator-table.ts';
import { Pairs, printOf } from '../../src/ilnp/pairs.ts';
import { Sessions } from '../../src/ilnp/sessions.ts';
import { compile } from '../../src/sbr/compile.ts';
import { COUNTERS, Fib, type FibImage } from '../../src/sbr/fib.ts';
import { Keeper } from '../../src/sbr/keep.ts';
import { native32 } from '../../src/wire/bytes.ts';
import { octetsOf } from '../support/packets.ts';
import { bound, LIMITS, mapped, siteConfig } from '../support/sites.ts';

const SESSIONS_SEED = 5;
/** Fills the table beyond the size from which the path loads ahead (sbr/forward.ts). */
const MANY = 60_000;

const GUESTS = [
  bound('a1', 'fd00:1::/64', 1, 1),
  bound('a2', 'fd00:1::/64', 1, 2),
  bound('a3', 'fd00:9::/64', 1, 3, 'isp1'),
  bound('b1', 'fd00:2::/64', 2, 1),
  bound('b2', 'fd00:2::/64', 2, 2),
  bound('b3', 'fd00:2::/64', 2, 3),
  bound('d1', 'fd00:1::/64', 1, 9), // nobody knows site 9 any more
  bound('d2', 'fd00:1::/64', 9, 1),
  { ...bound('1', 'fd01:203:405:1::/64', 1, 1), nid: { hi: 0x021122ff, lo: 0xfe334455 } },
  { ...bound('1', 'fd01:203:405:1::/64', 1, 2), nid: { hi: 0x021122ff, lo: 0xfe334456 } },
];
const MAPS = [
  mapped('fd01:203:405::/48', '2001:db8:100::/48'),
  mapped('fd05:0:0:4::/64', '2001:db8:200:1::/64'),
  mapped('fd00:1::/48', '2001:db8:1::/48'),
];

const base = (extra: Partial<SiteConfig> = {}): SiteConfig =>
  siteConfig(1, 3, GUESTS, {
    icmp: { rate: 1e6, burst: 1e6 },
    limits: { ...LIMITS, bindings: 1000, sessions: 256 },
    ...extra,
  });
const single = (extra: Partial<SiteConfig> = {}): SiteConfig => {
  const config = base(extra);
  return { ...config, uplinks: config.uplinks.slice(0, 1) };
};

/** A border, compiled; `fib` makes as many of it as are needed, each with counters and sessions of its own. */
export interface Border {
  readonly name: string;
  readonly config: SiteConfig;
  readonly table: LocatorTable;
  readonly image: FibImage;
  fib(): { readonly fib: Fib; readonly sessions: Int32Array; readonly pairs: Uint8Array };
}

interface Kind {
  readonly config: SiteConfig;
  readonly up?: readonly boolean[];
  readonly silent?: boolean;
  readonly more?: number;
  /** Guests that are on the move. */
  readonly keeps?: true;
}

const KINDS: Readonly<Record<string, () => Kind>> = {
  'one-uplink': () => ({ config: single() }),
  'two-uplinks': () => ({ config: base() }),
  'second-uplink-only': () => ({ config: base(), up: [false, true] }),
  'no-uplink-up': () => ({ config: base(), up: [false, false] }),
  subnets: () => ({ config: single({ subnets: MAPS }) }),
  'subnets-two-uplinks': () => ({ config: base({ subnets: MAPS }) }),
  zeroed: () => ({ config: single({ checksum: 'zeroed' }) }),
  'zeroed-two-uplinks': () => ({ config: base({ checksum: 'zeroed', subnets: MAPS }) }),
  auto: () => ({ config: single({ checksum: 'auto' }) }),
  'auto-two-uplinks': () => ({ config: base({ checksum: 'auto' }) }),
  'few-sessions': () => ({ config: base({ limits: { ...LIMITS, bindings: 1000, sessions: 8 } }) }),
  'errors-limited': () => ({ config: base({ icmp: { rate: 10, burst: 10 } }) }),
  'says-nothing': () => ({ config: single(), silent: true }),
  keeping: () => ({ config: single(), keeps: true }),
  'keeping-two-uplinks': () => ({ config: base({ checksum: 'auto' }), keeps: true }),
  'nobody-bound': () => ({ config: single({ bindings: [] }) }),
  'large-table': () => ({
    config: single({ limits: { ...LIMITS, bindings: MANY + 1000, sessions: 256 } }),
    more: MANY,
  }),
};

export const BORDER_NAMES: readonly string[] = Object.keys(KINDS);

const built = new Map<string, Border>();

/** The border of this name, built when it is first asked for. */
export function borderOf(name: string): Border {
  const known = built.get(name);
  if (known !== undefined) return known;
  const kind = KINDS[name];
  if (kind === undefined) throw new RangeError(`no border "${name}"; there are ${BORDER_NAMES.join(', ')}`);
  const border = build(name, kind());
  built.set(name, border);
  return border;
}

function build(name: string, { config, up, silent = false, more = 0, keeps }: Kind): Border {
  const bindings = new Bindings(config.limits.bindings, [1, 2]);
  const table = new LocatorTable(config.limits.bindings, [3, 4]);
  for (const b of config.bindings) {
    const index = bindings.put({ ...b, epoch: 0 });
    table.put(native32(b.nid.hi), native32(b.nid.lo), index, 0);
  }
  for (let k = 0; k < more; k++) table.put(native32(0x5eed), native32(k), 0, 0);
  const image = compile(config, bindings, {
    uplinkUp: config.uplinks.map((_, i) => up?.[i] ?? true),
    outsideAddress: silent ? null : octetsOf('2001:db8:f1::2'),
    insideAddress: silent ? null : octetsOf('fd00:1::1'),
  });
  return {
    name,
    config,
    table,
    image,
    fib: () => {
      const sessions = new Int32Array(Sessions.words(config.limits.sessions));
      const own = { ...image, locators: image.locators.slice() }; // the path computes Locators in rows of it
      const pairs = new ArrayBuffer(Pairs.octets(config.limits.sessions));
      const speakers = new Pairs(pairs, SESSIONS_SEED);
      speak(config, speakers);
      const counters = new Float64Array(COUNTERS);
      const fib = new Fib(own, table, new Sessions(sessions, SESSIONS_SEED), counters, speakers);
      if (keeps) fib.keeper = keeping(fib);
      return { fib, sessions, pairs: new Uint8Array(pairs) };
    },
  };
}

/** Guests that speak ILNP with the correspondent; it was told what `locator-update.hex` acknowledges. */
function speak(config: SiteConfig, pairs: Pairs): void {
  const [out, back] = [Uint8Array.of(0xa1, 0xb2, 0xc3, 0xd4), Uint8Array.of(0x5e, 0x6f, 0x70, 0x81)];
  const told = Uint8Array.of(...octetsOf('2001:db8:11::').slice(0, 8), 0, 10, 1, 44);
  const cn = new Int32Array(octetsOf('2001:db8:c::c0').buffer);
  for (const { nid } of config.bindings.slice(0, 6)) {
    const pair = pairs.open(native32(nid.hi) | 0, native32(nid.lo) | 0, cn[2]!, cn[3]!, 0);
    if (pair < 0) continue;
    pairs.heardGuest(pair, out, 0, 4, cn[0]!, cn[1]!, 0, 0, 0);
    pairs.heardCorrespondent(pair, back, 0, 4, cn[0]!, cn[1]!, 0);
    pairs.tell(pair, printOf(told, 0, told.length), config.uplinks.length - 1);
  }
}

/** Of the guests here and elsewhere some are held, some retained, some expected, and some have just left. */
function keeping(fib: Fib): Keeper {
  const keeper = new Keeper(fib, { octets: 1 << 18, packets: 100, us: 1e12 });
  const ms = 1e9;
  const ordered = (nid: number, order: Parameters<Keeper['order']>[2]): boolean =>
    keeper.order(0, native32(nid), order);
  ordered(0xa1, { what: 'hold', ms });
  ordered(0xa2, { what: 'expect', ms });
  ordered(0xb1, { what: 'retain', ms, windowMs: 10 });
  ordered(0xb2, { what: 'release', ms, since: 0, departs: true, behind: 0 });
  return keeper;
}

/** Locators that mean something to some border, and some that mean nothing to any. */
export const LOCATORS = [
  ...['2001:db8:1::', '2001:db8:11::', '2001:db8:2::', '2001:db8:c::', '2001:db8:cc::', '2001:db8:100:7::'],
  ...['2001:db8:200:1::', '2001:db8:1:7::', 'fd00:1::', 'fd00:2::', 'fd00:3::', 'fd00:9::', 'fd01:203:405:1::'],
  ...['fd01:203:405:8::', 'fd05:0:0:4::', 'fd00:1:0:7::', 'fd77::', 'fe80::', 'ff0e::', '::'],
].map((text) => octetsOf(text).slice(0, 8));

/** Node Identifiers: the guests', a correspondent's, nobody's. */
export const IDENTIFIERS = [
  ...['::a1', '::a2', '::a3', '::b1', '::b2', '::b3', '::d1', '::d2', '::211:22ff:fe33:4455', '::211:22ff:fe33:4456'],
  ...['::c0', '::dead', '::1', '::', '::5eed:0:7'],
].map((text) => octetsOf(text).slice(8));

/** Addresses that fit: guests as they know themselves, as they are known between sites, as they are known to the world. */
const addresses = (...texts: string[]): readonly Uint8Array[] => texts.map((text) => octetsOf(text));
const V = '211:22ff:fe33:4455';
export const ENDPOINTS = {
  guest: addresses(
    'fd00:1::a1',
    'fd00:1::a1',
    'fd00:2::b1',
    `fd01:203:405:1:${V}`,
    'fd00:1::a2',
    'fd00:9::a3',
    'fd00:1::99',
    'fd00:1::d2',
  ),
  site: addresses('fd00:1::a1', 'fd00:1::a2', 'fd00:1::a3', 'fd00:1::b1', 'fd00:2::b1', 'fd00:3::a3', 'fd00:2::b2'),
  global: addresses(
    '2001:db8:1::a1',
    '2001:db8:1::a2',
    '2001:db8:11::a3',
    '2001:db8:11::a1',
    '2001:db8:1::d1',
    `2001:db8:1:0:${V}`,
  ),
  correspondent: addresses('2001:db8:c::c0', '2001:db8:cc::1', '2001:db8:c::a1'),
} as const;
