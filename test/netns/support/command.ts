/** Runs a program to its end and gives back all it said; used for everything in the lab that is not a probe. */
import { execFile } from 'node:child_process';

export interface Output {
  /** Exit code; null when a signal or the time limit ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const LIMIT_MS = 30_000;
const OUTPUT_OCTETS = 64 << 20;

/** Runs `file` with `args`; a failure is an answer, not an exception. */
export function command(
  file: string,
  args: readonly string[],
  options: { limitMs?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<Output> {
  return new Promise((resolve) => {
    execFile(
      file,
      [...args],
      {
        timeout: options.limitMs ?? LIMIT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: OUTPUT_OCTETS,
        env: options.env ?? process.env,
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

/** As `command`, but throws with everything that was said when the program fails. */
export async function succeed(
  file: string,
  args: readonly string[],
  options: { limitMs?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const { code, stdout, stderr } = await command(file, args, options);
  if (code !== 0) throw new Error(`${file} ${args.join(' ')}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}
