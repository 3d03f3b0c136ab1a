/**
 * A real libvirt on a host of the lab, with folders of its own for all that it keeps, in a mount namespace: two of them do not
 * meet, and the machine's own is not touched.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { command, type Output, succeed } from './command.ts';
import type { Namespaces } from './lab.ts';
import { until } from './wait.ts';

/** Folders that libvirt knows by these names only. */
const OWN = ['/etc/libvirt', '/var/lib/libvirt', '/var/cache/libvirt', '/var/log/libvirt', '/run/libvirt'];

export class Libvirt {
  readonly #child: ChildProcess;
  readonly uri: string;

  private constructor(child: ChildProcess, uri: string) {
    this.#child = child;
    this.uri = uri;
  }

  /** `hook`: the text of its hook for QEMU. */
  static async start(
    lab: Namespaces,
    host: string,
    { folder, hook }: { readonly folder: string; readonly hook: string },
  ): Promise<Libvirt> {
    for (const path of OWN) mkdirSync(`${folder}${path}`, { recursive: true });
    mkdirSync(`${folder}/sock`, { recursive: true });
    mkdirSync(`${folder}/etc/libvirt/hooks`);
    writeFileSync(`${folder}/etc/libvirt/hooks/qemu`, hook, { mode: 0o755 });
    const settings = ['security_driver = "none"', 'user = "root"', 'group = "root"', 'cgroup_controllers = []'];
    settings.push('namespaces = []', 'remember_owner = 0', 'stdio_handler = "file"');
    writeFileSync(`${folder}/etc/libvirt/qemu.conf`, `${settings.join('\n')}\n`);
    const daemon = ['listen_tls = 0', 'auth_unix_rw = "none"', `unix_sock_dir = "${folder}/sock"`];
    daemon.push(`host_uuid = "${randomUUID()}"`);
    writeFileSync(`${folder}/libvirtd.conf`, `${daemon.join('\n')}\n`);
    // libvirt wants the user that its package would make, though it runs nothing as that user here
    writeFileSync(
      `${folder}/passwd`,
      `${readFileSync('/etc/passwd', 'utf8')}libvirt-qemu:x:64055:64055::/:/bin/false\n`,
    );
    writeFileSync(`${folder}/group`, `${readFileSync('/etc/group', 'utf8')}libvirt-qemu:x:64055:\n`);
    const script = [
      'set -e',
      ...OWN.map((path) => `mkdir -p ${path}; mount --bind ${folder}${path} ${path}`),
      ...['passwd', 'group'].map((file) => `mount --bind ${folder}/${file} /etc/${file}`),
      `exec libvirtd -f ${folder}/libvirtd.conf -p ${folder}/pid`,
    ];
    const child = spawn('ip', ['netns', 'exec', lab.namespace(host), 'unshare', '-m', 'sh', '-c', script.join('\n')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr!.on('data', (octets: Buffer) => {
      said += octets.toString();
    });
    const libvirt = new Libvirt(child, `qemu+unix:///system?socket=${folder}/sock/libvirt-sock`);
    await until(
      'libvirt to answer',
      async () => {
        if (child.exitCode !== null) throw new Error(`libvirt ended: ${said}`);
        return (await libvirt.virsh('list')).code === 0;
      },
      30_000,
    );
    return libvirt;
  }

  virsh(...words: string[]): Promise<Output> {
    return command('virsh', ['-c', this.uri, ...words], { limitMs: 60_000 });
  }

  /** As `virsh`, but a failure is an error. */
  async do(...words: string[]): Promise<void> {
    await succeed('virsh', ['-c', this.uri, ...words], { limitMs: 60_000 });
  }

  async end(): Promise<void> {
    await this.virsh('destroy', 'vm-a1');
    this.#child.kill('SIGTERM');
    await until('libvirt to end', () => this.#child.exitCode !== null || this.#child.signalCode !== null);
  }
}
