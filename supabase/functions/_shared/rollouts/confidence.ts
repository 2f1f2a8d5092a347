/**
 * Binomial confidence: whether a failure count is low enough. `private.surely_below` in SQL takes the same
 * steps.
 *
 * @module
 */

/** An upper bound holds if so few failures, at a rate equal to the limit, are less likely than this. */
export const SIGNIFICANCE = 0.05;

/**
 * Whether a rate is below a limit with 95 % confidence: its one-sided Clopper-Pearson upper bound is below
 * the limit. (That is exactly when so few failures would be this unlikely at the limit.)
 */
export function surelyBelow(failed: number, n: number, limit: number): boolean {
  return n > 0 && chanceOfSoFew(failed, n, limit) < SIGNIFICANCE * 1_000_000;
}

/**
 * The probability of `k` or fewer failures among `n` at the rate `p`, in millionths; a million if `k` is not
 * below the expected number.
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
