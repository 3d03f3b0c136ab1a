/**
 * What all probes share: arguments, events as JSON lines on standard output, and a polite end.
 * A probe runs in a namespace, says `listening` or `established`, `progress` ten times a second, and last `result`.
 */
import { writeSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** Writes one event at once, even when the process is about to end. */
export function say(event, fields = {}) {
  const line = `${JSON.stringify({ event, ...fields })}\n`;
  let done = 0;
  const octets = Buffer.from(line);
  while (done < octets.length) {
    try {
      done += writeSync(1, octets, done);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

/** Milliseconds since 1970 with microsecond resolution; namespaces of one machine share this clock. */
export const nowMs = () => performance.timeOrigin + performance.now();

/** Reads `listen|connect` and the options of a probe, all given as text. */
export function roleAndOptions(options) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      host: { type: 'string', default: '::' },
      port: { type: 'string', default: '7000' },
      local: { type: 'string' },
      ...options,
    },
  });
  const role = positionals[0];
  if (role !== 'listen' && role !== 'connect') throw new TypeError(`expected listen or connect, got ${role}`);
  return { role, ...values, port: Number(values.port) };
}

/** Calls `stop` at the first SIGTERM or SIGINT; the probe then ends its session and reports. */
export function onStop(stop) {
  let asked = false;
  const once = () => {
    if (!asked) stop();
    asked = true;
  };
  process.on('SIGTERM', once);
  process.on('SIGINT', once);
}

/** Says `progress` with what `fields()` returns, ten times a second; returns the function that ends it. */
export function progress(fields) {
  const timer = setInterval(() => say('progress', fields()), 100);
  return () => clearInterval(timer);
}
