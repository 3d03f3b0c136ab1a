/**
 * What is measured and what it is compared with. A variant starts its program in the gateway, leads the packets through
 * it and takes everything away again, so that the next one finds the gateway as it was.
 *
 * `start(scratch)` gives { address, pids, tun, stop }: where the correspondent reaches the machine, the processes whose
 * processor time counts, the TUN device packets of the correspondent enter through, and the way back.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { anchor } from './anchors.mjs';
import * as lab from './lab.mjs';
import { exec, ip } from './namespaces.mjs';
import { end, must, start, until } from './process.mjs';
import { startBorderRouter } from './sbr.mjs';

const { CN, GW, VM, UPLINK, INSIDE } = lab;
const GUEST = `${lab.GUEST_L64}${lab.NID}`;
const GLOBAL = `${lab.GLOBAL_L64}${lab.NID}`;
const TABLE = 100;

/** Routes of the gateway that lead packets to the machine, and from it, through one TUN of an anchor. */
function leadThrough(tun) {
  ip(GW, `link set ${tun} mtu 1500 txqueuelen 1000 up`);
  ip(GW, `-6 route add ${lab.GLOBAL_L64}/64 dev ${tun}`);
  ip(GW, `-6 route add default dev ${tun} table ${TABLE}`);
  ip(GW, `-6 rule add iif ${INSIDE} table ${TABLE}`);
  return () => ip(GW, `-6 rule del iif ${INSIDE} table ${TABLE}`); // the routes go with the device
}

const gone = (tun) =>
  until(
    `${tun} is gone`,
    () =>
      !must(['ip', '-n', GW, '-br', 'link'])
        .split('\n')
        .some((line) => line.startsWith(tun)),
  );

const cRouter = (name, about, ...options) => ({
  name,
  about,
  needs: ['router'],
  async start() {
    const tun = 'tun0';
    const program = start(GW, [anchor('router'), tun, ...options]);
    await until('the C router is ready', () => program.output.stdout.includes('ready') || program.ended);
    if (program.ended) throw new Error(`${name}: ${program.output.stderr.trim()}`);
    const undo = leadThrough(tun);
    const stop = async () => {
      undo();
      await end(program, 'SIGKILL');
      await gone(tun);
    };
    return { address: GLOBAL, pids: [program.pid], tun, program, stop };
  },
});

const kernel = {
  name: 'kernel',
  about: 'Linux forwards, nothing is rewritten',
  needs: [],
  start: async () => ({ address: GUEST, pids: [], stop: async () => {} }),
};

const nptv6 = {
  name: 'kernel-nptv6',
  about: 'Linux trades the prefix (ip6tables DNPT and SNPT)',
  needs: ['ip6tables'],
  async start() {
    const [outside, inside] = [`${lab.GLOBAL_L64}/64`, `${lab.NPT_L64}/64`];
    const rules = [
      `PREROUTING -i ${UPLINK} -d ${outside} -j DNPT --src-pfx ${outside} --dst-pfx ${inside}`,
      `POSTROUTING -o ${UPLINK} -s ${inside} -j SNPT --src-pfx ${inside} --dst-pfx ${outside}`,
    ];
    for (const rule of rules) exec(GW, `ip6tables -t mangle -A ${rule}`);
    ip(GW, `-6 route add ${outside} dev ${INSIDE}`);
    const stop = async () => {
      ip(GW, `-6 route del ${outside} dev ${INSIDE}`);
      for (const rule of rules) exec(GW, `ip6tables -t mangle -D ${rule}`);
    };
    return { address: GLOBAL, pids: [], stop };
  },
};

const tayga = {
  name: 'tayga',
  about: 'NAT64 of Debian, C, one packet per system call; IPv4 to the machine',
  needs: ['tayga'],
  async start(scratch) {
    const tun = 'nat64';
    const file = `${scratch}/tayga.conf`;
    writeFileSync(
      file,
      `tun-device ${tun}\nipv4-addr 192.168.240.1\nipv6-addr 2001:db8:64:1::1\nprefix 2001:db8:64::/96\ndynamic-pool 192.168.240.0/24\n`,
    );
    exec(GW, `tayga -c ${file} --mktun`);
    ip(GW, `link set ${tun} up`);
    ip(GW, `addr add 10.77.0.1/24 dev ${INSIDE}`);
    ip(VM, 'addr add 10.77.0.2/24 dev v0');
    ip(VM, 'route add 192.168.240.0/20 via 10.77.0.1');
    ip(GW, `route add 192.168.240.0/24 dev ${tun}`);
    ip(GW, `-6 route add 2001:db8:64::/96 dev ${tun}`);
    const program = start(GW, ['tayga', '-c', file, '-n', '-d']);
    const stop = async () => {
      await end(program, 'SIGKILL');
      ip(GW, `link del ${tun}`);
      ip(GW, `addr del 10.77.0.1/24 dev ${INSIDE}`);
      ip(VM, 'route del 192.168.240.0/20');
      ip(VM, 'addr del 10.77.0.2/24 dev v0');
    };
    return { address: '2001:db8:64::10.77.0.2', pids: [program.pid], tun, program, stop };
  },
};

const wireguard = {
  name: 'wireguard-go',
  about: 'tunnel in user space, Go; it encrypts and runs twice on these processors: not like for like',
  needs: ['wireguard-go', 'wg'],
  async start(scratch) {
    const ends = [
      { namespace: CN, device: 'wgc', port: 51820, at: lab.CN_ADDRESS, addresses: 'fd77::1/64' },
      { namespace: GW, device: 'wgg', port: 51821, at: '2001:db8:c::1', addresses: 'fd77::2/64' },
    ];
    mkdirSync(`${scratch}/wg`, { recursive: true });
    const programs = ends.map((e) => start(e.namespace, ['wireguard-go', '-f', e.device]));
    for (const e of ends) {
      e.key = must(['wg', 'genkey']).trim();
      e.publicKey = must(['wg', 'pubkey'], { input: e.key }).trim();
      e.file = `${scratch}/wg/${e.device}`;
      writeFileSync(e.file, e.key, { mode: 0o600 });
      await until(`${e.device} is there`, () => must(['ip', '-n', e.namespace, '-br', 'link']).includes(e.device));
    }
    for (const [e, peer, allowed] of [
      [ends[0], ends[1], '::/0'],
      [ends[1], ends[0], 'fd77::/64'],
    ]) {
      const words = `private-key ${e.file} listen-port ${e.port} peer ${peer.publicKey}`;
      exec(e.namespace, `wg set ${e.device} ${words} endpoint [${peer.at}]:${peer.port} allowed-ips ${allowed}`);
      ip(e.namespace, `addr add ${e.addresses} dev ${e.device} nodad`);
      ip(e.namespace, `link set ${e.device} mtu 1420 up`);
    }
    ip(CN, `route add ${lab.GUEST_L64}/64 dev wgc`);
    const stop = async () => {
      for (const program of programs) await end(program);
      for (const e of ends) ip(e.namespace, `link del ${e.device}`, { optional: true });
    };
    return { address: GUEST, pids: programs.map((p) => p.pid), program: programs[1], stop };
  },
};

const borderRouter = (name, about, tun) => ({
  name,
  about,
  needs: [],
  start: (scratch) => startBorderRouter(scratch, { address: GLOBAL, tun }),
});

/** In the order of a round; the order is turned round in every other round. */
export const VARIANTS = [
  kernel,
  nptv6,
  cRouter('c-naive', 'C, one packet per system call, no offload'),
  cRouter('c-offload', 'C, one packet per system call, TSO and USO', 'offload'),
  cRouter('c-uring', 'C, io_uring, TSO and USO', 'offload', 'uring'),
  borderRouter('sbr', 'ilnp sbr, the real process', {}),
  tayga,
  wireguard,
];

/** Measured only when named with --variants: other ways the same process can run. */
export const EXTRA_VARIANTS = [
  borderRouter('sbr-poll', 'ilnp sbr with read and write in place of io_uring', { io: 'poll' }),
  borderRouter('sbr-single', 'ilnp sbr with single-shot reads in io_uring', { io: 'uring-single' }),
  borderRouter('sbr-plain', 'ilnp sbr without offload', { offload: false }),
  borderRouter('sbr-2queues', 'ilnp sbr with two queues', { queues: 2 }),
];
