/** Two real libvirts migrate a domain between sites; all that is told to ilnp is in the domain and the hook of libvirt. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { global, guest } from './support/addresses.ts';
import { labForThisFile } from './support/lab.ts';
import { Libvirt } from './support/libvirt.ts';
import { makeGuest } from './support/machine.ts';
import { startProbe } from './support/probe.ts';
import { until } from './support/wait.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const lab = labForThisFile();
const folder = mkdtempSync(join(tmpdir(), 'ilnp-libvirt-'));
let first: Libvirt;
let second: Libvirt;

const hook = (site: 1 | 2): string =>
  `#!/bin/sh\nexec ${process.execPath} ${ROOT}dist/cli/main.js libvirt-hook --socket ${lab.socket(site)} "$@"\n`;

/** The monitor has the same path at both hosts, as it would on two machines: each libvirt has a folder of that name. */
const DOMAIN = `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm-a1</name>
  <metadata><ilnp:guest xmlns:ilnp='urn:ilnp:guest' nid='0:0:0:a1'/></metadata>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${ROOT}out/guest/vmlinuz</kernel>
    <initrd>${ROOT}out/guest/initrd</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 no_timer_check tsc=reliable rdinit=/init guest.address=${guest('a1')} guest.gateway=fe80::1</cmdline>
  </os>
  <cpu mode='custom' match='exact'><model>qemu64</model></cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='ethernet'>
      <mac address='52:54:00:12:34:56'/>
      <target dev='tap-lv' managed='no'/>
      <model type='virtio'/>
      <rom enabled='no'/>
    </interface>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-qmp'/>
    <qemu:arg value='unix:/var/lib/libvirt/ilnp.qmp,server=on,wait=off'/>
  </qemu:commandline>
</domain>
`;

beforeAll(async () => {
  await makeGuest();
  await lab.exec('host1', 'ip', 'link', 'set', 'vm-a1', 'down');
  for (const host of ['host1', 'host2']) {
    await lab.exec(host, 'ip', 'tuntap', 'add', 'tap-lv', 'mode', 'tap');
    await lab.exec(host, 'ip', 'link', 'set', 'tap-lv', 'master', 'br0', 'up');
    mkdirSync(join(folder, host));
  }
  writeFileSync(join(folder, 'domain.xml'), DOMAIN);
  first = await Libvirt.start(lab, 'host1', { folder: join(folder, 'host1'), hook: hook(1) });
  second = await Libvirt.start(lab, 'host2', { folder: join(folder, 'host2'), hook: hook(2) });
}, 300_000);
afterAll(async () => {
  await first?.end();
  await second?.end();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('virsh migrate takes the binding along, and the session of a correspondent', async () => {
  await first.do('create', join(folder, 'domain.xml'));
  await until(
    'the guest to answer',
    async () => (await lab.run('cn', 'ping', '-c1', '-W1', global('a1'))).code === 0,
    60_000,
  );
  const records = startProbe(
    lab,
    'cn',
    'records',
    'connect',
    '--host',
    global('a1'),
    '--port',
    '7',
    '--interval',
    '10',
  );
  await records.said('established');
  await records.receives(50);

  await first.do(
    ...['migrate', '--live', '--domain', 'vm-a1', '--desturi', second.uri],
    ...['--migrateuri', `unix://${folder}/migration.sock`],
  );
  await until('the binding to follow', async () => {
    const bindings = await lab.show<{ nid: string; at: string }[]>('bindings', 1);
    return bindings.some(({ nid, at }) => nid === '0:0:0:a1' && at === 'site2');
  });
  await records.receives(50);

  records.stop();
  expect(await records.result()).toMatchObject({ reset: null, corrupt: 0 });
});
