/** Fields that scenarios of either kind have; messages say what was expected. */
import { z } from 'zod';

export const MAPPING = { error: 'a mapping' };
export const LIST = { error: 'a list' };
export const text = (expected: string, form: RegExp) => z.string({ error: expected }).regex(form, { error: expected });
export const number = (min: number, max: number, what: string) => {
  const error = `${what}, a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
};
export const whole = (min: number, max: number, what: string) => {
  const error = `${what}, a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
export const yesOrNo = z.boolean({ error: 'true or false' });
export const oneOf = <const T extends readonly [string, ...string[]]>(...values: T) =>
  z.enum(values, { error: `one of ${values.join(', ')}` });

export const name = text('a name of at most 30 letters, digits, "-"', /^[A-Za-z0-9][A-Za-z0-9-]{0,29}$/);
export const probability = number(0, 0.9, 'a probability');
/** Longest simulated time, seconds. */
export const SECONDS_MAX = 3600;
export const at = number(0, SECONDS_MAX, 'seconds since the start');

export const link = (defaults: { delayMs: number; rateMbit: number; queueKib: number }) =>
  z
    .strictObject(
      {
        delayMs: number(0, 10_000, 'milliseconds').default(defaults.delayMs),
        rateMbit: number(0.01, 100_000, 'megabits a second').default(defaults.rateMbit),
        queueKib: number(2, 1_000_000, 'KiB').default(defaults.queueKib),
        mtu: whole(1280, 9000, 'octets').default(1500),
        loss: probability.default(0),
        duplicate: probability.default(0),
        corrupt: probability.default(0),
        reorder: probability.default(0),
        reorderMs: number(0, 1000, 'milliseconds').default(5),
      },
      MAPPING,
    )
    .prefault({});
