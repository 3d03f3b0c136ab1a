/**
 * Waits for the signals that end a process in order; until `close`, a second one does nothing. SIGHUP never ends one: whoever
 * has something to read again listens for it, too.
 */
export function untilSignal(): { signal: Promise<string>; close: () => void } {
  let close = (): void => {};
  const signal = new Promise<string>((resolve) => {
    const on = (name: NodeJS.Signals): void => resolve(name);
    const live = (): void => {};
    process.on('SIGTERM', on).on('SIGINT', on).on('SIGHUP', live);
    close = () => process.off('SIGTERM', on).off('SIGINT', on).off('SIGHUP', live);
  });
  return { signal, close };
}
