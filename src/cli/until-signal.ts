/** Waits for the signals that end a process in order; until `close`, a second one does nothing. */
export function untilSignal(): { signal: Promise<string>; close: () => void } {
  let close = (): void => {};
  const signal = new Promise<string>((resolve) => {
    const on = (name: NodeJS.Signals): void => resolve(name);
    process.on('SIGTERM', on).on('SIGINT', on);
    close = () => process.off('SIGTERM', on).off('SIGINT', on);
  });
  return { signal, close };
}
