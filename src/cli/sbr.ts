/** `ilnp sbr`: runs a site border router in the foreground, or checks its configuration. */
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { checkConfig } from './check.ts';

interface SbrOptions {
  readonly config: string;
  readonly check?: boolean;
  readonly json?: boolean;
}

export function registerSbr(program: Command): void {
  program
    .command('sbr')
    .description('run the site border router of a configuration, in the foreground')
    .requiredOption('--config <file>', 'configuration of this site (YAML)')
    .option('--check', 'only check the configuration, change nothing')
    .option('--json', 'with --check: say it as JSON')
    .action(async (options: SbrOptions) => {
      // loaded here, so that the other commands start without them
      const { loadSiteConfig } = await import('../config/load.ts');
      if (options.check) {
        const { readSiteKey } = await import('../sites/site-key.ts');
        const { readTsigKey } = await import('../names/tsig-key.ts');
        const { etcdAccess } = await import('./etcd-access.ts');
        await checkConfig(options, loadSiteConfig, {
          summary: ({ site, uplinks, inside, peers, bindings, subnets }) => ({
            site,
            uplinks: uplinks.length,
            inside: inside.length,
            peers: peers.length,
            bindings: bindings.length,
            subnets: subnets.length,
          }),
          secrets: ({ control, dns, registries }) => [
            ...(control.keyFile === undefined ? [] : [readSiteKey(control.keyFile)]),
            ...(dns === undefined ? [] : [readTsigKey(dns.keyFile)]),
            ...registries.flatMap((one) => (one.kind === 'etcd' ? etcdAccess(one) : [])),
          ],
        });
        return;
      }
      const config = loadSiteConfig(options.config);
      const { pino } = await import('pino');
      const { runSite } = await import('./run-pair.ts');
      const log = pino(
        { level: config.log.level, base: { border: config.site } },
        pino.destination({ dest: 2, sync: true }),
      );
      await runSite(config, { path: options.config, runFolder: dirname(config.control.socket), log });
    });
}
