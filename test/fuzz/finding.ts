/** What a fuzzer looks for: the promise was broken. `where` repeats it without searching, as far as it is known. */
export class Finding extends Error {
  /** Index of the input in what was tried, -1 when no single one is to blame. */
  readonly index: number;

  constructor(message: string, index = -1, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Finding';
    this.index = index;
  }
}

/** What was thrown, in one line. */
export const oneLine = (error: unknown): string => {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.replace(/\s+/g, ' ').slice(0, 200);
};
