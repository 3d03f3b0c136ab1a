/**
 * Request and answer over one TCP session, as a terminal or a web service would use it: the connecting end asks, waits
 * for the whole answer, rests a moment, asks again. SIGTERM at that end closes the session.
 *
 *   node requests.mjs listen|connect --host H --port P [--local ADDRESS] [--rest MS]
 */
import { Arrivals, spread } from './arrivals.mjs';
import { nowMs, onStop, progress, roleAndOptions } from './say.mjs';
import { openSession } from './session.mjs';

const REQUEST_OCTETS = 64;
const ANSWER_OCTETS = 512;

const options = roleAndOptions({ rest: { type: 'string', default: '5' } });

openSession(options, (socket) => {
  const asks = options.role === 'connect';
  const expected = asks ? ANSWER_OCTETS : REQUEST_OCTETS;
  let octetsWaiting = 0;
  let done = 0;
  let askedMs = 0;
  let stopping = false;
  const arrivals = new Arrivals();
  const roundTrips = [];

  const ask = () => {
    if (stopping) {
      socket.end();
      return;
    }
    askedMs = nowMs();
    socket.write(Buffer.alloc(REQUEST_OCTETS, done & 0xff));
  };

  socket.on('data', (octets) => {
    arrivals.note(octets.length);
    octetsWaiting += octets.length;
    if (octetsWaiting < expected) return;
    octetsWaiting -= expected;
    done++;
    if (asks) {
      roundTrips.push(nowMs() - askedMs);
      setTimeout(ask, Number(options.rest));
    } else {
      socket.write(Buffer.alloc(ANSWER_OCTETS, done & 0xff));
    }
  });
  socket.on('end', () => socket.end());
  onStop(() => {
    stopping = true;
  });
  const endProgress = progress(() => ({ received: done, lastMs: arrivals.lastMs }));
  if (asks) ask();

  return () => {
    endProgress();
    return { requests: done, roundTripMs: spread(roundTrips), ...arrivals.report() };
  };
});
