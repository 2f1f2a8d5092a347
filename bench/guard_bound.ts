/**
 * The largest share of runs in which any rule can tell two failure rates apart: the power of the most powerful test, by
 * Neyman and Pearson where the usual rate is known, and by Fisher's conditional test where the other arm tells it.
 */

/** Logarithms of the binomial coefficients of `n`. */
function choices(n: number): number[] {
  const logs = [0];
  for (let i = 1; i <= n; i++) logs.push(logs[i - 1] + Math.log(i));
  return Array.from({ length: n + 1 }, (_, k) => logs[n] - logs[k] - logs[n - k]);
}

/** Probabilities of 0 to `n` failures among `n` outcomes. */
function binomial(n: number, rate: number): number[] {
  return choices(n).map((log, k) => Math.exp(log + k * Math.log(rate) + (n - k) * Math.log1p(-rate)));
}

/**
 * Share of runs that the best rule catches which sees `n` outcomes.
 *
 * @param usual Failure rate where nothing is wrong.
 * @param fault Failure rate of the fault.
 * @param level Chance of a false alarm.
 */
export function powerOfKnown(n: number, usual: number, fault: number, level: number): number {
  const [healthy, faulty] = [binomial(n, usual), binomial(n, fault)];
  let [left, power] = [level, 0];
  for (let k = n; k >= 0; k--) {
    if (healthy[k] > left) return power + faulty[k] * left / healthy[k];
    left -= healthy[k];
    power += faulty[k];
  }
  return power;
}

/** The same for a rule that sees `n` outcomes of each arm and does not know the usual rate. */
export function powerOfCompared(n: number, usual: number, fault: number, level: number): number {
  const [off, on] = [binomial(n, usual), binomial(n, fault)];
  const ways = choices(n);
  let power = 0;
  for (let total = 0; total <= 2 * n; total++) {
    const ks = Array.from(
      { length: Math.min(n, total) - Math.max(0, total - n) + 1 },
      (_, i) => Math.min(n, total) - i,
    );
    // Given the total, the failures of an arm are hypergeometric, whatever the rate.
    const logs = ks.map((k) => ways[k] + ways[total - k]), most = Math.max(...logs);
    const weights = logs.map((log) => Math.exp(log - most));
    const sum = weights.reduce((a, b) => a + b, 0);
    let left = level;
    for (let i = 0; i < ks.length; i++) {
      const chance = weights[i] / sum, both = on[ks[i]] * off[total - ks[i]];
      if (chance > left) {
        power += both * left / chance;
        break;
      }
      left -= chance;
      power += both;
    }
  }
  return power;
}
