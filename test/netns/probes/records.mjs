/**
 * A TCP session with a numbered record in both directions every millisecond. Each end checks that nothing is missing,
 * doubled or changed, and reports the silences that it saw. SIGTERM at one end closes the session in order.
 *
 *   node records.mjs listen|connect --host H --port P [--local ADDRESS] [--interval MS]
 */
import { Arrivals, spread } from './arrivals.mjs';
import { nowMs, onStop, progress, roleAndOptions } from './say.mjs';
import { openSession } from './session.mjs';

const RECORD_OCTETS = 16; // number (4), number again with all bits turned (4), time of sending (8)

const options = roleAndOptions({ interval: { type: 'string', default: '1' } });

openSession(options, (socket) => {
  let sent = 0;
  let received = 0;
  let corrupt = 0;
  let rest = Buffer.alloc(0);
  const arrivals = new Arrivals();
  const delays = [];

  const sendRecord = () => {
    const record = Buffer.allocUnsafe(RECORD_OCTETS);
    record.writeUInt32BE(sent, 0);
    record.writeUInt32BE(~sent >>> 0, 4);
    record.writeDoubleBE(nowMs(), 8);
    socket.write(record);
    sent++;
  };
  const timer = setInterval(sendRecord, Number(options.interval));
  const finish = () => {
    clearInterval(timer);
    socket.end();
  };

  socket.on('data', (octets) => {
    arrivals.note(octets.length);
    rest = rest.length === 0 ? octets : Buffer.concat([rest, octets]);
    let o = 0;
    for (; o + RECORD_OCTETS <= rest.length; o += RECORD_OCTETS) {
      if (rest.readUInt32BE(o) !== received || rest.readUInt32BE(o + 4) !== ~received >>> 0) corrupt++;
      delays.push(nowMs() - rest.readDoubleBE(o + 8));
      received++;
    }
    rest = rest.subarray(o);
  });
  socket.on('end', finish);
  onStop(finish);
  const endProgress = progress(() => ({ sent, received, lastMs: arrivals.lastMs }));

  return () => {
    clearInterval(timer);
    endProgress();
    return { sent, received, corrupt, delayMs: spread(delays), ...arrivals.report() };
  };
});
