/** "Did you mean": the known word that is fewest edits away from a mistyped one. */

/** Gives the nearest of `known`, or null if none is near enough to be what was meant. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let fewest = Math.floor(Math.max(word.length, 3) / 3) + 1; // a third of the letters may be wrong
  for (const candidate of known) {
    if (Math.abs(candidate.length - word.length) >= fewest) continue; // lengths bound the work on a hostile key
    const distance = edits(word.toLowerCase(), candidate.toLowerCase());
    if (distance < fewest) {
      fewest = distance;
      best = candidate;
    }
  }
  return best;
}

/** Insertions, deletions, replacements and exchanges of neighbours that turn `a` into `b`. */
function edits(a: string, b: string): number {
  let older: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (exchanged) least = Math.min(least, older[j - 2]! + 1);
      row.push(least);
    }
    older = previous;
    previous = row;
  }
  return previous[b.length]!;
}
