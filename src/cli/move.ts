/** `ilnp move NID --to SITE`: moves a binding, at whichever border it is asked for. */
import type { Command } from 'commander';
import { controlCall } from '../runtime/control-client.ts';
import type { MoveReply } from '../runtime/control-methods.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, parseNid } from '../wire/text.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

interface MoveOptions extends SocketOptions {
  readonly to: string;
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
      .requiredOption('--to <site>', 'the site where it is from now on')
      .option('--force', 'the old site is dead: move without its agreement')
      .option('--json', 'say the result as JSON'),
  ).action(async (text: string, options: MoveOptions) => {
    const nid = parseNid(text);
    if (nid === null) throw new IlnpError('E_USAGE', `expected a Node Identifier such as 0:0:0:a1, got "${text}"`);
    const params = { nid: formatNid(nid), to: options.to, force: options.force ?? false };
    const moved = (await controlCall(await socketOf(options), 'move', params)) as MoveReply;
    await out.write(`${options.json ? JSON.stringify(moved) : sentence(moved)}\n`);
  });
}

function sentence({ nid, from, to, epoch, octets, microseconds }: MoveReply): string {
  if (from === to) return `${nid} is at ${to} already (epoch ${epoch})`;
  const ms = (microseconds / 1000).toFixed(1);
  return `${nid} moved from ${from} to ${to} (epoch ${epoch}) in ${ms} ms with ${octets} octets of signalling`;
}
