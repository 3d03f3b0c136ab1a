/**
 * A border router of a pair as a process: stands by with a copy of what the active one remembers, and is the border itself as
 * long as the address of the pair is here. Who has the address is not ours to decide (keepalived, for example).
 */
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Border } from '../border/border.ts';
import { loadSiteConfig } from '../config/load.ts';
import type { PairConfig, SiteConfig } from '../config/site-config.ts';
import { AddressWatch } from '../pair/address-watch.ts';
import { answerStandby, followActive } from '../pair/channel.ts';
import type { Copy } from '../pair/copy.ts';
import { copyIn, original } from '../pair/files.ts';
import { Mirror } from '../pair/mirror.ts';
import type { PairReply } from '../runtime/control-methods.ts';
import { type ControlMethods, ControlSocket } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';
import { lockState } from '../runtime/state-lock.ts';
import type { Recorder } from '../sites/binding-writer.ts';
import type { MirrorAnswer } from '../sites/mirrored.ts';
import type { MoveRecord } from '../sites/move-record.ts';
import { readSiteKey } from '../sites/site-key.ts';
import { fromSpoken, MAX_SPOKEN, toSpoken } from '../sites/spoken.ts';
import { MONOTONIC } from './monotonic.ts';
import { METHODS, type RunOptions, runBorder } from './run-border.ts';
import { untilSignal } from './until-signal.ts';

/** What an active border of a pair does beside. */
export interface ActiveOfPair {
  /** Resolves with why when it is not the active one any more. */
  readonly isOver: Promise<string>;
  readonly hasStandby: boolean;
  /** Nothing is told to others before the standby has it, too. */
  recorder(record: Recorder): Recorder;
  /** The border forwards: from now on the standby is answered. The result ends that. */
  begin(border: Border, key: Uint8Array, record: MoveRecord): Promise<() => Promise<void>>;
}

/** Runs the border of a configuration, alone or as one of a pair, until a signal or until it fails. */
export async function runSite(config: SiteConfig, options: RunOptions): Promise<void> {
  if (config.pair === undefined) await runBorder(config, options);
  else await runPair(config, config.pair, options);
}

async function runPair(config: SiteConfig, pair: PairConfig, options: RunOptions): Promise<void> {
  const { log, path } = options;
  const watch = new AddressWatch(pair.address);
  try {
    for (let now = config; ; ) {
      const stood = await standBy(now, pair, watch, options);
      if (stood === null) return;
      log.info({ address: pair.address }, 'the address of the pair is here: this border is active');
      now = reread(path, now, options);
      const why = await runBorder(now, {
        ...options,
        pair: active(now, pair, watch, stood, log),
      });
      if (why !== GONE) return;
      log.info({ address: pair.address }, 'the address of the pair is not here any more: this border stands by');
    }
  } finally {
    watch.close();
  }
}

const GONE = 'the address of the pair is elsewhere';

/** Copies until the address comes; what is known of ILNP sessions then, or null after a signal. */
async function standBy(
  config: SiteConfig,
  pair: PairConfig,
  watch: AddressWatch,
  { log }: RunOptions,
): Promise<MirrorAnswer['spoken'] | null> {
  const stopped = untilSignal();
  const undo: (() => unknown)[] = [() => stopped.close()];
  try {
    if (watch.isHere) return [];
    const copy = copyIn(config.state, config.site);
    const control = await ControlSocket.open(config.control.socket, refusing(copy));
    undo.push(() => control.close());
    const lock = lockState(config.state, config.site);
    undo.push(() => lock.release());
    undo.push(() => copy.close());
    const key = await readSiteKey(config.control.keyFile!);
    undo.push(await followActive(copy, { config, pair, key, log, clock: MONOTONIC }));
    log.info({ pid: process.pid }, 'standing by');
    const came = await Promise.race([watch.until(true), stopped.signal]);
    return came === undefined ? copy.spoken : null;
  } finally {
    for (const step of undo.reverse()) await step();
  }
}

function active(
  config: SiteConfig,
  pair: PairConfig,
  watch: AddressWatch,
  spoken: MirrorAnswer['spoken'],
  log: RunOptions['log'],
): ActiveOfPair {
  let mirror: Mirror | null = null;
  let hasStandby = false;
  return {
    get hasStandby() {
      return hasStandby;
    },
    isOver: watch.until(false).then(() => GONE),
    // before there is a standby nothing waits for one
    recorder: (record) => ({ append: (entries) => (mirror?.recorder(record) ?? record).append(entries) }),
    begin: async (border, key, record) => {
      border.takeSpeakers((spoken ?? []).map(fromSpoken));
      const moves = openSync(join(config.state, `${config.site}.moves.jsonl`), 'r');
      const { sessionFile } = border;
      const made = new Mirror({
        run: randomUUID(),
        moves: { ...original(moves), size: () => record.size },
        sessions: sessionFile === null ? null : original(sessionFile),
        clock: MONOTONIC,
        spoken: () => border.spoken().slice(0, MAX_SPOKEN).map(toSpoken),
        onStandby: (isThere) => {
          hasStandby = isThere;
          log.info({}, isThere ? 'there is a standby' : 'there is no standby any more');
        },
      });
      mirror = made;
      const end = await answerStandby(made, { config, pair, key, log });
      return async () => {
        made.close();
        await end();
        closeSync(moves);
      };
    },
  };
}

/** What is asked of a border that stands by. */
const refusing = (copy: Copy): ControlMethods => ({
  ...Object.fromEntries(
    METHODS.map((name) => [
      name,
      () => {
        throw new IlnpError('E_STANDBY', 'this border stands by; ask the other one of its pair');
      },
    ]),
  ),
  pair: (): PairReply => ({ role: 'standby', isReady: copy.isWhole }),
});

function reread(path: string, before: SiteConfig, { log }: RunOptions): SiteConfig {
  try {
    return loadSiteConfig(path);
  } catch (error) {
    log.error({ error: (error as Error).message }, 'the configuration stays as it was');
    return before;
  }
}
