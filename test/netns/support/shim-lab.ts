/**
 * A small lab for end systems: three sites behind plain Linux routers that know nothing of ILNP, a core, two hosts that
 * run the shim, and a node without it.
 *
 *       a ─ eth0     b ─ eth0                    a begins at site 1, b at site 2, site 3 is empty
 *            |            |
 *          lan1         lan2         lan3        bridges in `air`: a host that moves is at another one, and its link
 *            |            |            |         stays up
 *   2001:db8:1::/64  2001:db8:2::/64  2001:db8:3::/64        fe80::1, fe80::2, fe80::3
 *           r1           r2           r3
 *            \____________|____________/
 *                       core ── cn  2001:db8:c::c0/64
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { controlCall } from '../../../src/runtime/control-client.ts';
import { command, type Output, succeed } from './command.ts';
import { until } from './wait.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PROGRAM = `${ROOT}dist/cli/main.js`;
const SITES = [1, 2, 3] as const;
const HOSTS = ['a', 'b'] as const;
const NODES = ['core', 'cn', 'air', 'r1', 'r2', 'r3', ...HOSTS] as const;

export type SiteNumber = (typeof SITES)[number];
export type HostName = (typeof HOSTS)[number];
/** Where a shim may run: `cn` is an end system when a case wants one more. */
type EndName = HostName | 'cn';

export const CN = '2001:db8:c::c0';
/** The stable address of a host, which its own programs have. */
export const stable = (host: HostName): string => `fd00:${host}::${host}1`;
/** The lower half of its address, also that of `cn` as an end system. */
const ID = { a: 'a1', b: 'b1', cn: 'c2' } as const;
const STABLE = { a: 'fd00:a::', b: 'fd00:b::', cn: 'fd00:c::' } as const;
/** Where `cn` is found as an end system. */
export const END_CN = `2001:db8:c::${ID.cn}`;
/** Its address under the Locator of a site. */
export const at = (host: HostName, site: SiteNumber): string => `2001:db8:${site}::${host}1`;

export class ShimLab {
  readonly name = `${process.env.LAB ?? 'ilnp-test'}-shim`;
  readonly directory = `/run/ilnp-lab/${this.name}`;
  readonly #shims = new Map<EndName, ChildProcess>();

  namespace(node: string): string {
    return `${this.name}-${node}`;
  }

  async up(): Promise<void> {
    await this.down();
    mkdirSync(this.directory, { recursive: true });
    for (const node of NODES) {
      await succeed('ip', ['netns', 'add', this.namespace(node)]);
      await this.exec(node, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0', 'net.ipv6.conf.lo.disable_ipv6=0');
      await this.ip(node, 'link set lo up');
    }
    await this.#cable('cn:eth0', 'core:cn0');
    await this.ip('cn', `addr add ${CN}/64 dev eth0`, 'route add default via 2001:db8:c::1');
    await this.ip('core', 'addr add 2001:db8:c::1/64 dev cn0');
    await this.exec('core', 'sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1');
    for (const site of SITES) {
      const router = `r${site}`;
      await this.exec(router, 'sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1');
      await this.#cable(`${router}:up0`, `core:s${site}`);
      const net = `2001:db8:f${site}`;
      await this.ip('core', `addr add ${net}::1/64 dev s${site}`, `route add 2001:db8:${site}::/64 via ${net}::2`);
      await this.ip(router, `addr add ${net}::2/64 dev up0`, `route add default via ${net}::1`);
      await this.ip('air', `link add lan${site} type bridge mcast_snooping 0`, `link set lan${site} up`);
      await this.#cable(`${router}:lan0`, `air:${router}`);
      await this.ip('air', `link set dev ${router} master lan${site}`);
      await this.ip(router, `addr add 2001:db8:${site}::1/64 dev lan0`, `addr add fe80::${site}/64 dev lan0`);
    }
    for (const [k, host] of HOSTS.entries()) {
      const site = SITES[k]!;
      await this.plug(host, site, 'eth0');
      await this.configure(host, site);
    }
  }

  async down(): Promise<void> {
    for (const host of this.#shims.keys()) await this.stop(host);
    for (const node of NODES) await command('ip', ['netns', 'del', this.namespace(node)]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** What a Router Advertisement of the site would make of the host's interface, and of no other site. */
  async configure(host: HostName, site: SiteNumber, name = 'eth0', metric = 1024): Promise<void> {
    await this.ip(
      host,
      `addr flush dev ${name} scope global`,
      `addr add 2001:db8:${site}::${host}00/64 dev ${name}`,
      `route replace default via fe80::${site} dev ${name} metric ${metric}`,
    );
  }

  /** Carries the host to another site, where its kernel gets another address: a hard hand-off. */
  async move(host: HostName, to: SiteNumber): Promise<void> {
    await this.ip('air', `link set dev eth0-${host} master lan${to}`);
    await this.configure(host, to);
  }

  /** Commands of `ip -6` in a namespace in one process, one right after the other. */
  async batch(node: string, ...commands: string[]): Promise<void> {
    const lines = commands.map((line) => `${line}\\n`).join('');
    await this.exec(node, 'sh', '-c', `printf '${lines}' | ip -6 -batch -`);
  }

  /** A cable of the host to a site. */
  async plug(host: HostName, to: SiteNumber, name: 'eth0' | 'eth1'): Promise<void> {
    await this.#cable(`${host}:${name}`, `air:${name}-${host}`);
    await this.ip('air', `link set dev ${name}-${host} master lan${to}`);
  }

  /**
   * Starts the shim of a host, which knows the others where they are now; resolves when it is ready. `again`: with what the
   * run before has left.
   */
  async start(
    host: EndName,
    options: {
      hosts?: string;
      interfaces?: readonly string[];
      more?: readonly string[];
      state?: string;
      again?: boolean;
    } = {},
  ): Promise<void> {
    const file = `${this.directory}/${host}.yaml`;
    if (!options.again) rmSync(this.state(host), { force: true });
    writeFileSync(`${this.directory}/${host}.hosts`, options.hosts ?? '');
    writeFileSync(
      file,
      [
        `node: ${host}`,
        `nid: 0:0:0:${ID[host]}`,
        `stable: "${STABLE[host]}/64"`,
        `interfaces: [${(options.interfaces ?? ['eth0']).map((name) => `{ interface: ${name} }`).join(', ')}]`,
        `hosts: ${host}.hosts`,
        `control: { socket: ${host}.sock }`,
        `state: ${options.state ?? '.'}`,
        ...(options.more ?? []),
      ].join('\n'),
    );
    const log = `${this.directory}/${host}.log`;
    writeFileSync(log, '');
    const script = `exec ip netns exec ${this.namespace(host)} ${process.execPath} ${PROGRAM} shim --config ${file} 2>>${log}`;
    const child = spawn('sh', ['-c', script], { stdio: 'ignore' });
    this.#shims.set(host, child);
    await until(`the shim of ${host}`, () => {
      const text = readFileSync(log, 'utf8');
      if (child.exitCode !== null) throw new Error(`the shim of ${host} has ended: ${text}`);
      return text.includes('"msg":"ready"');
    });
  }

  /** SIGTERM; its exit code, or null when it did not run. */
  async stop(host: EndName, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#shims.get(host);
    if (child === undefined) return null;
    child.kill(signal);
    return this.ended(host);
  }

  /** Of the process, whose threads do all the work. */
  pid(host: HostName): number {
    return this.#shims.get(host)!.pid!;
  }

  /** Its exit code once it has ended by itself. */
  async ended(host: EndName): Promise<number | null> {
    const child = this.#shims.get(host)!;
    this.#shims.delete(host);
    await until(`the shim of ${host} to end`, () => child.exitCode !== null || child.signalCode !== null);
    return child.exitCode;
  }

  async kill(host: EndName): Promise<void> {
    await this.stop(host, 'SIGKILL');
  }

  async show<T>(host: EndName, what: string): Promise<T> {
    const socket = `${this.directory}/${host}.sock`;
    return JSON.parse(await succeed(process.execPath, [PROGRAM, 'show', what, '--json', '--socket', socket])) as T;
  }

  /** Asks the shim of a host over its control socket. */
  async ask<T>(host: EndName, method: string, params: unknown): Promise<T> {
    return (await controlCall(`${this.directory}/${host}.sock`, method, params)) as T;
  }

  /** The file of sessions of a host. */
  state(host: EndName): string {
    return `${this.directory}/${host}.shim`;
  }

  log(host: EndName): string {
    return readFileSync(`${this.directory}/${host}.log`, 'utf8');
  }

  /** Commands of `ip -6` in a namespace, one after the other. */
  async ip(node: string, ...commands: string[]): Promise<void> {
    for (const words of commands) await succeed('ip', ['-6', '-n', this.namespace(node), ...words.split(' ')]);
  }

  run(node: string, ...words: string[]): Promise<Output> {
    return command('ip', ['netns', 'exec', this.namespace(node), ...words]);
  }

  exec(node: string, ...words: string[]): Promise<string> {
    return succeed('ip', ['netns', 'exec', this.namespace(node), ...words]);
  }

  async #cable(one: string, other: string): Promise<void> {
    const [a = '', aName = ''] = one.split(':');
    const [b = '', bName = ''] = other.split(':');
    const peer = `peer name ${bName} netns ${this.namespace(b)}`;
    await this.ip(a, `link add ${aName} type veth ${peer}`, `link set dev ${aName} up`);
    await this.ip(b, `link set dev ${bName} up`);
  }
}

/** A lab for all cases of the file that calls this. */
export function shimLabForThisFile(): ShimLab {
  const lab = new ShimLab();
  beforeAll(() => lab.up());
  afterAll(() => lab.down());
  return lab;
}
