/**
 * Debian's name servers beside a lab of end systems or of borders, each in a namespace of its own behind the core, with the same zone
 * and a key that may change it:
 *
 *   core ── knot  2001:db8:d1::53          core ── bind  2001:db8:d2::53
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { command, type Output, succeed } from './command.ts';
import type { Namespaces } from './lab.ts';
import type { HostName } from './shim-lab.ts';
import { until } from './wait.ts';

export const SERVERS = ['knot', 'bind'] as const;
export type ServerName = (typeof SERVERS)[number];
export const serverAddress = (server: ServerName): string => `2001:db8:d${SERVERS.indexOf(server) + 1}::53`;

const SECRET = 'c2VjcmV0IG9mIHRoZSB6b25lLCAzMiBvY3RldHMhISE=';
export const WRONG_SECRET = 'YW5vdGhlciBzZWNyZXQsIGFsc28gMzIgb2N0ZXRzISE=';

/** 70 strings of 50 octets: too long for UDP. */
const BIG = Array.from({ length: 70 }, (_, k) => `big TXT "${String(k).padStart(50, '.')}"`).join('\n');
const ZONE = `
$ORIGIN example.com.
$TTL 60
@ 3600 SOA ns admin 1 3600 600 86400 5
@ NS ns
ns AAAA 2001:db8:d1::53
plain AAAA 2001:db8:c::c0
plain A 192.0.2.1
peer 900 NID 10 0000:0000:0000:00b1
peer 30 L64 10 2001:0db8:0002:0000
peer 30 L64 20 2001:0db8:0003:0000
peer AAAA 2001:db8:ff::1
by-lp 900 NID 10 0000:0000:0000:00b1
by-lp 600 LP 10 lan2.example.com.
lan2 20 L64 10 2001:0db8:0002:0000
www CNAME peer
mail MX 10 plain
${BIG}
`;
/** Of nobody here; it makes the reverse look-up of CN something that can be answered. */
const REVERSE = `
$ORIGIN c.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.
$TTL 60
@ SOA ns.example.com. admin.example.com. 1 3600 600 86400 5
@ NS ns.example.com.
0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR plain.example.com.
`;
const REVERSE_ZONE = 'c.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa';

/** A lab with the nodes `core` and `cn`. */
interface LabWithCore extends Namespaces {
  readonly directory: string;
  run(node: string, ...words: string[]): Promise<Output>;
  exec(node: string, ...words: string[]): Promise<string>;
}

export class NameServers {
  readonly #lab: LabWithCore;
  /** In memory: a server that waits half a second for a busy disk is asked again, and gone without by whoever ends. */
  readonly #directory = mkdtempSync('/dev/shm/ilnp-names-');
  readonly #running = new Map<ServerName, ChildProcess>();

  constructor(lab: LabWithCore) {
    this.#lab = lab;
  }

  async up(): Promise<void> {
    for (const [k, server] of SERVERS.entries()) {
      const space = this.#lab.namespace(server);
      await command('ip', ['netns', 'del', space]);
      await succeed('ip', ['netns', 'add', space]);
      const net = `2001:db8:d${k + 1}`;
      await this.#lab.exec(
        server,
        'sysctl',
        '-qw',
        'net.ipv6.conf.default.accept_dad=0',
        'net.ipv6.conf.lo.disable_ipv6=0',
      );
      await this.#ip('core', `link add ${server}0 type veth peer name eth0 netns ${space}`);
      await this.#ip('core', `addr add ${net}::1/64 dev ${server}0`, `link set ${server}0 up`);
      await this.#ip(
        server,
        'link set lo up',
        `addr add ${net}::53/64 dev eth0`,
        'link set eth0 up',
        `route add default via ${net}::1`,
      );
    }
    await Promise.all([this.#knot(), this.#bind()]);
  }

  async down(): Promise<void> {
    for (const [server, child] of this.#running) {
      child.kill('SIGKILL');
      await until(`${server} to end`, () => child.exitCode !== null || child.signalCode !== null);
    }
    this.#running.clear();
    for (const server of SERVERS) await command('ip', ['netns', 'del', this.#lab.namespace(server)]);
    for (const host of ['a', 'b'] as const)
      rmSync(`/etc/netns/${this.#lab.namespace(host)}`, { recursive: true, force: true });
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** What the file of a key of this name holds, as tsig-keygen writes it. */
  key(host: HostName, secret = SECRET): string {
    return `key "${host}.key" {\n\talgorithm hmac-sha256;\n\tsecret "${secret}";\n};\n`;
  }

  /** Writes the key of this name to a file; its path. */
  keyFile(host: HostName, secret = SECRET): string {
    const file = `${this.#lab.directory}/${host}.key`;
    writeFileSync(file, this.key(host, secret), { mode: 0o600 });
    return file;
  }

  /** What a host has in /etc/resolv.conf: `ip netns exec` mounts it. */
  resolvConf(host: HostName, text: string): void {
    const folder = `/etc/netns/${this.#lab.namespace(host)}`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/resolv.conf`, text);
  }

  /** The configuration of the names of a host, with its own records kept in the zone. */
  config(host: HostName, server: ServerName, { keyFile = '', subnet = '' } = {}): string {
    const file = keyFile === '' ? this.keyFile(host) : `${this.#lab.directory}/${keyFile}`;
    const to = [
      `server: "${serverAddress(server)}"`,
      'zone: example.com',
      `name: ${host}.example.com`,
      `keyFile: ${file}`,
    ];
    if (subnet !== '') to.push(`subnet: ${subnet}`);
    return `names: { upstream: ["${serverAddress(server)}"], update: { ${to.join(', ')}, ttl: 2 } }`;
  }

  /** The records of a name, asked of the server itself from elsewhere. */
  async records(server: ServerName, name: string, type: string): Promise<string[]> {
    const said = await this.#lab.exec('cn', 'dig', `@${serverAddress(server)}`, '+short', '+norec', name, type);
    return said.split('\n').filter((line) => line !== '');
  }

  async #ip(node: string, ...commands: string[]): Promise<void> {
    for (const words of commands) await succeed('ip', ['-6', '-n', this.#lab.namespace(node), ...words.split(' ')]);
  }

  log(server: ServerName): string {
    return readFileSync(`${this.#folder(server)}/log`, 'utf8');
  }

  #folder(server: ServerName): string {
    const folder = join(this.#directory, server);
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  async #knot(): Promise<void> {
    const folder = this.#folder('knot');
    const keys = ['a', 'b'].map((host) => `  - id: ${host}.key\n    algorithm: hmac-sha256\n    secret: ${SECRET}`);
    const conf = `
server:
  rundir: ${folder}
  listen: ["::@53"]
log:
  - target: stderr
    any: info
database:
  storage: ${folder}
key:
${keys.join('\n')}
acl:
  - id: hosts
    key: [a.key, b.key]
    action: update
zone:
  - domain: example.com
    file: ${folder}/example.com
    acl: hosts
    zonefile-sync: -1
    journal-content: all
  - domain: ${REVERSE_ZONE}
    file: ${folder}/reverse
`;
    await this.#start('knot', ['knotd', '-c'], conf);
  }

  async #bind(): Promise<void> {
    const folder = this.#folder('bind');
    const conf = `
${this.key('a')}${this.key('b')}
options {
  directory "${folder}";
  pid-file none;
  session-keyfile none;
  listen-on { none; };
  listen-on-v6 { any; };
  recursion no;
  dnssec-validation no;
  minimal-responses no;
};
controls { };
zone "example.com" { type primary; file "example.com"; allow-update { key "a.key"; key "b.key"; }; };
zone "${REVERSE_ZONE}" { type primary; file "reverse"; };
`;
    await this.#start('bind', ['named', '-g', '-c'], conf);
  }

  async #start(server: ServerName, words: readonly string[], conf: string): Promise<void> {
    const folder = this.#folder(server);
    writeFileSync(`${folder}/example.com`, ZONE);
    writeFileSync(`${folder}/reverse`, REVERSE);
    writeFileSync(`${folder}/conf`, conf, { mode: 0o600 });
    const script = `exec ip netns exec ${this.#lab.namespace(server)} ${words.join(' ')} ${folder}/conf >>${folder}/log 2>&1`;
    const child = spawn('sh', ['-c', script], { stdio: 'ignore' });
    this.#running.set(server, child);
    await until(`${server} to answer`, async () => {
      if (child.exitCode !== null) throw new Error(`${server} has ended: ${this.log(server)}`);
      const words = ['dig', `@${serverAddress(server)}`, '+short', '+time=1', '+tries=1', 'example.com', 'SOA'];
      return (await this.#lab.run('cn', ...words)).stdout.includes('admin');
    });
  }
}

/** Name servers for all cases of the file that calls this, in a lab that is up before. */
export function nameServersForThisFile(lab: LabWithCore): NameServers {
  const servers = new NameServers(lab);
  beforeAll(() => servers.up());
  afterAll(() => servers.down());
  return servers;
}
