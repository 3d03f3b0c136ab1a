/** `ilnp shim`: an ILNP end system on this machine, in the foreground, or a check of its configuration. */
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { checkConfig } from './check.ts';

interface ShimOptions {
  readonly config: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

export function registerShim(program: Command): void {
  program
    .command('shim')
    .description('let the programs of this machine speak ILNP, in the foreground')
    .requiredOption('--config <file>', 'configuration of this node (YAML)')
    .option('--check', 'only check the configuration, change nothing')
    .option('--json', 'with --check: say it as JSON')
    .action(async (options: ShimOptions) => {
      // loaded here, so that the other commands start without them
      const { loadShimConfig } = await import('../config/load-shim.ts');
      if (options.check) {
        const { readSiteKey } = await import('../sites/site-key.ts');
        const { readTsigKey } = await import('../names/tsig-key.ts');
        const { nidOf } = await import('../host/nid.ts');
        const load = (path: string) => {
          const config = loadShimConfig(path);
          nidOf(config); // throws E_NID
          return config;
        };
        await checkConfig(options, load, {
          summary: ({ node, interfaces, hosts, peers }) => ({
            node,
            interfaces: interfaces.length,
            hosts: hosts.length,
            peers: peers.length,
          }),
          secrets: ({ peers, names }) => [
            ...peers.flatMap(({ keyFile }) => (keyFile === undefined ? [] : [readSiteKey(keyFile)])),
            ...(names?.update === undefined ? [] : [readTsigKey(names.update.keyFile)]),
          ],
        });
        return;
      }
      const config = loadShimConfig(options.config);
      const { pino } = await import('pino');
      const { runShim } = await import('./run-shim.ts');
      const log = pino(
        { level: config.log.level, base: { node: config.node } },
        pino.destination({ dest: 2, sync: true }),
      );
      await runShim(config, { runFolder: dirname(config.control.socket), log });
    });
}
