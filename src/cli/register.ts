/** `ilnp register NID --guest L64` and `ilnp withdraw NID`: bindings in the registry by command, at whichever border. */
import type { Command } from 'commander';
import { controlCall } from '../runtime/control-client.ts';
import type { RegisteredReply } from '../runtime/control-methods.ts';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, parseNid } from '../wire/text.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

interface RegisterOptions extends SocketOptions {
  readonly guest: string;
  readonly home?: string;
  readonly uplink?: string;
  readonly at?: string;
  readonly json?: boolean;
}

interface WithdrawOptions extends SocketOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

const NID = 'Node Identifier: 0:0:0:a1, ::a1 or 0+0+0+a1';

/** Adds both sub-commands to the program. */
export function registerRegister(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('register')
      .description('put a binding into the registry: from then on its guest is served')
      .argument('<nid>', NID)
      .requiredOption('--guest <l64>', 'the Locator that the guest itself has, such as fd00:1::/64')
      .option('--home <site>', 'its home (default: the site of this border)')
      .option('--uplink <name>', 'uplink of its home for new sessions')
      .option('--at <site>', 'where it is (default: its home)')
      .option('--json', 'say the result as JSON'),
  ).action(async (text: string, options: RegisterOptions) => {
    const nid = nidOf(text);
    const { guest, home, uplink, at } = options;
    const params = { nid, guest, home, uplink, at };
    const reply = (await controlCall(await socketOf(options), 'register', params)) as RegisteredReply;
    await out.write(options.json ? `${JSON.stringify(reply)}\n` : `${nid} is registered (epoch ${reply.epoch})\n`);
  });
  withSocket(
    program
      .command('withdraw')
      .description('take a binding out of the registry: packets for its guest are dropped')
      .argument('<nid>', NID)
      .option('--force', 'the site where the guest was is dead: do not wait for it')
      .option('--json', 'say the result as JSON'),
  ).action(async (text: string, options: WithdrawOptions) => {
    const nid = nidOf(text);
    const params = { nid, force: options.force ?? false };
    const reply = (await controlCall(await socketOf(options), 'withdraw', params)) as RegisteredReply;
    const rest = reply.isOver ? '' : '; the site where it was has not let go yet and is asked on (dead: --force)';
    await out.write(
      options.json ? `${JSON.stringify(reply)}\n` : `${nid} is withdrawn (epoch ${reply.epoch})${rest}\n`,
    );
  });
}

function nidOf(text: string): string {
  const nid = parseNid(text);
  if (nid !== null) return formatNid(nid);
  throw new IlnpError('E_USAGE', `expected a Node Identifier such as 0:0:0:a1, got "${text}"`);
}
