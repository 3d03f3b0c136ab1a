/**
 * One gateway per network namespace: the rules and tables have fixed numbers, so that two borders in one namespace would take
 * each other's away, whatever their sites, folders and TUNs are called. The claim is an abstract unix socket, which belongs
 * to the namespace and ends with its process.
 */
import * as libc from '../device/libc.ts';
import { IlnpError } from '../runtime/errors.ts';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const NAME = '\0ilnp-gateway';

/** Takes the claim, or throws E_RUNNING. The result gives it back. */
export function claimGateway(): () => void {
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) throw new IlnpError('E_NETWORK', `no unix socket could be made: errno ${libc.errno()}`);
  const name = new Uint8Array(2 + NAME.length); // struct sockaddr_un
  new Uint16Array(name.buffer, 0, 1)[0] = AF_UNIX;
  name.set(Buffer.from(NAME), 2);
  if (libc.bind(fd, name, name.length) !== 0) {
    const errno = libc.errno();
    libc.close(fd);
    if (errno === libc.EADDRINUSE)
      throw new IlnpError('E_RUNNING', 'another border router is the gateway of this network namespace already');
    throw new IlnpError('E_NETWORK', `the claim on this network namespace failed: errno ${errno}`);
  }
  return () => libc.close(fd);
}
