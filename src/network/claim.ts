/**
 * One border or one end system per network namespace. Two of a kind would take each other's rules and tables away, whose
 * numbers are fixed. A border beside an end system sends all that this kernel says in ICMPv6, and all that comes for a
 * Locator, through TUNs of its own, and either would end the forwarding that the other one needs. The claim is an abstract
 * unix socket, which belongs to the namespace and ends with its process.
 */
import * as libc from '../device/libc.ts';
import { IlnpError } from '../runtime/errors.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

const LABEL = '\0ilnp-network';

/** Claims the network namespace, or throws E_RUNNING. The result gives it back. */
export function claimNetwork(): () => void {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw new IlnpError('E_NETWORK', `no unix socket could be made: errno ${libc.errno()}`);
  const name = new Uint8Array(2 + LABEL.length); // struct sockaddr_un
  new Uint16Array(name.buffer, 0, 1)[0] = AF_UNIX;
  name.set(Buffer.from(LABEL), 2);
  if (libc.bind(fd, name, name.length) !== 0) {
    const errno = libc.errno();
    libc.close(fd);
    if (errno === libc.EADDRINUSE) {
      const expected = 'expected a network namespace of its own, got one where another ilnp sbr or ilnp shim runs';
      throw new IlnpError('E_RUNNING', expected);
    }
    throw new IlnpError('E_NETWORK', `the claim on this network namespace failed: errno ${errno}`);
  }
  return () => libc.close(fd);
}
