/** A launcher opens the TUNs, a program without native code and without privilege has them. Needs root, for the launcher. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const isRoot = process.getuid?.() === 0;
const dist = (path: string): string => fileURLToPath(new URL(`../../dist/native-free/${path}`, import.meta.url));
const launcher = fileURLToPath(new URL('../../native-free/with-tun', import.meta.url));

/** Turns every datagram around, `count` times, then says who it is. */
const ECHO = `
  import { InheritedTun } from '${dist('door.js')}';
  const device = InheritedTun.ofLauncher();
  const { batch } = device;
  process.stdout.write('ready\\n');
  for (let left = 20; left > 0; ) {
    device.receive();
    for (let i = 0; i < batch.count; i++) {
      const o = batch.offset[i];
      batch.verdict[i] = batch.bytes[o + 6] === 58 && batch.bytes[o + 40] === 128 ? 0 : 2;
      if (batch.verdict[i] !== 0) continue;
      batch.egress[i] = batch.port[i];
      const source = batch.bytes.slice(o + 8, o + 24);
      batch.bytes.copyWithin(o + 8, o + 24, o + 40);
      batch.bytes.set(source, o + 24);
      batch.bytes[o + 40] = 129;
      const folded = (s) => { while (s >>> 16) s = (s & 0xffff) + (s >>> 16); return s; };
      const next = ~folded((~(batch.bytes[o + 42] << 8 | batch.bytes[o + 43]) & 0xffff) + (0x8100 + (~0x8000 & 0xffff))) & 0xffff;
      batch.bytes[o + 42] = next >>> 8; batch.bytes[o + 43] = next & 255;
      left--;
    }
    device.send();
  }
  let addons = 'loaded';
  try { process.dlopen({ exports: {} }, '/nowhere.node'); } catch (error) { addons = error.code; }
  process.stdout.write(JSON.stringify({ uid: process.getuid(), addons, failures: device.takeWriteFailures() }) + '\\n');
`;

describe.skipIf(!isRoot)('a TUN by inheritance', () => {
  test('a program run by nobody with --no-addons answers pings on two devices', () => {
    const script = `
      set -e
      coproc P { exec ${launcher} it0,it1 --user nobody -- ${process.execPath} --no-addons --input-type=module -e "$ECHO"; }
      read -r ready <&"\${P[0]}"
      for k in 0 1; do ip link set it$k up; ip -6 addr add fd00:7:$k::1/64 dev it$k nodad; done
      for k in 0 1; do ping -6 -q -n -c 10 -i 0.01 -W 5 fd00:7:$k::2 | grep received; done
      cat <&"\${P[0]}"`;
    const text = execFileSync('unshare', ['-n', 'bash', '-c', script], {
      encoding: 'utf8',
      env: { ...process.env, ECHO },
      timeout: 30_000,
    });
    const lines = text.trim().split('\n');

    expect(lines.slice(0, 2).map((line) => line.replace(/, time.*/, ''))).toEqual(
      new Array(2).fill('10 packets transmitted, 10 received, 0% packet loss'),
    );
    expect(JSON.parse(lines[2]!)).toEqual({ uid: 65534, addons: 'ERR_DLOPEN_DISABLED', failures: 0 });
  });
});

describe('the launcher', () => {
  const launch = (...words: string[]) => {
    const { status, stderr } = spawnSync(launcher, words, { encoding: 'utf8' });
    return [status, stderr];
  };

  test('refuses what it does not understand, with a word', () => {
    expect(launch()).toEqual([2, 'usage: with-tun NAME[,NAME...] [--user USER] -- COMMAND [ARG...]\n']);
    expect(launch('a', '--nobody', '--', 'true')[0]).toBe(2);
    expect(launch('a-name-of-sixteen', '--', 'true')).toEqual([
      1,
      "with-tun: a TUN name has 1 to 15 characters, got 'a-name-of-sixteen'\n",
    ]);
  });
});

test('without the launcher the device says what it expects, and the door opens without native code', () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [
      '--no-addons',
      '--input-type=module',
      '-e',
      `import { InheritedTun } from '${dist('door.js')}'; try { InheritedTun.ofLauncher(); } catch (e) { console.log(e.code, e.message); }`,
    ],
    { encoding: 'utf8', env: { PATH: process.env.PATH } },
  );

  expect([status, stdout]).toEqual([
    0,
    "E_TUN ILNP_TUN_FDS: expected descriptors by commas, as with-tun sets it, got ''\n",
  ]);
});
