/** What somebody may have meant who misspelt a name. */

/** At most so many letters may be wrong, missing, too many or swapped: a third of the name, and two at least. */
const allowed = (name: string) => Math.max(2, Math.floor(name.length / 3));

/** Those of the names that are spelt much like this one, the most alike first; three at most. */
export function suggest(name: string, names: Iterable<string>): string[] {
  return [...new Set(names)]
    .map((other) => ({ other, distance: distance(name, other) }))
    .filter(({ distance }) => distance <= allowed(name))
    .sort((a, b) => a.distance - b.distance || (a.other < b.other ? -1 : 1))
    .slice(0, 3)
    .map(({ other }) => other);
}

/** Edits between two texts, neighbours swapped being one (optimal string alignment). */
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
