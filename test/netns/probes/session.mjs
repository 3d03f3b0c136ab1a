/** One TCP session for a probe: listens for exactly one, or connects, and says how it ended. */
import net from 'node:net';
import { say } from './say.mjs';

/**
 * Calls `use(socket)` once the session is there. The listener accepts one session only. `use` returns the function
 * that gives the result when the session is over; `reset` in it is the error code of a session that did not end well.
 */
export function openSession({ role, host, port, local }, use) {
  const established = (socket) => {
    socket.setNoDelay(true);
    say('established', { local: socket.localAddress, remote: socket.remoteAddress, port: socket.localPort });
    const result = use(socket);
    let reset = null;
    socket.on('error', (error) => {
      reset = error.code;
    });
    socket.on('close', () => {
      say('result', { role, reset, ...result() });
      process.exit(reset === null ? 0 : 1);
    });
  };

  if (role === 'listen') {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      server.close();
      established(socket);
    });
    server.listen(port, host, () => say('listening', { port: server.address().port }));
    return;
  }
  const socket = net.connect({ host, port, allowHalfOpen: true, ...(local ? { localAddress: local } : {}) });
  const refused = (error) => {
    say('result', { role, reset: error.code });
    process.exit(1);
  };
  socket.once('error', refused);
  socket.once('connect', () => {
    socket.off('error', refused);
    established(socket);
  });
}
