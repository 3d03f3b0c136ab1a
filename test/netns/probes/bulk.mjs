/**
 * A TCP session that carries as much as it can, one way or both, with a hash over all octets at each end, so that the
 * two reports can be compared. `--send N`: this end sends N octets, then says that it has no more; `--send all`: it
 * sends until SIGTERM or until the other end has no more. An end without `--send` leaves when the other does.
 *
 *   node bulk.mjs listen|connect --host H --port P [--local ADDRESS] [--send N|all]
 */
import { createHash, randomBytes } from 'node:crypto';
import { Arrivals } from './arrivals.mjs';
import { onStop, progress, roleAndOptions } from './say.mjs';
import { openSession } from './session.mjs';

const CHUNK_OCTETS = 256 * 1024;

const options = roleAndOptions({ send: { type: 'string', default: '0' } });

openSession(options, (socket) => {
  let left = options.send === 'all' ? Number.POSITIVE_INFINITY : Number(options.send);
  let sent = 0;
  let received = 0;
  const sentHash = createHash('sha256');
  const receivedHash = createHash('sha256');
  const arrivals = new Arrivals();
  const noise = randomBytes(CHUNK_OCTETS);

  const pour = () => {
    while (left > 0 && !socket.writableEnded) {
      // Fresh memory for every chunk: the socket still holds the one before. Its number makes it differ from all others.
      const chunk = Buffer.from(noise.subarray(0, Math.min(left, CHUNK_OCTETS)));
      if (chunk.length >= 8) chunk.writeDoubleBE(sent, 0);
      sentHash.update(chunk);
      sent += chunk.length;
      left -= chunk.length;
      if (!socket.write(chunk)) {
        socket.once('drain', pour);
        return;
      }
    }
    if (!socket.writableEnded) socket.end();
  };

  socket.on('data', (octets) => {
    arrivals.note(octets.length);
    received += octets.length;
    receivedHash.update(octets);
  });
  const leave = () => {
    left = 0;
    socket.end();
  };
  socket.on('end', () => {
    if (options.send === 'all' || options.send === '0') leave();
  });
  onStop(leave);
  const endProgress = progress(() => ({ sent, received, lastMs: arrivals.lastMs }));
  if (left > 0) pour();

  return () => {
    endProgress();
    return {
      sent: { octets: sent, sha256: sentHash.digest('hex') },
      received: { octets: received, sha256: receivedHash.digest('hex') },
      ...arrivals.report(),
    };
  };
});
