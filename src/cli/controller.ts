/** `ilnp controller`: keeps the registry of all sites, in the foreground, or checks its configuration. */
import type { Command } from 'commander';
import { checkConfig } from './check.ts';

interface ControllerOptions {
  readonly config: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

export function registerController(program: Command): void {
  program
    .command('controller')
    .description('keep the registry of all sites (who is where), in the foreground')
    .requiredOption('--config <file>', 'configuration of the controller (YAML)')
    .option('--check', 'only check the configuration, change nothing')
    .option('--json', 'with --check: say it as JSON')
    .action(async (options: ControllerOptions) => {
      // loaded here, so that the other commands start without them
      const { loadControllerConfig } = await import('../config/load-controller.ts');
      if (options.check) {
        const { readSiteKey } = await import('../sites/site-key.ts');
        await checkConfig(options, loadControllerConfig, {
          summary: ({ controller, sites }) => ({ controller, sites: sites.length }),
          secrets: ({ keyFile }) => [readSiteKey(keyFile)],
        });
        return;
      }
      const config = loadControllerConfig(options.config);
      const { pino } = await import('pino');
      const { runController } = await import('./run-controller.ts');
      const log = pino(
        { level: config.log.level, base: { controller: config.controller } },
        pino.destination({ dest: 2, sync: true }),
      );
      await runController(config, options.config, log);
    });
}
