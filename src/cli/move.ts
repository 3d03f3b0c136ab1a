/**
 * `ilnp move NID --to SITE`: moves a binding, at whichever border it is asked for. Packets wait while the place changes; with
 * --run, from before a command that carries the guest over until it has ended, or step by step.
 */
import { spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import type { Command } from 'commander';
import type { SiteConfig } from '../config/site-config.ts';
import { controlCall } from '../runtime/control-client.ts';
import type { MoveReply } from '../runtime/control-methods.ts';
import { IlnpError } from '../runtime/errors.ts';
import type { MovePlan } from '../sites/move-plan.ts';
import { formatNid, parseNid } from '../wire/text.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

/** As the border takes it. */
const MAX_BY = 64;

const STEPS = ['prepare', 'hold', 'commit', 'abort', 'dryRun'] as const;

interface MoveOptions extends SocketOptions, Partial<Record<(typeof STEPS)[number], boolean>> {
  readonly to?: string;
  readonly run?: string;
  readonly by?: string;
  readonly hold: boolean;
  readonly wait: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Adds the sub-command to the program. */
export function registerMove(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('move')
      .description('move a Node Identifier to another site: from then on its packets are delivered there')
      .argument('<nid>', 'Node Identifier: 0:0:0:a1, ::a1 or 0+0+0+a1')
      .option('--to <site>', 'the site where it is from now on; --hold and --abort need none')
      .option(
        '--run <command>',
        'shell command that pauses the guest, carries it over and lets it go on; packets wait meanwhile',
      )
      .option('--dry-run', 'only say what a move would do, and why it would be refused')
      .option('--prepare', 'only ask everybody concerned')
      .option('--hold', 'only let packets wait, until --commit or --abort or limits.holdMs is over')
      .option('--commit', 'carry the move out (the same as no step at all)')
      .option('--abort', 'call a move off that was prepared or held')
      .option('--no-wait', 'let no packet wait: a plain switch')
      .option('--by <text>', 'who asks, for ilnp moves')
      .option('--force', 'the old site is dead: move without its agreement')
      .option('--json', 'say the result as JSON'),
  ).action(async (text: string, options: MoveOptions) => {
    const nid = parseNid(text);
    if (nid === null) throw new IlnpError('E_USAGE', `expected a Node Identifier such as 0:0:0:a1, got "${text}"`);
    const steps = STEPS.filter((step) => options[step]);
    if (steps.length + (options.run === undefined ? 0 : 1) > 1)
      throw new IlnpError('E_USAGE', 'expected at most one of --run, --dry-run, --prepare, --hold, --commit, --abort');
    checkChoice(options, steps);
    const by = options.by ?? `${userInfo().username}, ilnp move`;
    if (by.length > MAX_BY || /\p{Cc}/u.test(by))
      throw new IlnpError('E_USAGE', `--by: expected at most ${MAX_BY} characters that can be printed, got "${by}"`);
    const asked = { nid: formatNid(nid), by };
    const socket = await socketOf(options);
    const [step] = steps;
    if (step === 'hold' || step === 'abort') {
      await controlCall(socket, step, asked);
      return;
    }
    const { to } = options;
    if (to === undefined) throw new IlnpError('E_USAGE', 'expected --to SITE, where it is from now on');
    if (step === 'dryRun') {
      const plan = (await controlCall(socket, 'plan', { ...asked, to })) as MovePlan;
      await out.write(options.json ? `${JSON.stringify(plan)}\n` : planText(plan));
      if (plan.refusals.length > 0) process.exitCode = 1;
      return;
    }
    if (step === 'prepare') {
      await controlCall(socket, step, { ...asked, to });
      return;
    }
    const params = { ...asked, to, force: options.force ?? false, hold: options.wait };
    const moved = await (options.run === undefined ? move(socket, params) : moveAround(socket, params, options.run));
    await out.write(`${options.json ? JSON.stringify(moved) : sentence(moved)}\n`);
  });
}

/** What has no meaning together. */
function checkChoice({ run, force, wait }: MoveOptions, [step]: readonly string[]): void {
  if (run !== undefined && (force || !wait))
    throw new IlnpError('E_USAGE', '--run: packets wait, as the old site has agreed; not with --force or --no-wait');
  if ((step === 'prepare' || step === 'dryRun') && force)
    throw new IlnpError('E_USAGE', '--force: the old site is not asked; not with --prepare or --dry-run');
}

interface MoveRequest {
  readonly nid: string;
  readonly to: string;
  readonly by: string;
  readonly resumedAgo?: number;
}

const move = async (socket: string, params: MoveRequest): Promise<MoveReply> =>
  (await controlCall(socket, 'move', params)) as MoveReply;

/**
 * Prepares, holds, runs the command, commits; calls the move off when the command fails. A connection for each step: the
 * command may take longer than the border keeps a silent one.
 */
async function moveAround(socket: string, params: MoveRequest, command: string): Promise<MoveReply> {
  const { nid, to, by } = params;
  await controlCall(socket, 'prepare', { nid, to, by });
  await controlCall(socket, 'hold', { nid, by });
  await controlCall(socket, 'paused', { nid });
  const held = performance.now();
  const config = controlCall(socket, 'config').catch(() => null);
  const code = await run(command);
  const ms = Math.round(performance.now() - held);
  if (code !== 0) {
    await controlCall(socket, 'abort', { nid, by }).catch(() => {}); // it ends by itself, a little later
    throw new IlnpError('E_COMMAND', `the command ended with ${code}; ${nid} stays where it was`);
  }
  try {
    const moved = await move(socket, { ...params, resumedAgo: 0 });
    const { limits } = ((await config) ?? {}) as Partial<Pick<SiteConfig, 'limits'>>;
    if (limits !== undefined && ms > limits.holdMs)
      process.stderr.write(
        `ilnp: the command took ${ms} ms, packets wait ${limits.holdMs} ms (limits.holdMs): what came in that time went to where ${nid} was\n`,
      );
    return moved;
  } catch (error) {
    if (!(error instanceof IlnpError)) throw error;
    const again = `the command has done its part, so when that is mended: ilnp move ${nid} --to ${to}`;
    throw new IlnpError(error.code, `${error.message}; ${again}`, { cause: error });
  }
}

const FOR_THE_COMMAND = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs a shell command; its exit code, or the signal that ended it. What it prints goes to standard error. Signals are for
 * the command: what becomes of the move depends on how it ends.
 */
function run(command: string): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['inherit', 2, 2] });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of FOR_THE_COMMAND) process.on(signal, pass);
    const over = (): void => {
      for (const signal of FOR_THE_COMMAND) process.off(signal, pass);
    };
    child.once('error', (error) => {
      over();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      over();
      resolve(code ?? signal ?? 1);
    });
  });
}

function sentence({ nid, from, to, epoch, octets, microseconds }: MoveReply): string {
  if (from === to) return `${nid} is at ${to} already (epoch ${epoch})`;
  const ms = (microseconds / 1000).toFixed(1);
  return `${nid} moved from ${from} to ${to} (epoch ${epoch}) in ${ms} ms with ${octets} octets of signalling`;
}

function planText({ steps, refusals }: MovePlan): string {
  const lines = steps.map((step, k) => `${k + 1}. ${step}`);
  const end = refusals.length === 0 ? ['it would come to pass'] : refusals.map((why) => `refused: ${why}`);
  return `${[...lines, ...end].join('\n')}\n`;
}
