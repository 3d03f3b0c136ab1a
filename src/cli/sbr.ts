/** `ilnp sbr`: runs a site border router in the foreground, or checks its configuration. */
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { IlnpError } from '../runtime/errors.ts';
import { writeAll } from './output.ts';

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
      const config =
        options.check && options.json ? loadOrSay(options.config, loadSiteConfig) : loadSiteConfig(options.config);
      if (options.check) {
        await warnOfKey(config.control.keyFile);
        const { site, uplinks, inside, peers, bindings, subnets } = config;
        const summary = {
          site,
          uplinks: uplinks.length,
          inside: inside.length,
          peers: peers.length,
          bindings: bindings.length,
          subnets: subnets.length,
        };
        const words = Object.entries(summary).map(([key, value]) => `${key} ${value}`);
        process.stdout.write(
          `${options.json ? JSON.stringify({ ok: true, ...summary }) : `${options.config}: right: ${words.join(', ')}`}\n`,
        );
        return;
      }
      const { pino } = await import('pino');
      const { runSite } = await import('./run-pair.ts');
      const log = pino(
        { level: config.log.level, base: { border: config.site } },
        pino.destination({ dest: 2, sync: true }),
      );
      await runSite(config, { path: options.config, runFolder: dirname(config.control.socket), log });
    });
}

/** For programs that check: what is wrong as JSON on standard output, exit code as for people. */
function loadOrSay<T>(path: string, load: (path: string) => T): T {
  try {
    return load(path);
  } catch (error) {
    if (error instanceof IlnpError) {
      const { code, message } = error;
      writeAll(1, `${JSON.stringify({ ok: false, code, errors: message.split('\n') })}\n`);
    }
    throw error;
  }
}

/** The key may be put in place later, or be readable for root only: said, but no mistake of the configuration. */
async function warnOfKey(keyFile: string | undefined): Promise<void> {
  if (keyFile === undefined) return;
  const { readSiteKey } = await import('../sites/site-key.ts');
  await readSiteKey(keyFile).catch((error: Error) => {
    process.stderr.write(`ilnp: warning: the border would not start: ${error.message}\n`);
  });
}
