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
import { answers, exec, ip, make, remove, serveIn } from './namespaces.mjs';
import { must } from './process.mjs';

export const CN = 'ilnp-bench-cn';
export const GW = 'ilnp-bench-gw';
export const VM = 'ilnp-bench-vm';
const NAMESPACES = [CN, GW, VM];

export const UPLINK = 'gc';
export const INSIDE = 'gv';
export const GLOBAL_L64 = '2001:db8:b::';
export const GUEST_L64 = 'fd00:b:0:1::';
export const NPT_L64 = 'fd00:b:0:30b8::';
export const NID = '5e1';
export const CN_ADDRESS = '2001:db8:c::c0';

/** Builds the namespaces; leftovers of an earlier bench that was killed go first. Refuses while another bench runs. */
export function up({ mtu = 1500 } = {}) {
  make(NAMESPACES);
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

export const down = remove;

/** Waits until the machine answers the correspondent at `address`. */
export const reachable = (address, options) => answers(CN, address, options);

/** A server in the machine's namespace that says `ready` on standard output when it can be used. */
export const serve = (argv, ready) => serveIn(VM, argv, ready);
