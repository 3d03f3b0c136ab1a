/** `ilnp hook`: tells the border what a hypervisor does, from whatever script knows it. */
import type { Command } from 'commander';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, parseNid } from '../wire/text.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

const KINDS = ['incoming', 'migrating', 'stopped', 'stayed', 'arrived', 'lost'] as const;

interface HookOptions extends SocketOptions {
  readonly at?: string;
}

export function registerHook(program: Command): void {
  withSocket(
    program
      .command('hook')
      .description(
        'tell the border of this site what a hypervisor does with a guest: ' +
          'incoming (it is on its way to here), migrating (it may stop at any moment), stopped, stayed (it goes on here), arrived (it runs here now), lost',
      )
      .argument('<event>', KINDS.join(', '))
      .argument('<nid>', 'Node Identifier of the guest')
      .option('--at <seconds>', 'when it stopped or ran again, seconds since 1970 (default: now)'),
  ).action(async (event: string, text: string, options: HookOptions) => {
    const kind = KINDS.find((name) => name === event);
    if (kind === undefined) throw new IlnpError('E_USAGE', `expected ${KINDS.join(', ')}, got "${event}"`);
    const nid = parseNid(text);
    if (nid === null) throw new IlnpError('E_USAGE', `expected a Node Identifier such as 0:0:0:a1, got "${text}"`);
    const at = options.at === undefined ? Date.now() / 1000 : Number(options.at);
    if (!(at > 0)) throw new IlnpError('E_USAGE', `--at: expected seconds since 1970, got "${options.at}"`);
    const { controlCall } = await import('../runtime/control-client.ts');
    const stamp = kind === 'stopped' || kind === 'arrived' ? { at: at * 1e6 } : {};
    await controlCall(await socketOf(options), 'guest', {
      nid: formatNid(nid),
      news: kind,
      ...stamp,
      now: Date.now() * 1000,
    });
  });
}
