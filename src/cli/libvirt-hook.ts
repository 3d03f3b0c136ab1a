/** `ilnp libvirt-hook`: the hook of libvirt; starts to follow a domain when its QEMU starts. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

export function registerLibvirtHook(program: Command): void {
  withSocket(
    program
      .command('libvirt-hook')
      .description(
        'for /etc/libvirt/hooks/qemu: exec ilnp libvirt-hook "$@"; follows the domains that say which guest they are',
      )
      .argument('<domain>', 'what libvirt gives its hook')
      .argument('<operation>')
      .argument('[more...]'),
  ).action(async (domain: string, operation: string, _more: string[], options: SocketOptions) => {
    const { BEGINS, libvirtGuest } = await import('../hypervisor/libvirt.ts');
    if (!BEGINS.has(operation)) return;
    const guest = libvirtGuest(readFileSync(0, 'utf8'));
    if (guest === null) return;
    const socket = await socketOf(options);
    const log = openSync(join(dirname(socket), `follow-${domain.replaceAll('/', '_')}.log`), 'a', 0o600);
    const args = [process.argv[1]!, 'follow', guest.nid, '--qmp', guest.qmp, '--socket', socket];
    // libvirt waits for its hook: who follows has to live on its own
    spawn(process.execPath, args, { detached: true, stdio: ['ignore', log, log] }).unref();
    closeSync(log);
  });
}
