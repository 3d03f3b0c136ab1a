/** The command line of `npm run bench`, checked before anything is touched. */
import { parseArgs } from 'node:util';

/** Bounds: a mistyped number must not keep a machine busy for a day. */
const LIMITS = { rounds: [1, 20], seconds: [0.5, 30], minutes: [1, 180], patience: [0, 60] };

/** `command`: what the reader has called; `loads`: words for --only. */
export const usage = (command, loads) => `${command} -- [options]
  --rounds N        rounds of all variants, interleaved (default 3, at most ${LIMITS.rounds[1]})
  --seconds S       length of one load (default 2, at most ${LIMITS.seconds[1]})
  --minutes M       no new round begins after M minutes (default 60)
  --patience M      wait up to M minutes a round for other programs to rest (default 1, 0: never)
  --only A,B        some loads only: ${loads.join(' ')}
  --variants A,B    some variants only (other modes are measured only when named)
  --quick           one round of one second, not written into the history
  --no-history      do not write a line into the history`;

class UsageError extends Error {}

/** Returns the options; throws UsageError with what was expected and what came. */
export function parse(argv, { loads, variants }) {
  let values;
  try {
    values = parseArgs({
      args: argv,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        minutes: { type: 'string' },
        patience: { type: 'string' },
        only: { type: 'string' },
        variants: { type: 'string' },
        quick: { type: 'boolean', default: false },
        'no-history': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
  const { quick } = values;
  return {
    help: values.help,
    quick,
    rounds: Math.trunc(number('rounds', values.rounds, quick ? 1 : 3)),
    seconds: number('seconds', values.seconds, quick ? 1 : 2),
    minutes: number('minutes', values.minutes, 60),
    patience: number('patience', values.patience, 1),
    only: words('only', values.only, loads),
    variants: words('variants', values.variants, variants),
    history: !quick && !values['no-history'],
  };
}

export const isUsageError = (error) => error instanceof UsageError;

function number(name, text, otherwise) {
  if (text === undefined) return otherwise;
  const [least, most] = LIMITS[name];
  const value = Number(text);
  if (!(value >= least && value <= most)) {
    throw new UsageError(`--${name}: expected a number from ${least} to ${most}, got "${text}"`);
  }
  return value;
}

function words(name, text, known) {
  if (text === undefined) return null;
  const list = text.split(',').filter(Boolean);
  const strange = list.filter((word) => !known.includes(word));
  if (list.length === 0 || strange.length > 0) {
    throw new UsageError(`--${name}: expected some of ${known.join(' ')}, got "${text}"`);
  }
  return list;
}
