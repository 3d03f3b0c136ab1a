/**
 * The namespaces of the bench of end systems: two hosts and a plain router between them, and the ways through a TUN.
 *
 *   ilnp-bench-a                    ilnp-bench-r                    ilnp-bench-b
 *   e0 2001:db8:a::a00 ─── ra 2001:db8:a::1   2001:db8:b::1 rb ─── e0 2001:db8:b::b00
 *   stable fd00:a::a1                                               stable fd00:b::b1
 *
 * Programs of the shim reach b as 2001:db8:b::b1. What is only copied keeps its addresses: the router has routes to the
 * stable ones, and since a packet that comes in has its last address already, the table `local` is asked after the way
 * into the TUN. Linux would find the socket before it asks any table (early demux) and then refuses to forward: it is
 * switched off for all parties.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { anchor } from './anchors.mjs';
import { exec, ip, make } from './namespaces.mjs';
import { end, must, saysReady, start, until } from './process.mjs';

export const A = 'ilnp-bench-a';
export const B = 'ilnp-bench-b';
const R = 'ilnp-bench-r';
const HOSTS = [
  { namespace: A, name: 'a', other: 'b' },
  { namespace: B, name: 'b', other: 'a' },
];

const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const MTU = 1500;
const TUN = 'tun0';
const [INTO, OUT] = [101, 100];
const START_MS = 30_000;

/** Where b is for programs: without a TUN at b, behind a copying one, behind the shim. */
export const PLAIN_B = '2001:db8:b::b00';
export const COPIED_B = 'fd00:b::b1';
export const ILNP_B = '2001:db8:b::b1';

const hostOf = (namespace) => HOSTS.find((host) => host.namespace === namespace);

export function up() {
  make([A, R, B]);
  for (const namespace of [A, R, B])
    exec(namespace, 'sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv4.tcp_early_demux=0 net.ipv4.udp_early_demux=0');
  for (const { namespace, name } of HOSTS) {
    must(`ip link add e0 netns ${namespace} type veth peer name r${name} netns ${R}`.split(' '));
    ip(namespace, `link set e0 mtu ${MTU} up`);
    ip(R, `link set r${name} mtu ${MTU} up`);
    ip(namespace, `addr add 2001:db8:${name}::${name}00/64 dev e0 nodad`);
    ip(R, `addr add 2001:db8:${name}::1/64 dev r${name} nodad`);
    ip(namespace, `route add default via 2001:db8:${name}::1`);
    ip(R, `route add fd00:${name}::/64 via 2001:db8:${name}::${name}00`);
  }
}

const hasDevice = (namespace, device) => must(['ip', '-n', namespace, '-br', 'link']).includes(device);

/** A C program that copies every packet of the programs of a host, both ways. `mtu`: what programs are held to. */
export async function startCopy(namespace, { mtu = MTU, options = [] } = {}) {
  const { name } = hostOf(namespace);
  const program = start(namespace, [anchor('router'), TUN, 'copy', 'bindings=0', ...options]);
  await until('the copying program is ready', () => program.output.stdout.includes('ready') || program.ended);
  if (program.ended) throw new Error(`copy: ${program.output.stderr.trim()}`);
  const stable = `fd00:${name}::${name}1`;
  const rules = [
    `priority 10 iif e0 lookup ${INTO}`,
    `priority 90 iif lo from 2001:db8:${name}::/64 lookup main`,
    'priority 91 to fe80::/10 lookup main',
    `priority ${OUT} iif lo lookup ${OUT}`,
  ];
  ip(namespace, `link set ${TUN} mtu 65535 txqueuelen 4096 up`);
  ip(namespace, `-6 addr add ${stable}/128 dev ${TUN} nodad`);
  ip(namespace, `-6 route add default dev ${TUN} src ${stable} mtu ${mtu} table ${OUT}`);
  ip(namespace, `-6 route add ${stable}/128 dev ${TUN} table ${INTO}`);
  ip(namespace, '-6 rule add priority 20 lookup local');
  ip(namespace, '-6 rule del priority 0');
  for (const rule of rules) ip(namespace, `-6 rule add ${rule}`);
  const stop = async () => {
    for (const rule of rules) ip(namespace, `-6 rule del ${rule}`);
    ip(namespace, '-6 rule add priority 0 lookup local');
    ip(namespace, '-6 rule del priority 20');
    await end(program, 'SIGKILL'); // the routes go with the device
    await until(`${TUN} is gone`, () => !hasDevice(namespace, TUN));
  };
  return { program, stop };
}

/** The real process, `ilnp shim`. `offload`: of its TUN; `knows`: the other end is known to run ILNP. */
export async function startShim(namespace, scratch, { offload = true, knows = true } = {}) {
  const { name, other } = hostOf(namespace);
  writeFileSync(`${scratch}/${name}.hosts`, knows ? `0+0+0+${other}1 ${other} 2001-db8-${other}-0,10\n` : '');
  const config = {
    node: name,
    nid: `0:0:0:${name}1`,
    stable: `fd00:${name}::/64`,
    tun: { offload },
    interfaces: [{ interface: 'e0' }],
    hosts: `${name}.hosts`,
    control: { socket: `${name}.sock` },
  };
  writeFileSync(`${scratch}/${name}.yaml`, JSON.stringify(config));
  const program = start(namespace, [process.execPath, PROGRAM, 'shim', '--config', `${scratch}/${name}.yaml`]);
  await until('the shim is ready', () => saysReady(program) || program.ended, { timeoutMs: START_MS });
  if (program.ended) throw new Error(`ilnp shim ended: ${program.output.stderr.slice(-800)}`);
  const stop = async () => {
    await end(program);
    await until('ilnp0 is gone', () => !hasDevice(namespace, 'ilnp0'));
  };
  return { program, stop };
}
