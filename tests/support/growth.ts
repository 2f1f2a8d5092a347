/** Checks how run times grow or compare, independent of the machine's speed. */
import process from "node:process";
import { assert } from "./assert.ts";

const TIMES = 8;
/**
 * Up to this many times eight times as long still counts as linear, because of caches, garbage collection and
 * other programs.
 */
const SLACK = 3;
/** A busy machine disturbs single attempts, but not all of them. */
const TRIES = 20;
/**
 * Fewest attempts: earlier ones may measure uncompiled code or other programs, and would let everything pass.
 */
const FEWEST = 5;

/**
 * Asserts that eight times as much takes about eight times as long, in the best of several attempts;
 * quadratic growth takes 64 times as long.
 * @param size Size of the smaller run. A run must take some tenths of a millisecond.
 */
export async function assertLinear(size: number, work: (size: number) => unknown): Promise<void> {
  await assertTimes(TIMES * SLACK, () => work(size * TIMES), () => work(size));
}

/** Asserts that `work` takes at most `most` times as long as `measure`, in the best of several attempts. */
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

/** CPU time in milliseconds: concurrent programs disturb the longer run more than the shorter one. */
async function timed(work: () => unknown): Promise<number> {
  const began = performance.now(), used = process.cpuUsage();
  await work();
  const took = performance.now() - began, { user, system } = process.cpuUsage(used);
  // A system may count in steps that are longer than this took.
  return user + system > 0 ? Math.min(took, (user + system) / 1000) : took;
}
