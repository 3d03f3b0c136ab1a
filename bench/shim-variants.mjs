/**
 * What runs at the ends. `both`: at both ends, the whole way of an ILNP session; `one`: at a only, b is a node without
 * anything, so that it is the shim's way of plain IPv6. `-off`: no offload anywhere, neither in the TUNs nor at the wires.
 *
 * `start(scratch)` gives { address, pids, program, stop }: where a reaches b, the processes whose time counts, at a and
 * at b, and the way back.
 */

import { exec } from './namespaces.mjs';
import { A, B, COPIED_B, ILNP_B, PLAIN_B, startCopy, startShim } from './shim-lab.mjs';

/** The wires cut nothing and join nothing: a packet of a program is a packet everywhere. */
async function withoutOffload(variant) {
  const set = (value) => {
    for (const namespace of [A, B]) exec(namespace, `ethtool -K e0 tso ${value} gso ${value}`);
  };
  set('off');
  try {
    const running = await variant();
    const stop = async () => {
      await running.stop();
      set('on');
    };
    return { ...running, stop };
  } catch (error) {
    set('on');
    throw error;
  }
}

/** Starts an end at each of the namespaces; when one fails, the others are stopped. */
async function ends(address, starts) {
  const started = [];
  const stop = async () => {
    for (const one of started.toReversed()) await one.stop();
  };
  try {
    for (const begin of starts) started.push(await begin());
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, pids: started.map(({ program }) => program.pid), program: started[0]?.program, stop };
}

const none = () => ends(PLAIN_B, []);
const copyBoth = (how) => () => ends(COPIED_B, [() => startCopy(A, how), () => startCopy(B, how)]);
const copyOne = (how) => () => ends(PLAIN_B, [() => startCopy(A, how)]);
const shimBoth = (how) => (scratch) =>
  ends(ILNP_B, [() => startShim(A, scratch, how), () => startShim(B, scratch, how)]);
const shimOne = (how) => (scratch) => ends(PLAIN_B, [() => startShim(A, scratch, { ...how, knows: false })]);

const OFFLOAD = { options: ['offload'] };
const variant = (name, start) => ({ name, needs: ['router'], start });
const off = (name, start) => ({
  name,
  needs: ['router', 'ethtool'],
  start: (scratch) => withoutOffload(() => start(scratch)),
});

/** In the order of a round; the order is turned round in every other round. */
export const VARIANTS = [
  variant('none', none),
  variant('copy-both', copyBoth(OFFLOAD)),
  variant('shim-both', shimBoth({})),
  variant('copy-one', copyOne(OFFLOAD)),
  variant('shim-one', shimOne({})),
  variant('copy-1460', copyBoth({ ...OFFLOAD, mtu: 1460 })),
  off('none-off', none),
  off('copy-both-off', copyBoth({})),
  off('shim-both-off', shimBoth({ offload: false })),
  off('copy-one-off', copyOne({})),
  off('shim-one-off', shimOne({ offload: false })),
];

/** Measured only when named with --variants. */
export const EXTRA_VARIANTS = [variant('copy-uring', copyBoth({ options: ['offload', 'uring'] }))];
