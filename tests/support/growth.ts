/** Says how the time of something grows or compares, and nothing of how fast the machine is that it runs on. */
import process from "node:process";
import { assert } from "./assert.ts";

const TIMES = 8;
/** So much more than eight times as long is still linear: caches, collections of garbage, other programs. */
const SLACK = 3;
/** A busy machine disturbs a try, and not all of them. */
const TRIES = 20;
/** Before that the measure may be of code that has not been compiled, or of other programs: all would pass by it. */
const FEWEST = 5;

/**
 * Asserts that eight times as much takes about eight times as long, in the best of several tries; what grows with the
 * square takes 64 times as long.
 * @param size What the smaller run is of. A run has to take some tenths of a millisecond.
 */
export async function assertLinear(size: number, work: (size: number) => unknown): Promise<void> {
  await assertTimes(TIMES * SLACK, () => work(size * TIMES), () => work(size));
}

/** Asserts that `work` takes at most so many times as long as `measure`, in the best of several tries. */
export async function assertTimes(most: number, work: () => unknown, measure: () => unknown): Promise<void> {
  let [took, unit] = [Infinity, Infinity];
  for (let tries = 0; tries < TRIES; tries++) {
    unit = Math.min(unit, await timed(measure));
    took = Math.min(took, await timed(work));
    if (tries >= FEWEST && took <= unit * most) return;
  }
  assert(
    false,
    `it takes ${(took / unit).toFixed(0)} times as long as its measure, and at most ${most} is right`,
  );
}

/** Milliseconds on a processor: what runs beside it takes turns with the longer of the two, and hardly with the shorter. */
async function timed(work: () => unknown): Promise<number> {
  const began = performance.now(), used = process.cpuUsage();
  await work();
  const took = performance.now() - began, { user, system } = process.cpuUsage(used);
  // A system may count in steps that are longer than this took.
  return user + system > 0 ? Math.min(took, (user + system) / 1000) : took;
}
