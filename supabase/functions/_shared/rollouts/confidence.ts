/**
 * Whether few failures are few enough: binomial confidence, in the same steps as `private.surely_below` in SQL.
 *
 * @module
 */

/** An upper bound holds when so few failures would come up less often than this, were the rate at the limit. */
export const SIGNIFICANCE = 0.05;

/**
 * Whether a rate is below a limit with 95 % confidence: its one-sided Clopper-Pearson upper bound is. (The bound is below
 * the limit just when so few failures would be this rare at the limit.)
 */
export function surelyBelow(failed: number, n: number, limit: number): boolean {
  return n > 0 && chanceOfSoFew(failed, n, limit) < SIGNIFICANCE * 1_000_000;
}

/**
 * The chance of `k` or fewer failures among `n` at the rate `p`, in millionths; a million where `k` is no fewer than
 * expected.
 */
export function chanceOfSoFew(k: number, n: number, p: number): number {
  if (k >= n * p) return 1_000_000;
  const exponent = lnFactorial(n) - lnFactorial(k) - lnFactorial(n - k) + k * Math.log(p) +
    (n - k) * Math.log(1 - p);
  if (exponent < -700) return 0;
  let term = Math.exp(exponent);
  let sum = term;
  for (let i = k; i > 0 && term > sum * 1e-10; i--) {
    term = term * i * (1 - p) / ((n - i + 1) * p);
    sum += term;
  }
  return Math.round(sum * 1_000_000);
}

/** ln(n!), by Stirling's series beyond 20. */
function lnFactorial(n: number): number {
  if (n <= 20) {
    let product = 1;
    for (let i = 2; i <= n; i++) product *= i;
    return Math.log(product);
  }
  return (n + 0.5) * Math.log(n) - n + 0.9189385332046727 + 1 / (12 * n) - 1 / (360 * n * n * n);
}
