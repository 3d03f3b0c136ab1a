/**
 * A real virtual machine of QEMU (emulated, any processor does) on a host of the lab: the guest of `scripts/guest` with the
 * address of a VM of the lab, its network card a TAP in the host's bridge.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Qmp, type QmpEvent } from '../../../src/hypervisor/qmp.ts';
import { succeed } from './command.ts';
import type { Namespaces } from './lab.ts';
import { until } from './wait.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = `${ROOT}out/guest`;

/** Makes kernel and file system of the guest, and the disk with ilnp; a few seconds the first time. */
export async function makeGuest(withShim = false): Promise<void> {
  await succeed(`${ROOT}scripts/guest`, withShim ? ['--shim'] : [], { limitMs: 300_000 });
}

export interface MachineOptions {
  /** Where its sockets and its console are. */
  readonly folder: string;
  /** Different for each machine of a test. */
  readonly name: string;
  /** What the guest is told (scripts/guest); without it there is nothing in the machine, and it starts at once. */
  readonly guest?: string;
  /** The guest has the disk with ilnp. */
  readonly hasShim?: boolean;
  /** Where its network card is plugged. */
  readonly bridge?: string;
  /** Waits for a guest that migrates here. */
  readonly isIncoming?: boolean;
}

export class Machine {
  /** For whoever manages the machine. */
  readonly qmp: Qmp;
  /** For `ilnp`. */
  readonly monitor: string;
  readonly events: QmpEvent[];
  readonly #child: ChildProcess;
  readonly #console: string;
  /** Takes its network card away. */
  readonly #unplug: () => Promise<unknown>;

  private constructor(parts: {
    qmp: Qmp;
    monitor: string;
    events: QmpEvent[];
    child: ChildProcess;
    console: string;
    unplug: () => Promise<unknown>;
  }) {
    this.qmp = parts.qmp;
    this.monitor = parts.monitor;
    this.events = parts.events;
    this.#child = parts.child;
    this.#console = parts.console;
    this.#unplug = parts.unplug;
  }

  /** Plugs a TAP into the bridge of the lab's `host` and starts QEMU there; resolves when its monitor answers. */
  static async start(lab: Namespaces, host: string, options: MachineOptions): Promise<Machine> {
    const { folder, name, guest, bridge = 'br0', isIncoming = false } = options;
    const namespace = lab.namespace(host);
    const tap = `tap-${name}`;
    if (guest !== undefined) {
      await succeed('ip', ['-n', namespace, 'tuntap', 'add', tap, 'mode', 'tap']);
      await succeed('ip', ['-n', namespace, 'link', 'set', tap, 'master', bridge, 'up']);
    }
    const unplug = async (): Promise<unknown> =>
      guest !== undefined && succeed('ip', ['-n', namespace, 'link', 'del', tap]);
    const socket = (use: string): string => `${folder}/${name}-${use}.sock`;
    const log = `${folder}/${name}.console`;
    const monitor = (use: string): string[] => ['-qmp', `unix:${socket(use)},server=on,wait=off`];
    const child = spawn(
      'ip',
      [
        ...['netns', 'exec', namespace, 'qemu-system-x86_64'],
        ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
        ...(guest === undefined ? ['-M', 'none'] : withGuest(guest, tap, log)),
        ...(options.hasShim ? ['-drive', `file=${FOLDER}/shim.iso,if=none,id=d0,format=raw,readonly=on`] : []),
        ...(options.hasShim ? ['-device', 'virtio-blk-pci,drive=d0'] : []),
        ...monitor('manager'),
        ...monitor('ilnp'),
        ...(isIncoming ? ['-incoming', 'defer'] : []),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    child.stderr!.on('data', (octets: Buffer) => {
      said += octets.toString();
    });
    const events: QmpEvent[] = [];
    const connect = () =>
      Qmp.connect(socket('manager'), { onEvent: (event) => events.push(event), onEnd: () => {} }).catch(() => null);
    const qmp = await until(`the monitor of ${name}`, () => {
      if (child.exitCode !== null) throw new Error(`QEMU ended: ${said}`);
      return connect();
    });
    return new Machine({ qmp, monitor: socket('ilnp'), events, child, console: log, unplug });
  }

  /** Resolves when the guest has said `text` on its console. */
  async booted(text = 'guest: ready'): Promise<void> {
    await until(`the guest to say ${text}`, () => this.console.includes(text), 60_000);
  }

  get console(): string {
    return readFileSync(this.#console, 'utf8');
  }

  /** Resolves with the first event of that name (and status). */
  async said(name: string, status?: string): Promise<QmpEvent> {
    return until(`QEMU to say ${name} ${status ?? ''}`, () =>
      this.events.find((e) => e.name === name && (status === undefined || e.data.status === status)),
    );
  }

  /** Begins to migrate the guest to `other`, which waits for it. */
  async migrate(other: Machine, folder: string, options: { pauses?: boolean } = {}): Promise<void> {
    const capabilities = [
      { capability: 'events', state: true },
      { capability: 'pause-before-switchover', state: options.pauses ?? false },
    ];
    for (const { qmp } of [this, other]) await qmp.execute('migrate-set-capabilities', { capabilities });
    const uri = `unix:${folder}/migration.sock`;
    await other.qmp.execute('migrate-incoming', { uri });
    await this.qmp.execute('migrate', { uri });
  }

  /** Kills it; resolves when it is gone. */
  async end(): Promise<void> {
    this.qmp.close();
    this.#child.kill('SIGKILL');
    await until('QEMU to end', () => this.#child.exitCode !== null || this.#child.signalCode !== null);
    await this.#unplug();
  }
}

const withGuest = (guest: string, tap: string, log: string): string[] => [
  ...['-M', 'q35', '-accel', 'tcg', '-cpu', 'max', '-m', '128'],
  ...['-kernel', `${FOLDER}/vmlinuz`, '-initrd', `${FOLDER}/initrd`, '-append'],
  `console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable rdinit=/init ${guest}`,
  ...['-chardev', `file,id=console,path=${log}`, '-serial', 'chardev:console'],
  ...['-netdev', `tap,id=n0,ifname=${tap},script=no,downscript=no`],
  ...['-device', 'virtio-net-pci,romfile=,netdev=n0,mac=52:54:00:12:34:56'],
];
