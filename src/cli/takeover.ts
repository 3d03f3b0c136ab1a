/** `ilnp takeover`: the operator's word that what a controller that stands by has is the registry. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { ControlClient } from '../runtime/control-client.ts';
import type { PairReply } from '../runtime/control-methods.ts';
import { IlnpError } from '../runtime/errors.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

/** How long it may take, in milliseconds. Reason: borders must find the way to who has the address now. */
const WITHIN_MS = 10_000;
const AGAIN_MS = 100;

/** Adds the sub-command to the program. */
export function registerTakeover(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('takeover')
      .description(
        'have a controller that stands by take over although it may not have all: what it lacks is lost (stop the other one first)',
      ),
  ).action(async (options: SocketOptions) => {
    const client = await ControlClient.connect(await socketOf(options));
    try {
      let pair = (await client.call('takeover')) as PairReply;
      for (const until = performance.now() + WITHIN_MS; pair.role !== 'active'; ) {
        if (performance.now() > until)
          throw new IlnpError('E_REGISTRY', `most witnesses are needed: ${pair.problems?.join('; ') || 'not yet'}`);
        await pause(AGAIN_MS);
        pair = (await client.call('pair')) as PairReply;
      }
      await out.write(`this controller serves in term ${pair.term}\n`);
    } finally {
      client.close();
    }
  });
}
