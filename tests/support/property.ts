/** Properties (fast-check), with as many cases as the run allows, from the run's seed. */
import fc from "fast-check";

/** Variable with the seed of the run, a whole number; tests/run.ts sets it. */
export const SEED_VARIABLE = "TEST_SEED";
/** Variable that requests every case of every property if it is `all`; tests/run.ts sets it. */
export const CASES_VARIABLE = "TEST_CASES";

/** Fewest cases of a property. */
const FEWEST = 20;

/**
 * Checks a property with random cases. A failure prints the case, the seed and the path to it.
 * @param options.cases Number in a run of everything or of `test:slow`; a quick run takes a tenth, at least
 *   20.
 * @default {100}
 */
export function holds<Ts>(
  property: fc.IAsyncPropertyWithHooks<Ts> | fc.IAsyncProperty<Ts>,
  options?: Options<Ts>,
): Promise<void>;
export function holds<Ts>(
  property: fc.IPropertyWithHooks<Ts> | fc.IProperty<Ts>,
  options?: Options<Ts>,
): void;
export function holds<Ts>(
  property: fc.IRawProperty<Ts>,
  { cases = 100, ...others }: Options<Ts> = {},
): void | Promise<void> {
  const seed = Number(Deno.env.get(SEED_VARIABLE) ?? NaN);
  return fc.assert(property, {
    ...others,
    ...(Number.isInteger(seed) ? { seed } : {}),
    numRuns: casesOf(cases),
  });
}

/**
 * Number of cases in this run.
 * @param cases Number in a run of everything or of `test:slow`; a quick run takes a tenth.
 * @param fewest Minimum in a quick run.
 */
export function casesOf(cases: number, fewest: number = FEWEST): number {
  if (Deno.env.get(CASES_VARIABLE) === "all") return cases;
  return Math.min(cases, Math.max(fewest, Math.ceil(cases / 10)));
}

/** fast-check's parameters, except those that are decided here. */
type Options<Ts> = Omit<fc.Parameters<Ts>, "numRuns" | "seed"> & { cases?: number };
