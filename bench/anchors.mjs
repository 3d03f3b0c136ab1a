/** Builds the C programs of `bench/anchors` and says which of the other programs are there. */
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installed, run } from './process.mjs';

const SOURCES = fileURLToPath(new URL('./anchors/', import.meta.url));
export const OUT = fileURLToPath(new URL('../out/bench/', import.meta.url));
const BIN = `${OUT}bin/`;

/** -O3 for this very processor: the anchors shall be as fast as C gets without effort. */
const FLAGS = ['-std=gnu11', '-O3', '-march=native', '-Wall', '-Wextra'];
const HEADERS = ['locator.h', 'process.h'];
const LIBRARIES = {
  router: ['-luring'],
  rewrite: [],
  udp: [],
  delay: [],
  flood: [],
  stalls: ['-lpthread'],
  stream: [],
};

/** Debian package of each program the bench can use. */
const PACKAGES = {
  iperf3: 'iperf3',
  taskset: 'util-linux',
  ethtool: 'ethtool',
  ip6tables: 'iptables',
  tayga: 'tayga',
  'wireguard-go': 'wireguard-go',
  wg: 'wireguard-tools',
  gcc: 'gcc libc6-dev liburing-dev',
};

/** Path of a built anchor. */
export const anchor = (name) => `${BIN}${name}`;

/**
 * Compiles what is older than its source. Returns the tools that can be used: the anchors by their name, the programs by
 * theirs; `say` gets one line for everything that is missing.
 */
export async function prepare(say) {
  const tools = new Set(Object.keys(PACKAGES).filter(installed));
  for (const [tool, debian] of Object.entries(PACKAGES)) {
    if (!tools.has(tool)) say(`skipped: ${tool} is not installed (apt-get install ${debian})`);
  }
  if (!tools.has('gcc')) return tools;
  mkdirSync(BIN, { recursive: true });
  for (const [name, libraries] of Object.entries(LIBRARIES)) {
    const sources = [`${name}.c`, ...HEADERS].map((file) => `${SOURCES}${file}`);
    if (!isNewer(anchor(name), sources)) {
      const argv = ['gcc', ...FLAGS, sources[0], '-o', anchor(name), ...libraries];
      const { code, stderr } = await run(null, argv, { timeoutMs: 60_000 });
      if (code !== 0) {
        say(`skipped: ${name}.c does not build: ${stderr.trim().split('\n').slice(-1)}`);
        continue;
      }
    }
    tools.add(name);
  }
  return tools;
}

function isNewer(file, sources) {
  const made = statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  return made !== undefined && sources.every((source) => statSync(source).mtimeMs < made);
}
