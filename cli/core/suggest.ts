/** Suggestions for misspelt names. */

/** Most letters that may be wrong, missing, added or swapped: a third of the name, at least two. */
const allowed = (name: string) => Math.max(2, Math.floor(name.length / 3));

/** The names with the most similar spelling, best first; at most three. */
export function suggest(name: string, names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((other) => ({ other, distance: distance(name, other) }))
    .filter(({ distance }) => distance <= allowed(name))
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
    .slice(0, 3)
    .map(({ other }) => other);
}

/** Number of edits between two texts; swapping two neighbours counts as one (optimal string alignment). */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        row[j] = Math.min(row[j], rows[i - 2][j - 2] + 1);
      }
    }
    rows.push(row);
  }
  return rows[a.length][b.length];
}
