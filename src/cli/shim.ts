/** `ilnp shim`: an ILNP end system on this machine, in the foreground, or a check of its configuration. */
import { dirname } from 'node:path';
import type { Command } from 'commander';

interface ShimOptions {
  readonly config: string;
  readonly check?: boolean;
}

export function registerShim(program: Command): void {
  program
    .command('shim')
    .description('let the programs of this machine speak ILNP, in the foreground')
    .requiredOption('--config <file>', 'configuration of this node (YAML)')
    .option('--check', 'only check the configuration, change nothing')
    .action(async (options: ShimOptions) => {
      // loaded here, so that the other commands start without them
      const { loadShimConfig } = await import('../config/load-shim.ts');
      const config = loadShimConfig(options.config);
      if (options.check) {
        const { node, interfaces, hosts } = config;
        process.stdout.write(
          `${options.config}: right: node ${node}, interfaces ${interfaces.length}, hosts ${hosts.length}\n`,
        );
        return;
      }
      const { pino } = await import('pino');
      const { runShim } = await import('./run-shim.ts');
      const log = pino(
        { level: config.log.level, base: { node: config.node } },
        pino.destination({ dest: 2, sync: true }),
      );
      await runShim(config, { runFolder: dirname(config.control.socket), log });
    });
}
