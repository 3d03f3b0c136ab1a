/** `ilnp key`: a new secret for the channel between borders, on standard output. */
import type { Command } from 'commander';
import { newSiteKey } from '../sites/site-key.ts';
import { type Output, standardOutput } from './output.ts';

/** Adds the sub-command to the program. */
export function registerKey(program: Command, out: Output = standardOutput): void {
  program
    .command('key')
    .description('make a key file for the control channel: umask 077; ilnp key > site.key')
    .action(async () => out.write(`${newSiteKey()}\n`));
}
