/** `ilnp sim`: plays a scenario on the production forwarders and control code in virtual time; needs no privilege. */
import type { Command } from 'commander';
import { type Output, standardOutput } from './output.ts';

interface SimOptions {
  readonly seed?: number;
  readonly json?: boolean;
  readonly capture?: string;
  readonly svg?: string;
  readonly list?: boolean;
}

/** Adds the sub-command to the program. */
export function registerSim(program: Command, out: Output = standardOutput): void {
  program
    .command('sim')
    .description('play a scenario in a simulated network, on the code that runs in production')
    .argument(
      '[scenario]',
      'a YAML file, a name of `--list`, "random" or "random-ends" (made from the seed), or "scale"',
    )
    .option('--seed <n>', "seed of all randomness; default: the scenario's own", wholeNumber)
    .option('--json', 'say the result as JSON')
    .option('--capture <dir>', 'write a pcap file of every link')
    .option('--svg <file>', 'draw what happened')
    .option('--list', 'name the scenarios that come with the program')
    .addHelpText('after', '\nExit codes: 0 every session lived and every promise was kept, 1 not, 2 usage or scenario.')
    .action((scenario: string | undefined, options: SimOptions) => run(scenario, options, out));
}

async function run(name: string | undefined, options: SimOptions, out: Output): Promise<void> {
  // loaded here, so that the other commands start without it
  const { IlnpError } = await import('../runtime/errors.ts');
  const { loadScenario, ownScenarios } = await import('../../native-free/sim/scenario.ts');
  if (options.list) {
    for (const own of ownScenarios()) await out.write(`${own.padEnd(24)}${loadScenario(own).title}\n`);
    return;
  }
  if (name === undefined)
    throw new IlnpError(
      'E_USAGE',
      `expected a scenario, got none; ours are ${ownScenarios().join(', ')}, random, random-ends, scale`,
    );
  if (name === 'scale') return scale(options, out);
  const { randomScenario } = await import('../../native-free/sim/random-scenario.ts');
  const { runScenario } = await import('../../native-free/sim/run.ts');
  const { randomEnds } = await import('../../native-free/sim/ends/random-scenario.ts');
  const made = name === 'random' ? randomScenario : name === 'random-ends' ? randomEnds : undefined;
  const scenario = made?.(options.seed ?? 1) ?? loadScenario(name);

  const captures = options.capture === undefined ? undefined : await openCaptures(options.capture);
  const say = progress();
  const result = await runScenario(scenario, {
    seed: options.seed,
    tap: captures?.tap,
    onProgress: (seconds) => say(`${seconds.toFixed(1)} of ${scenario.seconds} virtual seconds`),
  });
  say('');
  const files = captures?.close();
  if (options.svg !== undefined) {
    const { drawRun } = await import('../../native-free/sim/picture.ts');
    await writeText(options.svg, drawRun(result));
  }
  if (options.json) await out.write(`${JSON.stringify(result)}\n`);
  else {
    const { reportOf } = await import('../../native-free/sim/report.ts');
    await out.write(reportOf(result, `ilnp sim ${name} --seed ${result.seed}`));
    if (files !== undefined) await out.write(`${files} captures in ${options.capture}\n`);
  }
  if (!result.ok) process.exitCode = 1;
}

async function scale(options: SimOptions, out: Output): Promise<void> {
  const { runScale, SCALES } = await import('../../native-free/sim/scale.ts');
  const { drawScale, scaleTable } = await import('../../native-free/sim/scale-report.ts');
  const say = progress();
  const rows = [];
  for (const [i, size] of SCALES.entries()) {
    say(`${i + 1} of ${SCALES.length}: ${size.sites} sites, ${size.movesPerSecond} moves a second`);
    const started = process.cpuUsage();
    const row = await runScale(size, options.seed ?? 1);
    const { user, system } = process.cpuUsage(started);
    rows.push({ ...row, processorSeconds: (user + system) / 1e6 });
  }
  say('');
  if (options.svg !== undefined) await writeText(options.svg, drawScale(rows));
  await out.write(options.json ? `${JSON.stringify(rows)}\n` : scaleTable(rows));
  if (rows.some((row) => row.moves !== row.done)) process.exitCode = 1;
}

async function openCaptures(folder: string) {
  const { LinkCaptures } = await import('../../native-free/sim/captures.ts');
  const { fileSink } = await import('../../native-free/capture/octet-sink.ts');
  return inUsage(`--capture ${folder}`, () => new LinkCaptures(folder, fileSink));
}

async function writeText(path: string, text: string): Promise<void> {
  const { writeFileSync } = await import('node:fs');
  await inUsage(`--svg ${path}`, () => writeFileSync(path, text));
}

/** What fails because of the path that `option` names is a mistake of usage. */
async function inUsage<T>(option: string, step: () => T): Promise<T> {
  const { IlnpError } = await import('../runtime/errors.ts');
  try {
    return step();
  } catch (error) {
    throw new IlnpError('E_USAGE', `${option}: ${(error as Error).message}`);
  }
}

/** A line on the terminal that is written over; nothing where nobody looks. */
function progress(): (text: string) => void {
  const { stderr } = process;
  if (!stderr.isTTY) return () => {};
  return (text) => void stderr.write(`\r\x1b[K${text}`);
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  process.stderr.write(`ilnp: E_USAGE: --seed: expected a whole number, got ${JSON.stringify(text)}\n`);
  process.exit(2);
}
