/**
 * As whom is one seen? Answers every datagram with the address it came from; or asks once, prints the answer, and fails
 * after half a second without one.
 *
 *   node seen-as.mjs listen|connect --host H --port P
 */
import dgram from 'node:dgram';
import { roleAndOptions, say } from './say.mjs';

const options = roleAndOptions({});
const socket = dgram.createSocket('udp6');

if (options.role === 'listen') {
  socket.on('message', (_, { address, port }) => socket.send(address, port, address));
  socket.bind(options.port, options.host, () => say('listening'));
} else {
  socket.on('message', (answer) => {
    process.stdout.write(String(answer));
    process.exit(0);
  });
  socket.send('?', options.port, options.host);
  setTimeout(() => process.exit(1), 500);
}
