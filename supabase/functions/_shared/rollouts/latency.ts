/**
 * The latency histogram of outcomes.
 *
 * @module
 */

/**
 * Its edges in milliseconds, as in `private.latency_edges`. A limit on p95 must be one of them, so that
 * "slower than 400 ms" can be counted exactly.
 */
export const EDGES_MS: readonly number[] = [
  ...[
    5,
    10,
    25,
    50,
    75,
    100,
    150,
    200,
    250,
    300,
    400,
    500,
    600,
    750,
    1000,
    1250,
    1500,
    2000,
    2500,
    3000,
    4000,
  ],
  ...[5000, 7500, 10_000, 15_000, 20_000, 30_000],
];

/** Adds one latency to a cumulative histogram: `le[i]` counts latencies of at most `EDGES_MS[i]`. */
export function addLatency(le: number[], latencyMs: number): void {
  for (let i = EDGES_MS.length - 1; i >= 0 && latencyMs <= EDGES_MS[i]; i--) le[i]++;
}

/** An empty histogram. */
export function emptyHistogram(): number[] {
  return EDGES_MS.map(() => 0);
}
