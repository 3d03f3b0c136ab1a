/** Domains as libvirt 9 writes them to its hook. */
import { expect, test } from 'vitest';
import { libvirtGuest } from '../../src/hypervisor/libvirt.ts';

const domain = (
  metadata: string,
  commandline: string,
): string => `<domain type='qemu' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm-a1</name>
  <metadata>
    ${metadata}
  </metadata>
  <qemu:commandline>
    ${commandline}
  </qemu:commandline>
</domain>
`;
const GUEST = '<ilnp:guest xmlns:ilnp="urn:ilnp:guest" nid="0:0:0:a1"/>';
const MONITOR = `<qemu:arg value='-qmp'/>
    <qemu:arg value='unix:/run/ilnp/a1.qmp,server=on,wait=off'/>`;

test('a domain says which guest it is and where its monitor is', () => {
  expect(libvirtGuest(domain(GUEST, MONITOR))).toEqual({ nid: '0:0:0:a1', qmp: '/run/ilnp/a1.qmp' });
});

test('its prefix may be another, other metadata may stand beside it, and other arguments before it', () => {
  const metadata = `<app1:foo xmlns:app1="http://app1.org/app1/" nid="9"/><x:guest nid='::a2' xmlns:x='urn:ilnp:guest'/>`;
  const commandline = `<qemu:arg value='-msg'/><qemu:arg value='timestamp=on'/>${MONITOR}`;

  expect(libvirtGuest(domain(metadata, commandline))).toEqual({ nid: '::a2', qmp: '/run/ilnp/a1.qmp' });
});

test('a domain without our metadata is none of ours', () => {
  expect(libvirtGuest(domain('<a:guest xmlns:a="urn:other" nid="0:0:0:a1"/>', MONITOR))).toBeNull();
  expect(libvirtGuest('')).toBeNull();
});

test('what is missing is said', () => {
  expect(() => libvirtGuest(domain('<ilnp:guest xmlns:ilnp="urn:ilnp:guest"/>', MONITOR))).toThrow('nid=');
  expect(() => libvirtGuest(domain(GUEST, "<qemu:arg value='-msg'/>"))).toThrow('-qmp unix:PATH');
});
