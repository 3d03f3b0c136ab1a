/**
 * A site with two borders, of which keepalived makes one active, another site, a correspondent and a guest.
 *
 *                        cn  2001:db8:c::c0
 *                        |
 *                       core   routes L_1, L_11 to ::2 of each transfer network, L_2 to site 2
 *                   ____/ | \_____________________
 *           net1 (bridge) net2 (bridge)           |
 *            |        |    |       |              | up0
 *           a up0,up1        b up0,up1           sbr2
 *            |  ::a               |  ::b          | link0 fd00:12::2
 *            +------ wan (bridge) +---------------+        addresses of the pair: ::2 of net1 and net2, fd00:12::1
 *            +------ lan (bridge) +        |
 *                    vm-a1 fd00:1::a1     lan2 (bridge)
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { command, type Output, succeed } from './command.ts';
import { keepalivedOf } from './keepalived.ts';
import { until } from './wait.ts';

const PROGRAM = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const NODES = ['cn', 'core', 'air', 'a', 'b', 'sbr2', 'vm-a1'] as const;

export type Machine = 'a' | 'b' | 'sbr2';

export class PairLab {
  readonly name = `${process.env.LAB ?? 'ilnp-test'}-pair`;
  readonly directory = `/run/ilnp-lab/${this.name}`;
  readonly #running = new Map<string, ChildProcess>();

  namespace(node: string): string {
    return `${this.name}-${node}`;
  }

  async up(): Promise<void> {
    await this.down();
    mkdirSync(this.directory, { recursive: true });
    for (const node of NODES) {
      await succeed('ip', ['netns', 'add', this.namespace(node)]);
      await this.exec(node, 'sysctl', '-qw', 'net.ipv6.conf.default.accept_dad=0', 'net.ipv6.conf.lo.disable_ipv6=0');
      await this.exec(node, 'sysctl', '-qw', 'net.ipv6.conf.default.router_solicitations=0');
      await this.ip(node, 'link set lo up');
    }
    for (const bridge of ['net1', 'net2', 'wan', 'lan', 'lan2'])
      await this.ip('air', `link add ${bridge} type bridge mcast_snooping 0`, `link set ${bridge} up`);
    await this.exec('core', 'sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1');
    await this.#cable('cn:eth0', 'core:cn0');
    await this.ip('cn', 'addr add 2001:db8:c::c0/64 dev eth0', 'route add default via 2001:db8:c::1');
    await this.ip('core', 'addr add 2001:db8:c::1/64 dev cn0');
    for (const [net, dev, prefix, l64] of [
      ['net1', 'up0', '2001:db8:f1', '2001:db8:1'],
      ['net2', 'up1', '2001:db8:f3', '2001:db8:11'],
    ] as const) {
      await this.#plug('core', net, net);
      await this.ip('core', `addr add ${prefix}::1/64 dev ${net}`, `route add ${l64}::/64 via ${prefix}::2`);
      for (const machine of ['a', 'b'] as const) {
        await this.#plug(machine, dev, net);
        await this.ip(machine, `addr add ${prefix}::${machine}/64 dev ${dev}`);
      }
    }
    await this.#cable('core:s2', 'sbr2:up0');
    await this.ip('core', 'addr add 2001:db8:f2::1/64 dev s2', 'route add 2001:db8:2::/64 via 2001:db8:f2::2');
    await this.ip('sbr2', 'addr add 2001:db8:f2::2/64 dev up0', 'route add default via 2001:db8:f2::1');
    for (const [machine, address] of [
      ['a', 'fd00:12::1a'],
      ['b', 'fd00:12::1b'],
      ['sbr2', 'fd00:12::2'],
    ] as const) {
      await this.#plug(machine, 'link0', 'wan');
      await this.#plug(machine, 'lan0', machine === 'sbr2' ? 'lan2' : 'lan');
      await this.ip(machine, `addr add ${address}/64 dev link0`);
      if (machine !== 'sbr2') await this.ip(machine, 'route add default via 2001:db8:f1::1');
    }
    await this.#plug('vm-a1', 'eth0', 'lan');
    await this.ip('vm-a1', 'addr add fd00:1::a1/128 dev eth0', 'route add default via fe80::1 dev eth0');
    writeFileSync(`${this.directory}/site.key`, `${'5a'.repeat(32)}\n`, { mode: 0o600 });
    for (const machine of ['a', 'b', 'sbr2'] as const) this.#configure(machine);
  }

  async down(): Promise<void> {
    for (const name of this.#running.keys()) await this.kill(name);
    for (const node of NODES) {
      for (const pid of (await command('ip', ['netns', 'pids', this.namespace(node)])).stdout.split('\n'))
        if (pid !== '') process.kill(Number(pid), 'SIGKILL');
      await command('ip', ['netns', 'del', this.namespace(node)]);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Starts a border; resolves when it has said `text`. */
  async border(machine: Machine, text: string): Promise<void> {
    await this.#start(`border-${machine}`, machine, process.execPath, PROGRAM, 'sbr', '--config', this.#file(machine));
    await this.said(machine, text);
  }

  /** Starts keepalived, which gives the addresses to one of the two. */
  async keepalived(machine: 'a' | 'b'): Promise<void> {
    const file = `${this.directory}/${machine}.keepalived`;
    await this.#start(`keepalived-${machine}`, machine, ...keepalivedOf(file));
  }

  /** The machine is gone, from one moment to the next. */
  async die(machine: 'a' | 'b'): Promise<void> {
    for (const link of ['up0', 'up1', 'link0', 'lan0']) await this.ip('air', `link set dev ${machine}-${link} down`);
    await this.kill(`keepalived-${machine}`);
    await this.kill(`border-${machine}`);
  }

  /** Its cables carry a signal again. */
  async revive(machine: 'a' | 'b'): Promise<void> {
    for (const address of ['fd00:12::1', '2001:db8:f1::2', '2001:db8:f3::2', 'fe80::67'])
      for (const link of ['up0', 'up1', 'link0'])
        await command('ip', ['-n', this.namespace(machine), 'addr', 'del', `${address}/64`, 'dev', link]);
    for (const link of ['up0', 'up1', 'link0', 'lan0']) await this.ip('air', `link set dev ${machine}-${link} up`);
  }

  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#running.get(name);
    this.#running.delete(name);
    if (child === undefined) return;
    child.kill(signal);
    await until(`${name} to end`, () => child.exitCode !== null || child.signalCode !== null);
  }

  /** Resolves when the border has logged `text`. */
  async said(machine: Machine, text: string, limitMs?: number): Promise<void> {
    await until(`${machine} to say ${text}`, () => this.log(machine).includes(text), limitMs);
  }

  log(machine: Machine): string {
    return readFileSync(`${this.directory}/border-${machine}.log`, 'utf8');
  }

  ilnp(machine: Machine, ...words: string[]): Promise<Output> {
    return command(process.execPath, [PROGRAM, ...words, '--socket', `${this.directory}/${machine}.sock`]);
  }

  async ip(node: string, ...commands: string[]): Promise<void> {
    for (const words of commands) await succeed('ip', ['-6', '-n', this.namespace(node), ...words.split(' ')]);
  }

  exec(node: string, ...words: string[]): Promise<string> {
    return succeed('ip', ['netns', 'exec', this.namespace(node), ...words]);
  }

  #file(machine: Machine): string {
    return `${this.directory}/${machine}.yaml`;
  }

  async #start(name: string, node: string, ...words: string[]): Promise<void> {
    const log = `${this.directory}/${name}.log`;
    writeFileSync(log, '');
    const script = `exec ip netns exec ${this.namespace(node)} ${words.join(' ')} >>${log} 2>&1`;
    this.#running.set(name, spawn('sh', ['-c', script], { stdio: 'ignore' }));
  }

  #configure(machine: Machine): void {
    const first = machine !== 'sbr2';
    const other = machine === 'a' ? 'b' : 'a';
    const lines = first
      ? [
          'site: site1',
          'uplinks:',
          '  - { name: isp1, interface: up0, l64: "2001:db8:1::/64", preference: 10, via: "2001:db8:f1::1" }',
          '  - { name: isp2, interface: up1, l64: "2001:db8:11::/64", preference: 20, via: "2001:db8:f3::1" }',
          'inside: [{ interface: lan0, l64: "fd00:1::/64", gateway: "fe80::1" }]',
          'peers: [{ site: site2, l64: "fd00:2::/64", interface: link0, via: "fd00:12::2", control: "[fd00:12::2]:6740" }]',
          `pair: { address: "fd00:12::1", listen: "[fd00:12::1${machine}]:6741", peer: "[fd00:12::1${other}]:6741" }`,
        ]
      : [
          'site: site2',
          'uplinks: [{ name: isp3, interface: up0, l64: "2001:db8:2::/64", via: "2001:db8:f2::1" }]',
          'inside: [{ interface: lan0, l64: "fd00:2::/64", gateway: "fe80::1" }]',
          'peers: [{ site: site1, l64: "fd00:1::/64", interface: link0, via: "fd00:12::1", control: "[fd00:12::1]:6740" }]',
        ];
    const listen = first ? '[fd00:12::1]:6740' : '[fd00:12::2]:6740';
    writeFileSync(
      this.#file(machine),
      [
        ...lines,
        'bindings: [{ nid: "0:0:0:a1", guest: "fd00:1::/64", home: site1, at: site1 }]',
        `control: { socket: ${machine}.sock, listen: "${listen}", keyFile: site.key }`,
        `state: state-${machine}`,
        '',
      ].join('\n'),
    );
    if (!first) return;
    writeFileSync(
      `${this.directory}/${machine}.keepalived`,
      `global_defs { vrrp_version 3
  vrrp_garp_master_repeat 1
}
vrrp_instance ilnp {
  state BACKUP
  nopreempt
  interface link0
  virtual_router_id 67
  priority ${machine === 'a' ? 100 : 90}
  advert_int 0.05
  virtual_ipaddress {
    fe80::67/64 dev link0
    fd00:12::1/64 dev link0
    2001:db8:f1::2/64 dev up0
    2001:db8:f3::2/64 dev up1
  }
}
`,
    );
  }

  async #cable(one: string, other: string): Promise<void> {
    const [a = '', aName = ''] = one.split(':');
    const [b = '', bName = ''] = other.split(':');
    await this.ip(a, `link add ${aName} type veth peer name ${bName} netns ${this.namespace(b)}`);
    await this.ip(a, `link set dev ${aName} up`);
    await this.ip(b, `link set dev ${bName} up`);
  }

  /** A cable from an interface of a node to a bridge. */
  async #plug(node: string, name: string, bridge: string): Promise<void> {
    await this.#cable(`${node}:${name}`, `air:${node}-${name}`);
    await this.ip('air', `link set dev ${node}-${name} master ${bridge}`);
  }
}

export function pairLabForThisFile(): PairLab {
  const lab = new PairLab();
  beforeAll(() => lab.up());
  afterAll(() => lab.down());
  return lab;
}
