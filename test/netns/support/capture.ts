/** Captures in a namespace with tcpdump, read afterwards by tshark: an eye that is not ours. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, succeed } from './command.ts';
import type { Namespaces } from './lab.ts';
import { until } from './wait.ts';

/** Reason: a case that captures a transfer by mistake must not fill the disk. */
const PACKETS_AT_MOST = 200_000;

export class Capture {
  readonly #directory: string;
  readonly #file: string;
  readonly #stop: () => Promise<void>;

  private constructor(directory: string, file: string, stop: () => Promise<void>) {
    this.#directory = directory;
    this.#file = file;
    this.#stop = stop;
  }

  /** Starts to capture on a device; resolves when tcpdump listens. `filter` is in its own language. */
  static async start(lab: Namespaces, node: string, device: string, filter = 'ip6'): Promise<Capture> {
    const directory = await mkdtemp(join(tmpdir(), 'ilnp-capture-'));
    const file = join(directory, 'capture.pcap');
    const args = [
      'netns',
      'exec',
      lab.namespace(node),
      'tcpdump',
      '-i',
      device,
      '-U',
      '--immediate-mode',
      '-n',
      '-B',
      '16384',
      '-c',
      String(PACKETS_AT_MOST),
      '-Z',
      'root',
      '-w',
      file,
      filter,
    ];
    const child = spawn('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (octets: Buffer) => {
      said += octets.toString();
    });
    await until(`tcpdump in ${node}: ${said}`, () => said.includes('listening on'));
    return new Capture(directory, file, async () => {
      if (child.exitCode !== null) throw new Error(`the capture in ${node} is full: ${PACKETS_AT_MOST} packets`);
      child.kill('SIGINT');
      await once(child, 'exit');
    });
  }

  /** How many packets match a display filter so far, e.g. to wait for one. */
  async count(filter: string): Promise<number> {
    // The file of a running capture may end within a packet, which tshark reports with exit code 2.
    const { stdout } = await command('tshark', ['-r', this.#file, '-Y', filter, '-T', 'fields', '-e', 'frame.number']);
    return stdout.split('\n').filter((line) => line !== '').length;
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  /** The named fields of every packet that matches a display filter; call after `stop`. */
  async fields(filter: string, names: readonly string[], options: readonly string[] = []): Promise<string[][]> {
    const wanted = names.flatMap((name) => ['-e', name]);
    const stdout = await succeed('tshark', ['-r', this.#file, ...options, '-Y', filter, '-T', 'fields', ...wanted]);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}
