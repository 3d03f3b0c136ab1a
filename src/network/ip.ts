/** ip(8) and sysctl, the cold path's way to the kernel. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { IlnpError } from '../runtime/errors.ts';

/** Runs commands; the first that fails names itself. `force`: go on after failures, throw nothing. */
export function ipBatch(commands: readonly (readonly string[])[], options: { force: boolean }): void {
  if (!options.force) runBatch(commands, options);
  else for (const some of withNeighboursLast(commands)) runBatch(some, options);
}

/** ip(8) ends at a neighbour that is not there, `-force` or not: nothing else may stand behind one in a batch. */
function* withNeighboursLast(commands: readonly (readonly string[])[]): Generator<readonly (readonly string[])[]> {
  let from = 0;
  for (const [k, [object]] of commands.entries()) {
    if (object !== 'neigh') continue;
    yield commands.slice(from, k + 1);
    from = k + 1;
  }
  yield commands.slice(from);
}

function runBatch(commands: readonly (readonly string[])[], options: { force: boolean }): void {
  if (commands.length === 0) return;
  const input = `${commands.map((c) => c.join(' ')).join('\n')}\n`;
  try {
    execFileSync('ip', ['-6', ...(options.force ? ['-force'] : []), '-batch', '-'], {
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: Number.POSITIVE_INFINITY,
    });
  } catch (error) {
    if (options.force) return;
    const text = String((error as { stderr?: Buffer }).stderr ?? (error as Error).message).trim();
    const line = /-:(\d+)/.exec(text);
    const command = line ? commands[Number(line[1]) - 1] : undefined;
    const why = text.split('\n')[0];
    throw new IlnpError(
      /not permitted/.test(text) ? 'E_PERMISSION' : 'E_NETWORK',
      command ? `ip -6 ${command.join(' ')}: ${why}` : `ip: ${why}`,
    );
  }
}

/** Runs `ip -json ...` and gives what it printed. */
export function ipJson<T>(...words: string[]): T[] {
  try {
    const text = execFileSync('ip', ['-6', '-json', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: Number.POSITIVE_INFINITY,
    }).toString();
    return text.trim() === '' ? [] : (JSON.parse(text) as T[]);
  } catch (error) {
    const text = String((error as { stderr?: Buffer }).stderr ?? (error as Error).message).trim();
    throw new IlnpError('E_NETWORK', `ip -6 ${words.join(' ')}: ${text.split('\n')[0]}`);
  }
}

/** Value of net.ipv6.conf.<interface>.<key>, or null when there is no such key. */
export function readSysctl(name: string, key: string): string | null {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${name}/${key}`, 'utf8').trim();
  } catch {
    return null;
  }
}

export function writeSysctl(name: string, key: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/${key}`, value);
  } catch (error) {
    throw new IlnpError('E_NETWORK', `sysctl net.ipv6.conf.${name}.${key}=${value}: ${(error as Error).message}`);
  }
}
