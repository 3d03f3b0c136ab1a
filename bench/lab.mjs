/**
 * The bench's three namespaces and what is common to all variants.
 *
 *   ilnp-bench-cn            ilnp-bench-gw               ilnp-bench-vm
 *   correspondent            gateway, what is measured    virtual machine
 *   c0 2001:db8:c::c0 ────── gc ::1      gv ::1 ───────── v0 fd00:b:0:1::5e1
 *                            uplink      inside              fd00:b:0:30b8::5e1  (for NPTv6)
 *
 * Rewriters make the machine reachable as 2001:db8:b::5e1; its own Locator fd00:b:0:1::/64 is what kernel forwarding
 * is measured with. fd00:b:0:30b8::/64 has the same ones' complement sum as 2001:db8:b::/64, so that NPTv6 (RFC 6296)
 * keeps the last 64 bits as they are.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { end, must, run, start, until } from './process.mjs';

export const CN = 'ilnp-bench-cn';
export const GW = 'ilnp-bench-gw';
export const VM = 'ilnp-bench-vm';
const NAMESPACES = [CN, GW, VM];

/** Configuration, keys and sockets of what is measured; gone with the namespaces. */
export const SCRATCH = '/run/ilnp-bench';
const LOCK = `${SCRATCH}/pid`;
let mine = false;

export const UPLINK = 'gc';
export const INSIDE = 'gv';
export const GLOBAL_L64 = '2001:db8:b::';
export const GUEST_L64 = 'fd00:b:0:1::';
export const NPT_L64 = 'fd00:b:0:30b8::';
export const NID = '5e1';
export const CN_ADDRESS = '2001:db8:c::c0';

/** A command of iproute2 in one of the namespaces. */
export const ip = (namespace, words, options) => must(['ip', '-n', namespace, ...words.split(' ')], options);

/** Any set-up command in one of the namespaces. */
export const exec = (namespace, words, options) =>
  must(['ip', 'netns', 'exec', namespace, ...words.split(' ')], options);

/** Builds the namespaces; leftovers of an earlier bench that was killed go first. Refuses while another bench runs. */
export function up({ mtu = 1500 } = {}) {
  if (existsSync(LOCK)) {
    const other = readFileSync(LOCK, 'utf8');
    if (isBench(other)) throw new Error(`another bench runs (process ${other})`);
  }
  mine = true;
  remove();
  mkdirSync(SCRATCH, { recursive: true, mode: 0o700 });
  writeFileSync(LOCK, `${process.pid}`);
  for (const namespace of NAMESPACES) {
    must(['ip', 'netns', 'add', namespace]);
    ip(namespace, 'link set lo up');
    exec(namespace, 'sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0');
  }
  must(`ip link add c0 netns ${CN} type veth peer name ${UPLINK} netns ${GW}`.split(' '));
  must(`ip link add v0 netns ${VM} type veth peer name ${INSIDE} netns ${GW}`.split(' '));
  for (const [namespace, device, ...addresses] of [
    [CN, 'c0', `${CN_ADDRESS}/64`],
    [GW, UPLINK, '2001:db8:c::1/64'],
    [GW, INSIDE, `${GUEST_L64}1/64`, `${NPT_L64}1/64`],
    [VM, 'v0', `${GUEST_L64}${NID}/64`, `${NPT_L64}${NID}/64`],
  ]) {
    ip(namespace, `link set ${device} mtu ${mtu} up`);
    for (const address of addresses) ip(namespace, `addr add ${address} dev ${device} nodad`);
  }
  ip(CN, 'route add default via 2001:db8:c::1');
  ip(VM, `route add default via ${GUEST_L64}1`);
  exec(GW, 'sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.forwarding=1');
}

/** Takes away the namespaces `up` has made and whatever still runs in them. */
export function down() {
  if (mine) remove();
}

const isBench = (pid) =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('bench/');

function remove() {
  for (const namespace of NAMESPACES) {
    if (!existsSync(`/run/netns/${namespace}`)) continue;
    for (const pid of must(['ip', 'netns', 'pids', namespace], { optional: true }).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // gone already
      }
    }
    must(['ip', 'netns', 'del', namespace]);
  }
  rmSync(SCRATCH, { recursive: true, force: true });
}

/** Waits until the machine answers the correspondent at `address`. `patience`: seconds for one answer. */
export async function reachable(address, { timeoutMs = 15_000, program, patience = '0.3' } = {}) {
  await until(
    `${address} answers`,
    async () => {
      if (program?.ended) throw new Error(`${program.argv.join(' ')} ended: ${lastLines(program)}`);
      return (await run(CN, ['ping', '-6', '-c', '1', '-W', patience, address])).code === 0;
    },
    { timeoutMs, everyMs: 50 },
  );
}

const lastLines = (program) =>
  (program.output.stderr || program.output.stdout).trim().split('\n').slice(-3).join(' | ').slice(-400);

/** A server in the machine's namespace that says `ready` on standard output when it can be used. */
export async function serve(argv, ready) {
  const server = start(VM, argv);
  await until(`${argv.join(' ')} is ready`, () => {
    if (server.ended) throw new Error(`${argv.join(' ')} ended: ${lastLines(server)}`);
    return server.output.stdout.includes(ready);
  });
  return { server, stop: () => end(server) };
}

/**
 * Sets features of a device (ethtool names) while `body` runs, then sets them back. Names it does not know are left out
 * by ethtool, not an error.
 */
export async function withFeatures(namespace, device, features, body) {
  const set = (value) =>
    exec(namespace, `ethtool -K ${device} ${features.map((f) => `${f} ${value}`).join(' ')}`, { optional: true });
  set('off');
  try {
    return await body();
  } finally {
    set('on');
  }
}
