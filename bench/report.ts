/** One figure: what was measured, and what it ought to be. */
export interface Row {
  what: string;
  value: number;
  goal?: string;
}

/** The middle one, or the lower of the two in the middle. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/** Prints the figures as a table, or as one JSON document. */
export function print(bench: string, how: string, rows: Row[], json: boolean): void {
  const machine = `${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}`;
  if (json) {
    console.log(JSON.stringify({ bench, how, machine, rows }, null, 2));
    return;
  }
  console.log(`\n${bench}: ${how}; ${machine}, load generator included\n`);
  const width = Math.max(...rows.map(({ what }) => what.length));
  for (const { what, value, goal } of rows) {
    const figure = value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
    console.log(`${what.padEnd(width)}  ${figure.padStart(9)}${goal === undefined ? "" : `   goal ${goal}`}`);
  }
}
