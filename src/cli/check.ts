/** `--check` of the commands that run by a configuration: what it says for people and for programs. */
import { IlnpError } from '../runtime/errors.ts';
import { type Output, standardOutput } from './output.ts';

interface CheckOptions {
  readonly config: string;
  readonly json?: boolean;
}

/**
 * Reads the file and says that it is right, with `summary`; throws what `load` throws. `secrets` reads the files that the
 * command needs at its start: they may come later, or be for root only, so that what is wrong with them is a warning.
 */
export async function checkConfig<C>(
  options: CheckOptions,
  load: (path: string) => C,
  {
    summary,
    secrets,
    out = standardOutput,
    warn = (text) => void process.stderr.write(text),
  }: {
    summary: (config: C) => Record<string, string | number>;
    secrets: (config: C) => readonly Promise<unknown>[];
    out?: Output;
    warn?: (text: string) => void;
  },
): Promise<void> {
  let config: C;
  try {
    config = load(options.config);
  } catch (error) {
    if (options.json && error instanceof IlnpError) {
      const { code, message } = error;
      await out.write(`${JSON.stringify({ ok: false, code, errors: message.split('\n') })}\n`);
    }
    throw error;
  }
  const read = await Promise.allSettled(secrets(config));
  const warnings = read.flatMap((one) => (one.status === 'rejected' ? [String((one.reason as Error).message)] : []));
  for (const text of warnings) warn(`ilnp: warning: it would not start: ${text}\n`);
  const said = summary(config);
  const words = Object.entries(said).map(([key, value]) => `${key} ${value}`);
  await out.write(
    options.json
      ? `${JSON.stringify({ ok: true, ...said, warnings })}\n`
      : `${options.config}: right: ${words.join(', ')}\n`,
  );
}
