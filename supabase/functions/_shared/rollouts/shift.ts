/**
 * Whether people with the flag wait longer than those without it. Compares all latencies, not only those
 * above a limit, by their index among the edges of the histogram (about a logarithm, so no single one
 * dominates). A CUSUM of the likelihood that the arms differ by a given number of standard deviations. Pure;
 * `private.guard_shift` in SQL does the same.
 *
 * It moves together with the other test of slowness, when somebody with the flag is slow.
 *
 * @module
 */
import { noSuspicion, suspects, type Suspicion } from "./series.ts";

/** Differences that are tested for, in half standard deviations. */
const HALVES = [1, 2] as const;

/** Latencies of one arm: their number, the sum of their indexes, and the sum of squares. */
export interface Places {
  n: number;
  v: number;
  vv: number;
}

/** The state of the comparison. */
export interface Shift {
  /** Since the stage began. */
  on: Places;
  off: Places;
  /** Not yet in S. */
  quiet: { on: Places; off: Places };
  /** S of half a deviation and of one, in millionths. */
  s: number[];
  relation: Suspicion;
}

/** No latency yet. */
export function noPlaces(): Places {
  return { n: 0, v: 0, vv: 0 };
}

/** Initial state. */
export function shift(): Shift {
  return {
    on: noPlaces(),
    off: noPlaces(),
    quiet: { on: noPlaces(), off: noPlaces() },
    s: HALVES.map(() => 0),
    relation: noSuspicion(),
  };
}

function add(sum: Places, { n, v, vv }: Places): void {
  sum.n += n;
  sum.v += v;
  sum.vv += vv;
}

/**
 * Processes the latencies of a span; S moves if somebody with the flag was slow in it.
 *
 * @param absolute S of the absolute test of slowness after it.
 */
export function compare(
  shift: Shift,
  minute: number,
  on: Places,
  off: Places,
  { moves, absolute }: { moves: boolean; absolute: number },
): void {
  const { quiet } = shift;
  add(shift.on, on);
  add(shift.off, off);
  add(quiet.on, on);
  add(quiet.off, off);
  if (!moves) return;
  const [a, b] = [quiet.on, quiet.off];
  shift.quiet = { on: noPlaces(), off: noPlaces() };
  if (a.n === 0 || b.n === 0) return;
  const spread = shift.on.vv - shift.on.v * shift.on.v / shift.on.n +
    (shift.off.vv - shift.off.v * shift.off.v / shift.off.n);
  const deviation = Math.sqrt(Math.max(1, spread / Math.max(1, shift.on.n + shift.off.n - 2)));
  const apart = (a.v / a.n - b.v / b.n) / deviation;
  const weight = a.n * b.n / (a.n + b.n);
  const before = Math.max(...shift.s);
  for (let i = 0; i < HALVES.length; i++) {
    const delta = HALVES[i] / 2;
    shift.s[i] = Math.max(
      0,
      shift.s[i] + Math.round(weight * (delta * apart - delta * delta / 2) * 1_000_000),
    );
  }
  suspects(shift.relation, minute, before, Math.max(...shift.s), absolute);
}
