/**
 * Sends datagrams from a connected UDP socket to a port where nobody listens and prints the error that comes back.
 *
 *   node refused.mjs HOST PORT     exit code 1 when no error came within five seconds
 */
import dgram from 'node:dgram';

const [host, port] = process.argv.slice(2);
const socket = dgram.createSocket('udp6');
socket.on('error', (error) => {
  console.log(error.code);
  process.exit(0);
});
socket.connect(Number(port), host, () => {
  setInterval(() => socket.send('anybody there?'), 100);
  setTimeout(() => process.exit(1), 5000);
});
