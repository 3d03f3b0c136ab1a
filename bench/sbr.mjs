/** Starts the real border router, `ilnp sbr`, with a site of one machine and many further bindings. */
import { copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CN_ADDRESS, GLOBAL_L64, GUEST_L64, GW, INSIDE, NID, UPLINK } from './lab.mjs';
import { end, must, start, until } from './process.mjs';

const PROGRAM = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
export const FURTHER_BINDINGS = 100_000;
const START_MS = 30_000;

/** True when there is something to start. */
const isBuilt = () => existsSync(PROGRAM);

const binding = (nid) => ({ nid, guest: `${GUEST_L64}/64`, home: 'site1', uplink: 'isp1', at: 'site1' });

/** Two sets of further bindings without a common one; the last of each is a NID the machine answers to. */
export const SETS = [
  { file: 'bindings-a.jsonl', seed: 0x12345678, last: '5e2' },
  { file: 'bindings-b.jsonl', seed: 0x0fedcba9, last: '5e3' },
];

/** The same pseudo-random NIDs every time (xorshift32), as four groups in text. */
function* nids(count, seed) {
  let state = seed;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let i = 0; i < count; i++) {
    const [hi, lo] = [next(), next()];
    yield [hi >>> 16, hi & 0xffff, lo >>> 16, lo & 0xffff].map((group) => group.toString(16)).join(':');
  }
}

function writeSets(directory) {
  for (const { file, seed, last } of SETS) {
    if (existsSync(`${directory}/${file}`)) continue;
    const all = [...nids(FURTHER_BINDINGS - 1, seed), `0:0:0:${last}`];
    writeFileSync(`${directory}/${file}`, all.map((nid) => `${JSON.stringify(binding(nid))}\n`).join(''));
  }
}

/** Writes the configuration and returns its path. JSON is YAML too. */
function configure(directory, tun) {
  writeSets(directory);
  copyFileSync(`${directory}/${SETS[0].file}`, `${directory}/bindings.jsonl`);
  const config = {
    site: 'site1',
    tun: { name: 'ilnp0', ...tun },
    uplinks: [{ name: 'isp1', interface: UPLINK, l64: `${GLOBAL_L64}/64`, preference: 10, via: CN_ADDRESS }],
    inside: [{ interface: INSIDE, l64: `${GUEST_L64}/64` }],
    peers: [],
    bindings: [binding(`0:0:0:${NID}`)],
    bindingsFile: `${directory}/bindings.jsonl`,
    control: { socket: `${directory}/sbr.sock` },
    state: `${directory}/state`,
    log: { level: 'info' },
  };
  const file = `${directory}/site1.yaml`;
  writeFileSync(file, JSON.stringify(config, null, 2));
  return file;
}

/** See variants.mjs for what it gives back. */
export async function startBorderRouter(scratch, { address, tun }) {
  if (!isBuilt()) throw new Error('dist/cli/main.js is missing: npm run build');
  const directory = `${scratch}/sbr`;
  mkdirSync(`${directory}/state`, { recursive: true });
  const program = start(GW, [process.execPath, PROGRAM, 'sbr', '--config', configure(directory, tun)]);
  const device = () => must(['ip', '-n', GW, '-br', 'link']).includes('ilnp0');
  try {
    await until('the border router has its TUN', () => device() || program.ended, { timeoutMs: START_MS });
    if (program.ended) throw new Error(`ilnp sbr ended: ${program.output.stderr.slice(-800)}`);
  } catch (error) {
    await end(program, 'SIGKILL');
    throw error;
  }
  const stop = async () => {
    await end(program);
    await until('ilnp0 is gone', () => !device());
  };
  let current = 0;
  /** Makes the border router read the other set of bindings, and returns that. */
  const rebind = () => {
    current = 1 - current;
    const set = SETS[current];
    copyFileSync(`${directory}/${set.file}`, `${directory}/bindings.new`);
    renameSync(`${directory}/bindings.new`, `${directory}/bindings.jsonl`);
    program.child.kill('SIGHUP');
    return set;
  };
  return { address, pids: [program.pid], tun: 'ilnp0', program, rebind, stop };
}
