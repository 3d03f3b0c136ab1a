/** The API of tuntap2 over our TUN layer, as its users see it: the built package, in a namespace of its own. Needs root. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const isRoot = process.getuid?.() === 0;
const PACKAGE = fileURLToPath(new URL('../../dist/device/tuntap2.js', import.meta.url));

/** Runs a program in a new network namespace; what its `say` said. */
function run(program: string): unknown[] {
  const source = `
    import { createSocket } from 'node:dgram';
    import { once } from 'node:events';
    import { readFileSync } from 'node:fs';
    import { Tun } from '${PACKAGE}';
    const say = (...values) => console.log(JSON.stringify(values));
    const said = (step) => { try { step(); return 'nothing'; } catch (e) { return [e instanceof Error, e.name, e.code ?? null, e.message]; } };
    const isThere = (tun) => readFileSync('/proc/net/dev', 'utf8').includes(tun.name + ':');
    const released = (tun) => new Promise((done) => tun.release(done));
    ${program}`;
  const text = execFileSync('unshare', ['-n', process.execPath, '--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe.skipIf(!isRoot)('class Tun', () => {
  test('has a name of the kernel or of ours, and properties that are set and read, up or down', () => {
    expect(
      run(`
        const tun = new Tun();
        say(tun.name, tun.isTun, tun.isTap, tun.isUp, tun.ipv4, tun.ipv6, tun.mac);
        tun.mtu = 1400; tun.ipv4 = '10.0.0.100/24'; tun.ipv6 = 'abcd:1:2:3::1/64'; tun.isUp = true;
        say(tun.mtu, tun.ipv4, tun.ipv6, tun.isUp);
        tun.ipv6 = 'abcd:1:2:4::1/80'; tun.isUp = false;
        say(tun.isUp, tun.mtu);
        const named = new Tun({ name: 'mine0' });
        say(named.name);
        await Promise.all([released(tun), released(named)]);`),
    ).toEqual([
      ['tun0', true, false, false, '', '', '00:00:00:00:00:00'],
      [1400, '10.0.0.100/24', 'abcd:1:2:3::1/64', true],
      [false, 1400],
      ['mine0'],
    ]);
  });

  test('gives one packet per chunk, in order, and writes one per chunk', () => {
    const [answers] = run(`
      const tun = new Tun();
      tun.ipv6 = 'fd00:5::1/64'; tun.isUp = true;
      tun.on('data', (packet) => {
        if (packet[6] !== 17) return;
        const back = Buffer.concat([packet.subarray(0, 8), packet.subarray(24, 40), packet.subarray(8, 24), packet.subarray(42, 44), packet.subarray(40, 42), packet.subarray(44)]);
        tun.write(back);
      });
      const socket = createSocket('udp6');
      socket.bind(4000, 'fd00:5::1');
      await once(socket, 'listening');
      const got = [];
      socket.on('message', (m) => got.push(m.readUInt32BE()));
      for (let k = 0; k < 500; k++) {
        const m = Buffer.alloc(4 + (k % 300)); m.writeUInt32BE(k);
        socket.send(m, 9, 'fd00:5::2');
        while (k % 50 === 49 && got.length <= k) await new Promise(setImmediate);
      }
      say(got.every((n, k) => n === k), got.length);
      socket.close(); tun.release();`);

    expect(answers).toEqual([true, 500]);
  });

  test('release ends at once while nothing arrives; the interface is gone when it calls back, and again is harmless', () => {
    const [[there, gone, again, quick]] = run(`
      const tun = new Tun();
      tun.isUp = true;
      tun.on('data', () => {});
      const before = isThere(tun);
      await new Promise((done) => setTimeout(done, 200));
      const began = performance.now();
      await released(tun);
      const took = performance.now() - began;
      const after = isThere(tun);
      await released(tun);
      say(before, after, true, took < 500 ? true : took);`) as [unknown[]];

    expect([there, gone, again, quick]).toEqual([true, false, true, true]);
  });

  test('a program that does not read holds a bounded number of packets, and reads on when it wants', () => {
    const [[held, later]] = run(`
      const tun = new Tun();
      tun.ipv6 = 'fd00:5::1/64'; tun.isUp = true;
      let seen = 0;
      tun.on('data', () => seen++);
      tun.pause();
      const socket = createSocket('udp6');
      for (let k = 0; k < 20000; k++) { socket.send('x', 9, 'fd00:5::2'); if (k % 20 === 0) await new Promise(setImmediate); }
      const held = tun.readableLength;
      tun.resume();
      while (seen < 300) await new Promise(setImmediate);
      say(held, seen >= 300);
      socket.close(); tun.release();`) as [[number, boolean]];

    expect(held).toBeLessThanOrEqual(257);
    expect(later).toBe(true);
  });

  test('errors are Errors with a code and words, never strings', () => {
    expect(
      run(`
        const tun = new Tun();
        say(said(() => { tun.mac = '00:11:22:33:44:55'; }));
        say(said(() => { tun.mtu = 20; }));
        say(said(() => { tun.ipv4 = '10.0.0.1'; }));
        say(said(() => { tun.ipv6 = 'fd00::1/129'; }));
        say(said(() => new Tun({ name: 'lo' })));
        tun.on('error', (e) => say('error', e.code));
        await new Promise((done) => tun.write(Buffer.alloc(40, 0x60), (e) => { say(e instanceof Error, e.code, e.message); done(); }));
        await released(tun);
        say(isThere(tun));`),
    ).toEqual([
      [[true, 'IlnpError', 'E_TUN', 'tun0: a TUN has no MAC address to set']],
      [[true, 'RangeError', null, 'an MTU is a whole number of 68 to 65535, got 20']],
      [[true, 'RangeError', null, 'expected a prefix length of 0 to 32, got 10.0.0.1']],
      [[true, 'RangeError', null, 'expected a prefix length of 0 to 128, got fd00::1/129']],
      [[true, 'IlnpError', 'E_TUN', 'TUN lo cannot be made: errno 22']],
      [true, 'E_TUN', 'tun0: a packet of 40 octets was not written: it is down (errno 5)'],
      ['error', 'E_TUN'],
      [false],
    ]);
  });
});
