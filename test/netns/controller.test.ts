/** `ilnp controller`, the registry of our own: kill -9 at any moment, a full disk, strangers, and borders that ask it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RegistryClient } from '../../src/registry/client.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { PeerChannel } from '../../src/sites/peer-channel.ts';
import { newSiteKey, parseSiteKey } from '../../src/sites/site-key.ts';
import { formatNid } from '../../src/wire/text.ts';
import { entryOf, listed } from '../registry/entries.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { global } from './support/addresses.ts';
import { succeed } from './support/command.ts';
import { Lab } from './support/lab.ts';
import { openSession } from './support/probe.ts';
import { expectIntact } from './support/sessions.ts';
import { until } from './support/wait.ts';
import { Writers } from './support/writers.ts';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const KILLS = 8;

/** A controller as a process, in this network or in a namespace. */
class Controller {
  readonly folder: string;
  readonly #namespace: string;
  #process: ChildProcess | undefined;
  #said = '';

  constructor(options: { folder: string; listen: string; keyFile: string; state?: string; namespace?: string }) {
    this.folder = options.folder;
    this.#namespace = options.namespace ?? '';
    const { folder, listen, keyFile, state = `${folder}/state` } = options;
    const text = `controller: r1\nlisten: "${listen}"\nkeyFile: ${keyFile}\nsites: [site1, site2]\nstate: ${state}\nsocket: r1.sock\n`;
    writeFileSync(`${folder}/r1.yaml`, text);
  }

  /** All it has logged. */
  get said(): string {
    return this.#said;
  }

  async start(): Promise<void> {
    const within = this.#namespace === '' ? [] : ['ip', 'netns', 'exec', this.#namespace];
    const words = [...within, process.execPath, MAIN, 'controller', '--config', `${this.folder}/r1.yaml`];
    const started = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = started;
    let said = '';
    started.stderr!.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      this.#said += text;
    });
    await until('the controller is ready', () => {
      if (started.exitCode !== null) throw new Error(`the controller ended: ${said}`);
      return said.includes('"msg":"ready"');
    });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const running = this.#process;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('exit', resolve));
    running.kill(signal);
    await ended;
  }
}

describe('alone', () => {
  let folder: string;
  let key: string;
  const channels: PeerChannel[] = [];
  beforeAll(() => {
    enterOwnNetwork();
    folder = mkdtempSync('/run/ilnp-controller-');
    key = newSiteKey();
    writeFileSync(`${folder}/site.key`, key, { mode: 0o600 });
  });
  afterEach(async () => {
    for (const channel of channels.splice(0)) await channel.close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The registry as a site asks it. */
  async function ask(site: string, secret = key): Promise<Registry> {
    const channel = new PeerChannel({
      site,
      key: parseSiteKey(secret, 'test'),
      listen: undefined,
      peers: [{ site: 'r1', control: { host: '::1', port: 6741 } }],
      answer: async () => ({ kind: 'ready' }),
      onConnected: () => {},
      log: { info: () => {}, warn: () => {} },
      timing: { reconnectFirstMs: 20, reconnectLastMs: 100 },
    });
    channels.push(channel);
    await channel.start();
    return new RegistryClient(async (question, timeoutMs) => {
      const reply = await channel.send('r1', { kind: 'registry', ask: question }, timeoutMs);
      return reply.kind === 'registry' ? reply.answer : reply;
    });
  }

  const controllerAt = (state?: string): Controller =>
    new Controller({ folder, listen: '[::1]:6741', keyFile: `${folder}/site.key`, ...(state && { state }) });

  test('killed again and again while entries change, it has lost nothing that it confirmed', async () => {
    const controller = controllerAt();
    const registry = await ask('site1');
    await controller.start();
    const writers = new Writers(registry, 16);
    for (let kill = 0; kill < KILLS; kill++) {
      const before = writers.swaps;
      await until('the writers write', () => writers.swaps > before + 20 + 37 * kill);
      await controller.end('SIGKILL');
      const confirmed = new Map(writers.confirmed);
      await controller.start();
      await until('the controller answers', () => registry.get({ hi: 0, lo: 1 }).catch(() => null));
      for (const [lo, { epoch }] of confirmed) {
        expect((await registry.get({ hi: 0, lo }))!.epoch).toBeGreaterThanOrEqual(epoch);
      }
    }
    await writers.end();
    const { all } = await listed(registry);
    for (const [lo, entry] of writers.confirmed) {
      expect(all.get(formatNid({ hi: 0, lo }))!.epoch - entry.epoch).toBeOneOf([0, 1]);
    }
    await controller.end('SIGTERM');
  });

  test('a full disk refuses by name, nothing half done, and it goes on when there is room', async () => {
    const disk = `${folder}/disk`;
    mkdirSync(disk);
    await succeed('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'ilnp-test', disk]);
    const controller = controllerAt(`${disk}/state`);
    try {
      await controller.start();
      const registry = await ask('site1');
      await until('it answers', () => registry.swap(null, entryOf(1, 0)).catch(() => null));
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(`${disk}/filling`, new Uint8Array(Number(bavail) * Number(bsize)));
      const many = await Promise.allSettled(
        Array.from({ length: 400 }, (_, i) => registry.swap(null, entryOf(10 + i, 0))),
      );
      const refused = many.findIndex(({ status }) => status === 'rejected');

      expect(many[refused]).toMatchObject({
        reason: { code: 'E_STATE', message: expect.stringMatching(/r1\.registry\.1\.log: ENOSPC/) },
      });
      expect(await registry.get({ hi: 0, lo: 10 + refused })).toBeNull();
      expect(await registry.get({ hi: 0, lo: 1 })).toEqual(entryOf(1, 0));
      rmSync(`${disk}/filling`);
      expect(await registry.swap(0, entryOf(1, 1, 'site2'))).toEqual({ swapped: true });
      const { all } = await listed(registry);
      await controller.end('SIGKILL');
      await controller.start();
      await until('it answers', () => registry.get({ hi: 0, lo: 1 }).catch(() => null));
      expect((await listed(registry)).all).toEqual(all);
    } finally {
      await controller.end('SIGTERM');
      await succeed('umount', [disk]);
    }
  });

  test('without the key, or under another name, nothing is read and nothing changes, however many try', async () => {
    const controller = controllerAt(`${folder}/strangers`);
    await controller.start();
    const registry = await ask('site1');
    await until('it answers', () => registry.swap(null, entryOf(100, 0)).catch(() => null));
    const wrong = [await ask('site1', newSiteKey()), await ask('site9')];
    for (const one of wrong) {
      await expect(one.get({ hi: 0, lo: 100 })).rejects.toMatchObject({ code: 'E_REGISTRY' });
      await expect(one.swap(0, entryOf(100, 1))).rejects.toMatchObject({ code: 'E_REGISTRY' });
    }
    const writers = new Writers(registry, 4);
    const flood = Array.from({ length: 500 }, (_, i) => {
      const socket = connect(6741, '::1', () => socket.write(Buffer.alloc(i % 2 === 0 ? 600 : 60_000, i)));
      socket.on('error', () => {}).resume();
      return new Promise((resolve) => socket.once('close', resolve));
    });
    await until('the writers write', () => writers.swaps > 200);
    await writers.end();
    await Promise.all(flood);

    const { all } = await listed(registry);
    expect([...all.keys()].sort()).toEqual(['0:0:0:1', '0:0:0:2', '0:0:0:3', '0:0:0:4', '0:0:0:64']);
    expect(all.get('0:0:0:64')).toEqual(entryOf(100, 0));
    expect(controller.said).not.toContain(key);
    await controller.end('SIGTERM');
  });
});

describe('two borders', () => {
  const lab = new Lab();
  let controller: Controller;
  beforeAll(async () => {
    await lab.up('--no-sbr');
    mkdirSync(`${lab.directory}/controller`);
    const keyFile = `${lab.directory}/site.key`;
    const at = { folder: `${lab.directory}/controller`, listen: '[fd00:12::1]:6741', namespace: lab.namespace('sbr1') };
    controller = new Controller({ ...at, keyFile });
    await controller.start();
  });
  afterAll(async () => {
    await controller.end('SIGTERM');
    await lab.down();
  });

  const registry = async (): Promise<{ at: string; epoch: number } | undefined> => {
    const socket = ['--socket', `${lab.directory}/controller/r1.sock`];
    const { stdout } = await lab.ilnp('show', 'bindings', '--json', ...socket);
    return (JSON.parse(stdout) as { nid: string; at: string; epoch: number }[]).find(({ nid }) => nid === '0:0:0:a1');
  };
  const at = async (site: 1 | 2): Promise<string | undefined> =>
    (await lab.show<{ nid: string; at: string }[]>('bindings', site)).find(({ nid }) => nid === '0:0:0:a1')?.at;
  const followedBySite2 = (): string => {
    const file = `${lab.directory}/site2.state/site2.followed`;
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  async function startWith(text: string): Promise<void> {
    for (const site of [1, 2] as const) {
      lab.editConfig(site, (before) => `${before.replace(/^registry: .*\n/m, '')}registry: ${text}\n`);
      await lab.start(site);
    }
  }

  test('with a controller that is killed the session lives, moves are refused by name, and taken when it is back', async () => {
    await startWith('{ kind: embedded, name: r1, control: "[fd00:12::1]:6741" }');
    await until('the binding is registered', async () => (await registry()) !== undefined);
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await session.connector.receives(100);
    await lab.move('a1', 'site2');
    await controller.end('SIGKILL');
    await session.connector.receives(200);
    const refused = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(1));
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('E_REGISTRY') });
    expect([await at(1), await at(2)]).toEqual(['site2', 'site2']);

    await controller.start();
    await until('borders and controller move again', async () => {
      const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(1));
      return code === 0;
    });
    await session.connector.receives(200);
    expectIntact(await session.end());
    expect((await registry())?.at).toBe('site2');
    await until('a move is taken', async () => {
      const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(1));
      return code === 0;
    });
    await lab.replug('a1', 'host1');
    expect((await registry())?.at).toBe('site1');
  });

  test('a guest is withdrawn at one border and dropped by both, and registered again at another it is served', async () => {
    const ilnp = (site: 1 | 2, ...words: string[]) => lab.ilnp(...words, '--socket', lab.socket(site));
    const known = async (site: 1 | 2): Promise<unknown> =>
      (await lab.show<{ nid: string }[]>('bindings', site)).find(({ nid }) => nid === '0:0:0:a2');
    const register = ['register', '0:0:0:a2', '--guest', 'fd00:1::/64', '--home', 'site1'];
    expect(await ilnp(2, ...register, '--uplink', 'isp2')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/E_REGISTERED: site1: 0:0:0:a2 is registered already: home site1, at site1/),
    });
    await succeed('ip', ['netns', 'exec', lab.namespace('cn'), 'ping', '-c1', '-W2', global('a2')]);
    expect(await ilnp(2, 'withdraw', '0:0:0:a2')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^0:0:0:a2 is withdrawn \(epoch \d+\)\n$/),
    });
    await until('both have forgotten it', async () => !(await known(1)) && !(await known(2)));
    expect((await lab.run('cn', 'ping', '-c1', '-W2', global('a2'))).code).not.toBe(0);
    await lab.kill(1);
    await lab.start(1); // the configuration still has it; the registry holds
    await until('site1 has heard the registry', async () => {
      const [first] = await lab.show<{ isHeard: boolean }[]>('registry', 1);
      return first?.isHeard;
    });
    expect(await known(1)).toBeUndefined();

    expect(await ilnp(1, 'register', '0:0:0:a2', '--guest', '2001:db8:1::/64')).toMatchObject({ code: 2 });
    await until('site1 answers site2 again', async () => (await ilnp(2, ...register)).code === 0);
    await until('both know it', async () => (await known(1)) && (await known(2)));
    expect(await known(2)).toMatchObject({ guest: 'fd00:1::/64', home: 'site1', at: 'site1' });
    await succeed('ip', ['netns', 'exec', lab.namespace('cn'), 'ping', '-c1', '-W2', global('a2')]);
    for (const site of [1, 2] as const) await lab.stop(site);
  });

  test('borders that are killed while the controller is away start with what they had followed, and follow it again', async () => {
    const configured = readFileSync(lab.configFile(2), 'utf8');
    lab.editConfig(2, (before) => before.replace(/^ .*nid: "0:0:0:a1".*\n/m, '')); // only the registry tells site2 of it
    for (const site of [1, 2] as const) await lab.start(site);
    await until('site2 has it from the registry', async () => (await at(2)) === 'site1');
    await lab.replug('a1', 'host2');
    await until('a move is taken', async () => {
      const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site2', '--socket', lab.socket(1));
      return code === 0;
    });
    const session = await openSession(lab, 'records', { listener: 'vm-a1', connector: 'cn', to: global('a1') });
    await session.connector.receives(100);
    await until('the copy is written', () => followedBySite2().includes('"nid":"0:0:0:a1"'));
    await controller.end('SIGKILL');
    for (const site of [1, 2] as const) await lab.kill(site);
    for (const site of [2, 1] as const) await lab.start(site);

    expect([await at(1), await at(2)]).toEqual(['site2', 'site2']);
    expect(await lab.show('registry', 2)).toMatchObject([{ keptBy: 'r1', isHeard: false }]);
    await session.connector.receives(300);
    const refused = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(1));
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('E_REGISTRY') });
    await controller.start();
    await lab.replug('a1', 'host1');
    await until('a move is taken', async () => {
      const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(1));
      return code === 0;
    });
    await session.connector.receives(400);
    expectIntact(await session.end());
    await until('both have followed', async () => (await at(1)) === 'site1' && (await at(2)) === 'site1');
    await until('site 2 has heard it', async () => {
      const [registry] = (await lab.show('registry', 2)) as { isHeard: boolean }[];
      return registry!.isHeard;
    });
    for (const site of [1, 2] as const) await lab.stop(site);
    writeFileSync(lab.configFile(2), configured);
  });

  test('a border that keeps the registry itself is killed, and has it again', async () => {
    await startWith('{ kind: embedded, name: site1 }');
    await lab.move('a1', 'site2');
    expect([await at(1), await at(2)]).toEqual(['site2', 'site2']);
    await lab.kill(1);
    expect(await at(2)).toBe('site2');
    await lab.start(1);
    await until('both move again', async () => {
      const { code } = await lab.ilnp('move', '0:0:0:a1', '--to', 'site1', '--socket', lab.socket(2));
      return code === 0;
    });

    expect([await at(1), await at(2)]).toEqual(['site1', 'site1']);
    for (const site of [1, 2] as const) {
      expect(await lab.log(site)).not.toContain(readFileSync(`${lab.directory}/site.key`, 'utf8').trim());
    }
  });
});
