/** `ilnp follow`: watches a virtual machine of QEMU and tells the border of its site where the guest runs. */
import type { Command } from 'commander';
import { IlnpError } from '../runtime/errors.ts';
import { formatNid, parseNid } from '../wire/text.ts';
import { type Output, standardOutput } from './output.ts';
import { type SocketOptions, socketOf, withSocket } from './socket.ts';

interface FollowOptions extends SocketOptions {
  readonly qmp: string;
  readonly json?: boolean;
}

export function registerFollow(program: Command, out: Output = standardOutput): void {
  withSocket(
    program
      .command('follow')
      .description('follow the migrations of a virtual machine of QEMU, at both ends, until the machine ends')
      .argument('<nid>', 'Node Identifier of the guest: 0:0:0:a1, ::a1 or 0+0+0+a1')
      .requiredOption('--qmp <path>', 'a monitor that nobody else uses: -qmp unix:PATH,server=on,wait=off')
      .option('--json', 'say each event as a line of JSON'),
  ).action(async (text: string, options: FollowOptions) => {
    const nid = parseNid(text);
    if (nid === null) throw new IlnpError('E_USAGE', `expected a Node Identifier such as 0:0:0:a1, got "${text}"`);
    const { follow } = await import('../hypervisor/follow.ts');
    const { checkFollowed, Reporter } = await import('../hypervisor/reporter.ts');
    const name = formatNid(nid);
    const say = (fields: Record<string, unknown>): void => {
      const line = options.json
        ? JSON.stringify({ nid: name, ...fields })
        : [name, ...Object.entries(fields).map(([key, value]) => (key === 'news' ? value : `${key} ${value}`))].join(
            ' ',
          );
      void out.write(`${line}\n`);
    };
    const socket = await socketOf(options);
    let untold: Error | undefined;
    const reporter = new Reporter({
      socket,
      nid: name,
      onTold: (news) =>
        say({ news: news.kind, ...('at' in news ? { at: new Date(news.at / 1000).toISOString() } : {}) }),
      onProblem: (news, error, isLast) => {
        if (isLast && news.kind !== 'incoming') untold ??= error; // who cannot prepare may still be told of the arrival
        say({
          news: news.kind,
          [isLast ? 'failed' : 'trying']: error instanceof IlnpError ? error.code : 'E_STATE',
          message: error.message,
        });
      },
    });
    const machine = await follow(options.qmp, (news) => void reporter.tell(news));
    try {
      await checkFollowed(socket, { nid: name, runs: machine.runs });
    } catch (error) {
      machine.close();
      reporter.close();
      throw error;
    }
    say({ news: 'following', qmp: options.qmp });
    let signalled = false;
    const stop = (): void => {
      signalled = true;
      machine.close();
    };
    const ended = await Promise.race([
      machine.ended,
      new Promise<string>((resolve) => {
        for (const name of ['SIGTERM', 'SIGINT'] as const)
          process.once(name, () => {
            stop();
            resolve(name);
          });
      }),
    ]);
    if (signalled) reporter.close();
    await reporter.settled();
    say({ news: 'ended', because: ended });
    if (untold !== undefined) throw untold;
  });
}
