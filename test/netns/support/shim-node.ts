/** An end system in a node of the lab of borders (lab.ts): started, asked, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { succeed } from './command.ts';
import type { Lab } from './lab.ts';
import { until } from './wait.ts';

const PROGRAM = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

export class ShimNode {
  readonly #lab: Lab;
  readonly #node: string;
  readonly #child: ChildProcess;

  private constructor(lab: Lab, node: string, child: ChildProcess) {
    this.#lab = lab;
    this.#node = node;
    this.#child = child;
  }

  /** Resolves when it is ready. `id`: the last 16 bits of its NID; `hosts`: lines of a hosts file. */
  static async start(lab: Lab, node: string, id: string, hosts = ''): Promise<ShimNode> {
    const base = `${lab.directory}/shim-${node}`;
    writeFileSync(`${base}.hosts`, hosts);
    const config = [
      `node: ${node}`,
      `nid: 0:0:0:${id}`,
      `stable: "fd00:5::/64"`,
      'interfaces: [{ interface: eth0 }]',
      `hosts: shim-${node}.hosts`,
      `control: { socket: shim-${node}.sock }`,
      'state: .', // gone with the lab
    ];
    writeFileSync(`${base}.yaml`, config.join('\n'));
    writeFileSync(`${base}.log`, '');
    const script = `exec ip netns exec ${lab.namespace(node)} ${process.execPath} ${PROGRAM} shim --config ${base}.yaml 2>>${base}.log`;
    const child = spawn('sh', ['-c', script], { stdio: 'ignore' });
    await until(`the shim of ${node}`, () => {
      const text = readFileSync(`${base}.log`, 'utf8');
      if (child.exitCode !== null) throw new Error(`the shim of ${node} has ended: ${text}`);
      return text.includes('"msg":"ready"');
    });
    return new ShimNode(lab, node, child);
  }

  async show<T>(what: string): Promise<T> {
    const socket = `${this.#lab.directory}/shim-${this.#node}.sock`;
    return JSON.parse(await succeed(process.execPath, [PROGRAM, 'show', what, '--json', '--socket', socket])) as T;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await until(`the shim of ${this.#node} to end`, () => this.#child.exitCode !== null);
  }
}
