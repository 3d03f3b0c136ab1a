/**
 * Two controllers of a pair on the network between the sites of the lab, each in a namespace of its own with a keepalived that
 * watches it, and this process as a third site:
 *
 *   LAB-k1 fd00:12::91 ─┐
 *   LAB-k2 fd00:12::92 ─┼─ br0 in LAB-wan ─── sbr1, sbr2, this process fd00:12::3
 *          fd00:12::9 at one of the two
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { attend } from '../../../src/registry/attend.ts';
import { RegistryClient } from '../../../src/registry/client.ts';
import { TermFence } from '../../../src/registry/fence.ts';
import { Witness } from '../../../src/registry/witness.ts';
import { WITNESS_ASK_MS } from '../../../src/registry/witnessed.ts';
import type { PairReply } from '../../../src/runtime/control-methods.ts';
import { PeerChannel } from '../../../src/sites/peer-channel.ts';
import { readSiteKey } from '../../../src/sites/site-key.ts';
import { command, type Output, succeed } from './command.ts';
import { keepalivedOf } from './keepalived.ts';
import type { Lab } from './lab.ts';
import { until } from './wait.ts';

const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));
const ADDRESS = 'fd00:12::9';
const CONTROLLERS = ['k1', 'k2'] as const;
export type Name = (typeof CONTROLLERS)[number];
const otherOf = (name: Name): Name => (name === 'k1' ? 'k2' : 'k1');
const own = (name: Name): string => `fd00:12::9${name.slice(1)}`;

export class ControllerPair {
  readonly #lab: Lab;
  readonly #running = new Map<string, ChildProcess>();
  readonly #over = new AbortController();
  readonly #mounted: string[] = [];
  #channel: PeerChannel | undefined;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** The lab must be up, this process in a network of its own. */
  async up(): Promise<void> {
    await this.#removeNamespaces();
    for (const name of CONTROLLERS) {
      const namespace = this.#lab.namespace(name);
      await succeed('ip', ['netns', 'add', namespace]);
      const sysctl = ['net.ipv6.conf.default.accept_dad=0', 'net.ipv6.conf.lo.disable_ipv6=0'];
      await succeed('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', ...sysctl]);
      await succeed('ip', ['-n', namespace, 'link', 'set', 'lo', 'up']);
      await this.#plug(name, own(name), ['-n', namespace], ['netns', namespace]);
      mkdirSync(this.#folder(name));
      writeFileSync(`${this.#folder(name)}/r1.yaml`, this.#configuration(name));
      writeFileSync(`${this.#folder(name)}/keepalived`, this.#keepalived(name));
    }
    await this.#plug('k3', 'fd00:12::3', [], ['netns', String(process.pid)]);
  }

  async down(): Promise<void> {
    this.#over.abort();
    await this.#channel?.close();
    for (const what of [...this.#running.keys()]) await this.kill(what);
    for (const state of this.#mounted.splice(0)) await succeed('umount', [state]);
    await this.#removeNamespaces();
  }

  /** Starts a controller, and the keepalived that watches it. */
  async start(name: Name): Promise<void> {
    const said = this.said(name).length;
    await this.#run(name, name, process.execPath, MAIN, 'controller', '--config', `${this.#folder(name)}/r1.yaml`);
    await until(`${name} to begin`, () => this.said(name).slice(said).includes('"msg":"standing by"'));
  }

  async watch(name: Name): Promise<void> {
    await this.#run(`keepalived-${name}`, name, ...keepalivedOf(`${this.#folder(name)}/keepalived`));
  }

  /** Ends a controller, or "keepalived-" and its name. */
  async kill(what: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const running = this.#running.get(what);
    this.#running.delete(what);
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await ended;
  }

  /** Its disk is another one, with nothing on it; it must not run. */
  forget(name: Name): void {
    rmSync(`${this.#folder(name)}/state`, { recursive: true });
  }

  /** Its disk is a small one of its own, with nothing on it, until `down`; it must not run. Gives the folder. */
  async mount(name: Name, octets: number): Promise<string> {
    const state = `${this.#folder(name)}/state`;
    this.forget(name);
    mkdirSync(state);
    await succeed('mount', ['-t', 'tmpfs', '-o', `size=${octets}`, 'ilnp-test', state]);
    this.#mounted.push(state);
    return state;
  }

  /** Changes the configuration of both, and says so to them. */
  reconfigure(edit: (text: string) => string): void {
    for (const name of CONTROLLERS) {
      const file = `${this.#folder(name)}/r1.yaml`;
      writeFileSync(file, edit(readFileSync(file, 'utf8')));
      this.#running.get(name)?.kill('SIGHUP');
    }
  }

  /** Cuts the two off from each other, and from nobody else; or joins them again. */
  async part(isCut: boolean): Promise<void> {
    for (const name of CONTROLLERS)
      await succeed('bridge', [
        '-n',
        this.#lab.namespace('wan'),
        'link',
        'set',
        'dev',
        name,
        'isolated',
        isCut ? 'on' : 'off',
      ]);
  }

  /** Everybody's packets to the address go to `name`, whoever says to have it; undefined: as neighbour discovery finds. */
  async steer(name: Name | undefined): Promise<void> {
    const places = [['sbr1', 'link0'] as const, ['sbr2', 'link0'] as const, ['', 'eth0'] as const];
    const link = name && (await succeed('ip', ['-n', this.#lab.namespace(name), '-json', 'link', 'show', 'eth0']));
    for (const [node, dev] of places) {
      const within = node === '' ? [] : ['-n', this.#lab.namespace(node)];
      const entry = ['neigh', link ? 'replace' : 'del', ADDRESS, 'dev', dev];
      const to = link ? ['lladdr', (JSON.parse(link) as [{ address: string }])[0].address, 'nud', 'permanent'] : [];
      await succeed('ip', ['-6', ...within, ...entry, ...to]);
    }
  }

  /** All it has logged. */
  said(name: Name): string {
    try {
      return readFileSync(`${this.#folder(name)}/log`, 'utf8');
    } catch {
      return '';
    }
  }

  ilnp(name: Name, ...words: string[]): Promise<Output> {
    return command(process.execPath, [MAIN, ...words, '--socket', `${this.#folder(name)}/r1.sock`]);
  }

  async pair(name: Name): Promise<PairReply> {
    const { stdout } = await this.ilnp(name, 'show', 'pair', '--json');
    return JSON.parse(stdout) as PairReply;
  }

  /** Resolves when `name` serves and the other one could take over. */
  async whole(name: Name): Promise<void> {
    await until(
      `${name} to serve with a standby`,
      async () => {
        const [one, other] = [await this.pair(name), await this.pair(otherOf(name))];
        return one.role === 'active' && one.isReady && other.role === 'standby' && other.isReady;
      },
      20_000,
    );
  }

  /** This process as site3: asks the registry, and is a witness. */
  async site3(): Promise<RegistryClient> {
    const witness = new Witness(`${this.#lab.directory}/site3.state`, 'site3.r1');
    const channel = new PeerChannel({
      site: 'site3',
      key: await readSiteKey(`${this.#lab.directory}/site.key`),
      listen: undefined,
      peers: [{ site: 'r1', control: { host: ADDRESS, port: 6741 } }],
      answer: async () => ({ kind: 'ready' }),
      onConnected: () => {},
      log: { info: () => {}, warn: () => {} },
    });
    this.#channel = channel;
    await channel.start();
    const failed = (error: unknown): void => {
      throw error;
    };
    void attend(
      witness,
      async (ask) => {
        const reply = await channel.send('r1', { kind: 'witness', ...ask }, WITNESS_ASK_MS);
        return reply.kind === 'claim' ? reply : null;
      },
      { signal: this.#over.signal, failed },
    );
    const fence = new TermFence(() => witness.state.term);
    return new RegistryClient(async (ask, timeoutMs) => {
      const reply = await channel.send('r1', { kind: 'registry', ask, term: fence.term }, timeoutMs);
      if (reply.kind !== 'registry') return reply;
      fence.check(reply.term ?? 0);
      return reply.answer;
    }, fence);
  }

  #configuration(name: Name): string {
    return [
      'controller: r1',
      `listen: "[${ADDRESS}]:6741"`,
      `pair: { address: "${ADDRESS}", listen: "[${own(name)}]:6742", peer: "[${own(otherOf(name))}]:6742" }`,
      `keyFile: ${this.#lab.directory}/site.key`,
      'sites: [site1, site2, site3]',
      'state: state',
      'socket: r1.sock',
      '',
    ].join('\n');
  }

  /** A script that fails when nobody holds the lock of the controller: then it has died. */
  #keepalived(name: Name): string {
    return `global_defs {
  vrrp_version 3
  enable_script_security
  script_user root
  vrrp_garp_master_repeat 1
}
vrrp_script controller {
  script "/usr/bin/flock -n -E 0 ${this.#folder(name)}/state/r1.lock /bin/false"
  interval 1
  fall 1
  rise 1
}
vrrp_instance ilnp {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id 68
  priority ${name === 'k1' ? 100 : 90}
  advert_int 0.05
  virtual_ipaddress {
    fe80::68/64
    ${ADDRESS}/64
  }
  track_script { controller }
}
`;
  }

  #folder(name: Name): string {
    return `${this.#lab.directory}/${name}`;
  }

  async #run(what: string, name: Name, ...words: string[]): Promise<void> {
    const log = `${this.#folder(name)}/${what === name ? 'log' : 'keepalived.log'}`;
    const script = `exec ip netns exec ${this.#lab.namespace(name)} ${words.join(' ')} >>${log} 2>&1`;
    this.#running.set(what, spawn('sh', ['-c', script], { stdio: 'ignore' }));
  }

  async #plug(port: string, address: string, within: string[], to: string[]): Promise<void> {
    const wan = ['-n', this.#lab.namespace('wan')];
    await succeed('ip', [...wan, 'link', 'add', port, 'type', 'veth', 'peer', 'name', `p${port}`]);
    await succeed('ip', [...wan, 'link', 'set', port, 'master', 'br0', 'up']);
    await succeed('ip', [...wan, 'link', 'set', `p${port}`, ...to]);
    await succeed('ip', [...within, 'link', 'set', `p${port}`, 'name', 'eth0']);
    await succeed('ip', [...within, 'link', 'set', 'eth0', 'up']);
    await succeed('ip', [...within, 'address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad']);
  }

  async #removeNamespaces(): Promise<void> {
    for (const name of CONTROLLERS) {
      const pids = await command('ip', ['netns', 'pids', this.#lab.namespace(name)]);
      for (const pid of pids.stdout.split('\n')) if (pid !== '') process.kill(Number(pid), 'SIGKILL');
      await command('ip', ['netns', 'del', this.#lab.namespace(name)]);
    }
  }
}
