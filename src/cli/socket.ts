/** Which border or end system a sub-command talks to: --socket, the one of --config, or the only one that runs here. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { IlnpError } from '../runtime/errors.ts';

const RUN_FOLDER = '/run/ilnp';

export interface SocketOptions {
  readonly socket?: string;
  readonly config?: string;
}

/** Adds the options to a sub-command. */
export function withSocket(command: Command): Command {
  return command
    .option(
      '--socket <path>',
      `control socket of the border router or end system (default: the only one in ${RUN_FOLDER})`,
    )
    .option('--config <file>', 'configuration of the site, node or controller, to find its control socket');
}

/** Gives the path of the control socket; E_USAGE if it is not clear which. */
export async function socketOf(options: SocketOptions, folder: string = RUN_FOLDER): Promise<string> {
  if (options.socket !== undefined) return options.socket;
  if (options.config !== undefined) {
    if (/^controller:/m.test(await readFile(options.config, 'utf8').catch(() => ''))) {
      const { loadControllerConfig } = await import('../config/load-controller.ts');
      return loadControllerConfig(options.config).socket;
    }
    const { isShimConfig, loadShimConfig } = await import('../config/load-shim.ts'); // heavy, seldom needed
    if (isShimConfig(options.config)) return loadShimConfig(options.config).control.socket;
    const { loadSiteConfig } = await import('../config/load.ts');
    return loadSiteConfig(options.config).control.socket;
  }
  const names = await readdir(folder).catch(() => []);
  const sockets = names.filter((name) => name.endsWith('.sock')).sort();
  if (sockets.length === 1) return join(folder, sockets[0]!);
  if (sockets.length === 0) {
    throw new IlnpError('E_SOCKET', `no socket in ${folder}: is ilnp running? Otherwise say --socket or --config`);
  }
  throw new IlnpError(
    'E_USAGE',
    `several control sockets in ${folder} (${sockets.join(', ')}): say --socket or --config`,
  );
}
