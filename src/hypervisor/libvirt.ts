/**
 * What libvirt tells its hook /etc/libvirt/hooks/qemu: the name of a domain, what happens to it, and its XML, as libvirt itself
 * writes it. A domain whose guest has a binding says so in its metadata, and has a monitor for us:
 *
 *   <metadata><ilnp:guest xmlns:ilnp="urn:ilnp:guest" nid="0:0:0:a1"/></metadata>
 *   <qemu:commandline>
 *     <qemu:arg value="-qmp"/><qemu:arg value="unix:/run/ilnp/a1.qmp,server=on,wait=off"/>
 *   </qemu:commandline>
 */
import { IlnpError } from '../runtime/errors.ts';

/** QEMU of the domain runs from here on, also one that waits for a guest, or libvirt itself has come back. */
export const BEGINS: ReadonlySet<string> = new Set(['started', 'reconnect']);

export interface LibvirtGuest {
  readonly nid: string;
  /** Path of the monitor. */
  readonly qmp: string;
}

/** Reads the XML of a domain; null for a domain that is none of ours. E_HYPERVISOR when its monitor is missing. */
export function libvirtGuest(xml: string): LibvirtGuest | null {
  const metadata = /<metadata>([\s\S]*?)<\/metadata>/.exec(xml)?.[1] ?? '';
  const [, prefix] = /xmlns:([\w-]+)=["']urn:ilnp:guest["']/.exec(metadata) ?? [];
  if (prefix === undefined) return null;
  const nid = new RegExp(`<${prefix}:guest\\b[^>]*?\\snid=["']([^"']+)["']`).exec(metadata)?.[1];
  if (nid === undefined)
    throw new IlnpError('E_HYPERVISOR', 'expected nid="..." in the guest of its metadata, got none');
  const qmp = /value=["']-qmp["']\s*\/>\s*<qemu:arg value=["']unix:([^,"']+)[,"']/.exec(xml)?.[1];
  if (qmp === undefined)
    throw new IlnpError('E_HYPERVISOR', `expected -qmp unix:PATH in the qemu:commandline of guest ${nid}, got none`);
  return { nid, qmp };
}
