/**
 * Whether the kernel has, or will make, an address with the Identifier of this node under a Locator of an interface (RFC
 * 4291 appendix A, `addr_gen_mode` 0). What comes for that address is the kernel's own and never reaches the TUN.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { macOf } from '../device/link-layer.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, type Nid } from '../wire/text.ts';
import { eui64 } from './eui64.ts';
import { readSysctl } from './ip.ts';

const GLOBAL = 0;
/** RFC 4291 section 2.5.1: not universal, not a group. */
const LOCAL_SCOPE = 0xfc;

/** Throws E_NID. `names`: interfaces; one that does not exist is passed over. */
export function refuseKernelsNid(nid: Nid, names: readonly string[]): void {
  const users = interfacesWith(nid, addresses());
  const user = names.find((name) => users.has(name) || willMake(nid, name));
  if (user === undefined) return;
  const another = randomBytes(8);
  another[0]! &= LOCAL_SCOPE;
  const example = formatNid({ hi: another.readUInt32BE(0), lo: another.readUInt32BE(4) });
  throw new IlnpError(
    'E_NID',
    `expected a Node Identifier that the kernel does not use itself, got ${formatNid(nid)}, which is that of ${user}; ` +
      `write another into \`nid\`, such as the random "${example}"`,
  );
}

/** All addresses of this namespace; empty where the kernel has no IPv6. */
function addresses(): string {
  try {
    return readFileSync('/proc/net/if_inet6', 'utf8');
  } catch {
    return '';
  }
}

/** Interfaces that have a global address with this Identifier; `text`: /proc/net/if_inet6. */
export function interfacesWith({ hi, lo }: Nid, text: string): Set<string> {
  const found = new Set<string>();
  for (const line of text.split('\n')) {
    const [address = '', , , scope = '', , name = ''] = line.trim().split(/ +/);
    const isOurs = Number.parseInt(address.slice(16, 24), 16) === hi && Number.parseInt(address.slice(24), 16) === lo;
    if (isOurs && Number.parseInt(scope, 16) === GLOBAL) found.add(name);
  }
  return found;
}

/** True when the next Router Advertisement makes one. */
function willMake({ hi, lo }: Nid, name: string): boolean {
  const made = eui64(macOf(name));
  if (made?.hi !== hi || made.lo !== lo) return false;
  const is = (key: string, value: string): boolean => readSysctl(name, key) === value;
  return is('addr_gen_mode', '0') && is('autoconf', '1') && !is('accept_ra', '0');
}
