/**
 * A cluster of Debian's etcd, TLS and users, each member in a namespace of its own:
 *
 *   LAB-etcd1 fd00:e::1 ─┐
 *   LAB-etcd2 fd00:e::2 ─┼─ bridge in LAB-etcd ─── whoever is joined: the test's own network, borders of the lab
 *   LAB-etcd3 fd00:e::3 ─┘
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type EtcdOptions, EtcdRegistry } from '../../../src/registry/etcd.ts';
import { EtcdApi } from '../../../src/registry/etcd-api.ts';
import { command, succeed } from './command.ts';
import { until } from './wait.ts';

const NAME = process.env.LAB ?? 'ilnp-test';
export const MEMBERS = [1, 2, 3] as const;
type Member = (typeof MEMBERS)[number];

const SWITCH = `${NAME}-etcd`;
const namespaceOf = (member: Member): string => `${NAME}-etcd${member}`;
const addressOf = (host: number): string => `fd00:e::${host.toString(16)}`;
const clientUrl = (member: Member): string => `https://[${addressOf(member)}]:2379`;
const peerUrl = (member: Member): string => `https://[${addressOf(member)}]:2380`;

const ip = (...words: string[]): Promise<string> => succeed('ip', words);

export class EtcdCluster {
  readonly folder: string;
  readonly #processes = new Map<Member, ChildProcess>();
  #admin: EtcdApi | undefined;
  #hosts = 0x10;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Starts three members; `password` is that of user `ilnp`, who may do everything below /ilnp. */
  static async start(password: string): Promise<EtcdCluster> {
    await removeNamespaces();
    const cluster = new EtcdCluster(mkdtempSync('/dev/shm/ilnp-etcd-'));
    await cluster.#certificates();
    await ip('netns', 'add', SWITCH);
    await ip('-n', SWITCH, 'link', 'add', 'br0', 'type', 'bridge');
    await ip('-n', SWITCH, 'link', 'set', 'br0', 'up');
    for (const member of MEMBERS) {
      await ip('netns', 'add', namespaceOf(member));
      await ip('-n', namespaceOf(member), 'link', 'set', 'lo', 'up');
      await cluster.#plug(`m${member}`, 'eth0', namespaceOf(member), addressOf(member));
    }
    for (const member of MEMBERS) cluster.run(member);
    await cluster.#users(password);
    writeFileSync(cluster.passwordFile, `${password}\n`, { mode: 0o600 });
    return cluster;
  }

  /** Everything that a registry needs to be told. */
  options({ prefix, user, password }: Who): EtcdOptions {
    return { ...this.#access(), user: { name: user, password }, prefix, warn: () => {} };
  }

  get endpoints(): string[] {
    return MEMBERS.map(clientUrl);
  }

  get passwordFile(): string {
    return `${this.folder}/password`;
  }

  get caFile(): string {
    return `${this.folder}/ca.pem`;
  }

  /** Joins a namespace, or with '' the network of this process, to the bridge. */
  async join(namespace: string): Promise<void> {
    const host = this.#hosts++;
    const name = `x${host.toString(16)}`;
    await this.#plug(name, `etcd${host.toString(16)}`, namespace, addressOf(host));
  }

  /** Starts a member, for the first time or again with what it has on disk. */
  run(member: Member): void {
    const words = [
      ...['--name', `m${member}`, '--data-dir', `${this.folder}/m${member}`],
      ...['--listen-client-urls', clientUrl(member), '--advertise-client-urls', clientUrl(member)],
      ...['--listen-peer-urls', peerUrl(member), '--initial-advertise-peer-urls', peerUrl(member)],
      ...['--initial-cluster', MEMBERS.map((one) => `m${one}=${peerUrl(one)}`).join(',')],
      ...['--cert-file', `${this.folder}/member.pem`, '--key-file', `${this.folder}/member.key`],
      ...['--peer-cert-file', `${this.folder}/member.pem`, '--peer-key-file', `${this.folder}/member.key`],
      ...['--peer-trusted-ca-file', this.caFile, '--heartbeat-interval', '50', '--election-timeout', '500'],
      ...['--logger', 'zap', '--log-outputs', `${this.folder}/m${member}.log`],
    ];
    const etcd = spawn('ip', ['netns', 'exec', namespaceOf(member), 'etcd', ...words], { stdio: 'ignore' });
    this.#processes.set(member, etcd);
  }

  /** kill -9. */
  async kill(member: Member): Promise<void> {
    const etcd = this.#processes.get(member);
    if (etcd === undefined || etcd.exitCode !== null || etcd.signalCode !== null) return;
    const ended = new Promise((resolve) => etcd.once('exit', resolve));
    etcd.kill('SIGKILL'); // `ip netns exec` has become etcd
    await ended;
  }

  /** The member that leads now. */
  async leader(): Promise<Member> {
    let leader: Member | undefined;
    await until('etcd has a leader', async () => {
      for (const member of MEMBERS) {
        const status = await this.#admin!.askAt(clientUrl(member), 'maintenance/status', {}).catch(() => undefined);
        const id = (status?.header as { member_id?: string } | undefined)?.member_id;
        if (status !== undefined && id === status.leader) leader = member;
      }
      return leader !== undefined;
    });
    return leader!;
  }

  /** Cuts a member off from the others but not from its clients, or joins it again. */
  async partition(member: Member, cut: boolean): Promise<void> {
    const nft = (...words: string[]): Promise<string> => ip('netns', 'exec', namespaceOf(member), 'nft', ...words);
    if (!cut) {
      await nft('delete', 'table', 'ip6', 'cut');
      return;
    }
    const others = MEMBERS.filter((one) => one !== member)
      .map(addressOf)
      .join(', ');
    const chain = (hook: string, side: string): string =>
      `chain ${hook} { type filter hook ${hook} priority 0; ip6 ${side} { ${others} } drop; };`;
    await nft(`table ip6 cut { ${chain('input', 'saddr')} ${chain('output', 'daddr')} }`);
  }

  /** All changes so far are forgotten. */
  async compact(): Promise<void> {
    const { header } = await this.#admin!.ask('kv/range', { key: 'AA==' });
    await this.#admin!.ask('kv/compaction', { revision: (header as { revision: string }).revision, physical: true });
  }

  async stop(): Promise<void> {
    this.#admin?.close();
    for (const member of MEMBERS) await this.kill(member);
    await removeNamespaces();
    rmSync(this.folder, { recursive: true });
  }

  #access() {
    return { endpoints: this.endpoints, ca: readFileSync(this.caFile, 'utf8') };
  }

  async #plug(port: string, device: string, namespace: string, address: string): Promise<void> {
    const at = namespace === '' ? [] : ['netns', namespace];
    const within = namespace === '' ? [] : ['-n', namespace];
    await ip('-n', SWITCH, 'link', 'add', port, 'type', 'veth', 'peer', 'name', `p${port}`);
    await ip('-n', SWITCH, 'link', 'set', port, 'master', 'br0', 'up');
    if (namespace === '') await ip('-n', SWITCH, 'link', 'set', `p${port}`, 'netns', String(process.pid));
    else await ip('-n', SWITCH, 'link', 'set', `p${port}`, ...at);
    await ip(...within, 'link', 'set', `p${port}`, 'name', device);
    await ip(...within, 'link', 'set', device, 'up');
    await ip(...within, 'address', 'add', `${address}/64`, 'dev', device, 'nodad');
  }

  async #certificates(): Promise<void> {
    const file = (name: string): string => `${this.folder}/${name}`;
    mkdirSync(this.folder, { recursive: true });
    const names = MEMBERS.map((member) => `IP:${addressOf(member)}`).join(',');
    writeFileSync(file('names'), `subjectAltName=${names}\n`);
    const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    await succeed('openssl', [
      ...['req', '-x509', ...fresh, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=ca'],
    ]);
    await succeed('openssl', [
      ...['req', ...fresh, '-keyout', file('member.key'), '-out', file('member.csr'), '-subj', '/CN=member'],
    ]);
    await succeed('openssl', [
      ...['x509', '-req', '-in', file('member.csr'), '-CA', file('ca.pem'), '-CAkey', file('ca.key')],
      ...['-CAcreateserial', '-days', '2', '-extfile', file('names'), '-out', file('member.pem')],
    ]);
  }

  async #users(password: string): Promise<void> {
    await this.join('');
    const open = new EtcdApi({ ...this.#access(), user: undefined });
    const rootPassword = `${password}-root`;
    await until('etcd answers', async () => {
      await open.ask('kv/range', { key: 'AA==' });
      return true;
    });
    const range = { key: base64('/ilnp'), range_end: base64('/ilnq') };
    await open.ask('auth/user/add', { name: 'root', password: rootPassword });
    await open.ask('auth/role/add', { name: 'root' });
    await open.ask('auth/user/grant', { user: 'root', role: 'root' });
    await open.ask('auth/role/add', { name: 'ilnp' });
    await open.ask('auth/role/grant', { name: 'ilnp', perm: { permType: 'READWRITE', ...range } });
    await open.ask('auth/user/add', { name: 'ilnp', password });
    await open.ask('auth/user/grant', { user: 'ilnp', role: 'ilnp' });
    await open.ask('auth/user/add', { name: 'nobody', password });
    await open.ask('auth/enable', {});
    open.close();
    this.#admin = new EtcdApi({ ...this.#access(), user: { name: 'root', password: rootPassword } });
  }
}

/** Who asks, and below which prefix. */
interface Who {
  readonly prefix: string;
  readonly user: string;
  readonly password: string;
}

export const registryOf = (cluster: EtcdCluster, who: Who): EtcdRegistry => new EtcdRegistry(cluster.options(who));

async function removeNamespaces(): Promise<void> {
  for (const namespace of [SWITCH, ...MEMBERS.map(namespaceOf)]) await command('ip', ['netns', 'del', namespace]);
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
