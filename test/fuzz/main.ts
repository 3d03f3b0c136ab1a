/** scripts/fuzz: threads that play rounds, a line of progress, and what they find. */
import { relative } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Options, readOptions, USAGE } from './options.ts';
import { againLine, roundsOfEach, targetOf } from './targets.ts';
import { CURRENT_SEED, NEXT_SEED, type Report, STOP, type Work } from './worker.ts';

/** A thread that is in one round for so long does not come back. */
const STUCK_MS = 120_000;
/** What a thread may keep. Reason: several times what it needs; who grows without bound ends here. */
const HEAP_MB = 512;

const out = (text: string): boolean => process.stdout.write(text);

/** Plays until something ends it; true when nothing was found. */
async function fuzz(options: Options): Promise<boolean> {
  const { target, seed, threads } = options;
  const shared = new Int32Array(new SharedArrayBuffer(4 * (CURRENT_SEED + threads)));
  shared[NEXT_SEED] = seed;
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  const sums = { rounds: 0, packets: 0, inputs: 0 };
  const heard = new Array<number>(threads).fill(began);
  const found = new Set<string>();
  const stop = (): void => {
    Atomics.store(shared, STOP, 1);
  };
  const progress = (): string => {
    const rate = (count: number): string => `${Math.round(count / seconds()).toLocaleString('en')}/s`;
    const { packets, inputs } = sums;
    const megabytes = Math.round(process.memoryUsage.rss() / 2 ** 20);
    return (
      `${seconds().toFixed(0)} s  ${packets.toLocaleString('en')} packets (${rate(packets)})  ` +
      `${inputs.toLocaleString('en')} parser inputs (${rate(inputs)})  seed ${Atomics.load(shared, NEXT_SEED)}  ${megabytes} MB`
    );
  };
  const finding = (what: string, again: string, file?: string): void => {
    stop();
    if (found.has(again)) return;
    found.add(again);
    out(
      `${clear}FINDING ${what}\n${file === undefined ? '' : `  kept in ${relative(process.cwd(), file)}\n`}  again: ${again}\n`,
    );
  };
  const clear = process.stdout.isTTY ? '\r\u001b[K' : '';

  const isEnough = (): boolean =>
    seconds() >= options.seconds ||
    (sums.rounds >= roundsOfEach(target) &&
      Math.max(sums.packets, ['all', 'border', 'shim', 'coalesce'].includes(target) ? 0 : sums.inputs) >=
        options.packets);
  const threadsEnded = Array.from({ length: threads }, (_, thread) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: { shared, thread, target, first: seed } satisfies Work,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    const again = (): string => {
      const at = shared[CURRENT_SEED + thread]!;
      return againLine(targetOf(target, at - seed), at);
    };
    worker.on('message', (report: Report) => {
      heard[thread] = performance.now();
      if ('finding' in report) finding(report.finding, report.again, report.file);
      else {
        sums.rounds++;
        sums.packets += report.packets;
        sums.inputs += report.inputs;
      }
      if (isEnough()) stop();
    });
    const watch = setInterval(() => {
      if (performance.now() - heard[thread]! < STUCK_MS) return;
      finding(`a round does not end within ${STUCK_MS / 1000} s`, again());
      void worker.terminate();
    }, 1000);
    return new Promise<void>((resolve) => {
      worker.on('error', (error) => finding(`a thread died: ${error.stack ?? error.message}`, again()));
      worker.on('exit', () => {
        clearInterval(watch);
        resolve();
      });
    });
  });

  out(`fuzz: target ${target}, seed ${seed}, ${threads} threads\n`);
  let asked = 0;
  const interrupted = (): void => {
    if (++asked > 1) process.exit(130);
    stop();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupted);
  const ticker = setInterval(() => {
    out(process.stdout.isTTY ? `${clear}${progress()}` : `${progress()}\n`);
    if (isEnough()) stop();
  }, options.every * 1000);
  await Promise.all(threadsEnded);
  clearInterval(ticker);
  const result = found.size === 0 ? 'nothing found' : `${found.size} found`;
  out(`${clear}fuzz: ${result}${asked > 0 ? ', interrupted' : ''}: ${progress()}\n`);
  return found.size === 0;
}

const options = readOptions(process.argv.slice(2), Date.now());
if (options === 'help') out(USAGE);
else if ('wrong' in options) {
  process.stderr.write(`fuzz: ${options.wrong.replaceAll('\n', '\nfuzz: ')}\n${USAGE}`);
  process.exitCode = 2;
} else {
  process.stdout.on('error', () => process.exit(1)); // whoever read it is gone
  process.exitCode = (await fuzz(options)) ? 0 : 1;
}
