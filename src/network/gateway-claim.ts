/**
 * One border, and one end system, per network namespace: the rules and tables of each have fixed numbers, so that two of a
 * kind would take each other's away, whatever their names, folders and TUNs are. The claim is an abstract unix socket, which
 * belongs to the namespace and ends with its process.
 */
import * as libc from '../device/libc.ts';
import { IlnpError } from '../runtime/errors.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

/** Claims the gateway's place, or throws E_RUNNING. The result gives it back. */
export const claimGateway = (): (() => void) =>
  claim('\0ilnp-gateway', 'another border router is the gateway of this network namespace already');

/** The same for the place of the end system. */
export const claimEndSystem = (): (() => void) =>
  claim('\0ilnp-shim', 'another ilnp shim runs in this network namespace already');

function claim(label: string, taken: string): () => void {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw new IlnpError('E_NETWORK', `no unix socket could be made: errno ${libc.errno()}`);
  const name = new Uint8Array(2 + label.length); // struct sockaddr_un
  new Uint16Array(name.buffer, 0, 1)[0] = AF_UNIX;
  name.set(Buffer.from(label), 2);
  if (libc.bind(fd, name, name.length) !== 0) {
    const errno = libc.errno();
    libc.close(fd);
    if (errno === libc.EADDRINUSE) throw new IlnpError('E_RUNNING', taken);
    throw new IlnpError('E_NETWORK', `the claim on this network namespace failed: errno ${errno}`);
  }
  return () => libc.close(fd);
}
