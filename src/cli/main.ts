#!/usr/bin/env node
/** The command `ilnp`. Exit codes: 0 done, 1 failed, 2 usage or configuration error. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { registerController } from './controller.ts';
import { registerFollow } from './follow.ts';
import { registerHook } from './hook.ts';
import { registerKey } from './key.ts';
import { registerLibvirtHook } from './libvirt-hook.ts';
import { registerMove } from './move.ts';
import { registerMoves } from './moves.ts';
import { fail } from './output.ts';
import { registerRegister } from './register.ts';
import { registerReplay } from './replay.ts';
import { registerSbr } from './sbr.ts';
import { registerShim } from './shim.ts';
import { registerShow } from './show.ts';
import { registerSim } from './sim.ts';
import { registerTakeover } from './takeover.ts';
import { registerTrace } from './trace.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('ilnp')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'ilnp: E_USAGE: ')) })
  .description('ILNPv6 for Linux: sessions of virtual machines that survive a move to another site')
  .version(version)
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
registerSbr(program);
registerController(program);
registerShim(program);
registerReplay(program);
registerSim(program);
registerMove(program);
registerMoves(program);
registerRegister(program);
registerFollow(program);
registerHook(program);
registerLibvirtHook(program);
registerShow(program);
registerTakeover(program);
registerTrace(program);
registerKey(program);

try {
  await program.parseAsync();
} catch (error) {
  fail(error);
}
