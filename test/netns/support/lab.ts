/**
 * The lab of `scripts/lab` as an object: one lab per test file, built before its first case, removed after its last.
 * Its name differs from that of a lab built by hand, so both can exist.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import type { Site, Vm } from './addresses.ts';
import { command, type Output, succeed } from './command.ts';

const NAME = process.env.LAB ?? 'ilnp-test';
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCRIPT = `${ROOT}scripts/lab`;
const ENV = { ...process.env, LAB: NAME };

/** One snapshot of a border's counters by name. */
export type Counters = Readonly<Record<string, number>>;

/** Whatever has nodes in namespaces. */
export interface Namespaces {
  namespace(node: string): string;
}

export class Lab {
  readonly directory = `/run/ilnp-lab/${NAME}`;

  /** Builds the lab; whatever an earlier run left is removed first. */
  async up(...options: string[]): Promise<void> {
    await this.down();
    await this.#lab('up', ...options);
  }

  async down(): Promise<void> {
    await this.#lab('down');
  }

  /** Moves a VM to a host or site; milliseconds since 1970 when it began and ended. */
  async move(vm: Vm, to: string): Promise<{ fromMs: number; toMs: number }> {
    const fromMs = Date.now();
    await this.#lab('move', vm, to);
    return { fromMs, toMs: Date.now() };
  }

  /** Carries the cable only; no border is told. */
  async replug(vm: Vm, host: string): Promise<void> {
    await this.#lab('move', vm, host, '--replug-only');
  }

  async start(site: Site): Promise<void> {
    await this.#lab('border', 'start', String(site));
  }

  async stop(site: Site): Promise<void> {
    await this.#lab('border', 'stop', String(site));
  }

  async kill(site: Site): Promise<void> {
    await this.#lab('border', 'kill', String(site));
  }

  async reload(site: Site): Promise<void> {
    await this.#lab('border', 'reload', String(site));
  }

  async pid(site: Site): Promise<number> {
    return Number((await this.#lab('border', 'pid', String(site))).trim());
  }

  /** Runs a command in a namespace and gives its output, whatever the exit code. */
  run(node: string, ...cmd: string[]): Promise<Output> {
    return command('ip', ['netns', 'exec', this.namespace(node), ...cmd]);
  }

  /** As `run`, but a failure is an error; gives what was said on standard output. */
  exec(node: string, ...cmd: string[]): Promise<string> {
    return succeed('ip', ['netns', 'exec', this.namespace(node), ...cmd]);
  }

  namespace(node: string): string {
    return `${NAME}-${node}`;
  }

  socket(site: Site): string {
    return `${this.directory}/site${site}.sock`;
  }

  configFile(site: Site): string {
    return `${this.directory}/site${site}.yaml`;
  }

  /** Changes a border's configuration file; the border does not know before it is told. */
  editConfig(site: Site, edit: (text: string) => string): void {
    const file = this.configFile(site);
    const before = readFileSync(file, 'utf8');
    const after = edit(before);
    if (after === before) throw new Error(`the edit changes nothing in ${file}`);
    writeFileSync(file, after);
  }

  log(site: Site): Promise<string> {
    return readFile(`${this.directory}/site${site}.log`, 'utf8');
  }

  /** Runs the project's program outside of any namespace. */
  ilnp(...args: string[]): Promise<Output> {
    return command(process.execPath, [`${ROOT}dist/cli/main.js`, ...args]);
  }

  /** As `ilnp`, in the namespace of a node. */
  ilnpIn(node: string, ...args: string[]): Promise<Output> {
    return this.run(node, process.execPath, `${ROOT}dist/cli/main.js`, ...args);
  }

  async show<T>(what: string, site: Site): Promise<T> {
    const { code, stdout, stderr } = await this.ilnp('show', what, '--json', '--socket', this.socket(site));
    if (code !== 0) throw new Error(`show ${what}: exit code ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  counters(site: Site): Promise<Counters> {
    return this.show<Counters>('counters', site);
  }

  #lab(...args: string[]): Promise<string> {
    return succeed(SCRIPT, args, { env: ENV });
  }
}

/** A lab for all cases of the file that calls this. */
export function labForThisFile(...options: string[]): Lab {
  const lab = new Lab();
  beforeAll(() => lab.up(...options));
  afterAll(() => lab.down());
  return lab;
}
