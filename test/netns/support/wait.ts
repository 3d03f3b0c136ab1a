/** Waiting for a state instead of sleeping: asks again and again, and says what it waited for in vain. */
import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 20;

/** Resolves with the first truthy answer of `ask`; throws after `limitMs`. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  limitMs = 10_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer) return answer as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain for: ${what}`);
    await pause(POLL_MS);
  }
}
