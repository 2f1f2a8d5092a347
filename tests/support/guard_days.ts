/**
 * Days of traffic under a guarded rollout, and how many of them the guard rolls back: what the guard must leave alone, and
 * what it must catch. From seeds that are kept; `deno task bench guard` prints the whole table.
 */
import { begin, take, type Watch } from "../../supabase/functions/_shared/rollouts/guard.ts";
import { EDGES_MS } from "../../supabase/functions/_shared/rollouts/latency.ts";
import {
  type Counts,
  type Minute,
  none,
  robustMs,
  scores,
  span,
} from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { xorshift } from "./rollout_traffic.ts";

/** A stage of 1 %, 500 ms for p95 and the mean of the built-in canary. */
export const STAGE: Watch = {
  control: true,
  error_rate: 0.01,
  p95_ms: 500,
  plain: { minutes: 5, min_samples: 20, error_rate: null, mean_ms: 500 },
  no_errors: false,
};

/** Outcomes a minute, both arms together, and the share of them with the flag, that days are looked at with. */
export const PER_MINUTE: readonly number[] = [10, 100, 1000];
export const SHARES: readonly number[] = [0.05, 0.5];

const DAY = 1440;
const MEDIAN_MS = 200;
const SIGMA = 0.5;

/** Shares of the buckets between the edges, and above them, of log-normal latencies so many times as long as usual. */
function buckets(times: number, outliers: number): number[] {
  const below = (ms: number) =>
    normalCdf(Math.log(ms / (MEDIAN_MS * times)) / SIGMA) * (1 - outliers) +
    (ms >= OUTLIER_MS ? outliers : 0);
  return [
    ...EDGES_MS.map((edge, i) => below(edge) - (i === 0 ? 0 : below(EDGES_MS[i - 1]))),
    1 - below(30_000),
  ];
}

const OUTLIER_MS = 15_000;

function normalCdf(z: number): number {
  // Zelen and Severo, to 7 places.
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail = 0.3989422804 * Math.exp(-z * z / 2) *
    (t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429)))));
  return z > 0 ? 1 - tail : tail;
}

/** What one arm meets in a minute. */
interface Weather {
  failing: number;
  latencies: number[];
}

/** Draws from a seed. */
class Draws {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = xorshift(seed);
  }

  binomial(n: number, p: number): number {
    if (n === 0 || p <= 0) return 0;
    if (p >= 1) return n;
    if (n <= 30) {
      let k = 0;
      for (let i = 0; i < n; i++) if (this.random() < p) k++;
      return k;
    }
    const mean = n * p, spread = mean * (1 - p);
    if (spread > 12) return Math.min(n, Math.max(0, Math.round(mean + this.normal() * Math.sqrt(spread))));
    return p > 0.5 ? n - Math.min(n, this.poisson(n * (1 - p))) : Math.min(n, this.poisson(mean));
  }

  poisson(mean: number): number {
    if (mean > 60) return Math.max(0, Math.round(mean + this.normal() * Math.sqrt(mean)));
    const limit = Math.exp(-mean);
    let k = 0;
    for (let product = this.random(); product > limit; product *= this.random()) k++;
    return k;
  }

  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
  }

  counts(n: number, weather: Weather): Counts {
    return this.timed(n, this.binomial(n, weather.failing), 0, weather);
  }

  timed(n: number, failed: number, again: number, { latencies }: Weather): Counts {
    if (n === 0) return none();
    const le = new Array<number>(EDGES_MS.length);
    let [left, share, sum, ms] = [n, 1, 0, 0];
    for (let i = 0; i < EDGES_MS.length; i++) {
      const k = left === 0 || latencies[i] <= 0 ? 0 : this.binomial(left, Math.min(1, latencies[i] / share));
      left -= k;
      share -= latencies[i];
      sum += k;
      le[i] = sum;
      ms += k * (i === 0 ? 4 : (EDGES_MS[i - 1] + EDGES_MS[i]) / 2);
    }
    ms = Math.round(ms + left * 40_000);
    const slow = n - le[SLOW];
    const [score, score2] = scores(n, le);
    return {
      n,
      failed,
      again,
      timed: n,
      slow,
      slowAgain: 0,
      late: slow,
      ms: robustMs(ms, n, le, [], STAGE.plain!.mean_ms!),
      score,
      score2,
    };
  }
}

const SLOW = EDGES_MS.indexOf(STAGE.p95_ms!);
const USUAL = buckets(1, 0);
const BASE: Weather = { failing: 0.005, latencies: USUAL };

/** A kind of day that is not the flag's fault. */
export type Harmless = "outage" | "slow requests" | "a client" | "late control" | "slowness";

/** What each of them is, in words. */
export const HARMLESS: Readonly<Record<Harmless, string>> = {
  outage: "a service that both arms need fails for 3 to 60 minutes",
  "slow requests": "0.2 % of all requests take 15 s",
  "a client": "one client of ten fails whatever it tries, one of them with the flag",
  "late control": "the same outage, and what happens without the flag is told 5 minutes late",
  slowness: "everything takes five times as long for 3 to 60 minutes",
};

const OUTAGE: Weather = { failing: 0.8, latencies: USUAL };
const SLOWNESS: Weather = { failing: 0.005, latencies: buckets(5, 0) };
const OUTLIERS: Weather = { failing: 0.005, latencies: buckets(1, 0.002) };

/** The minutes of one day; `share` of `perMinute` outcomes have the flag. */
function* day(draws: Draws, kind: Harmless, perMinute: number, share: number): Generator<Minute> {
  const from = 60 + Math.floor(draws.random() * 1200), to = from + 3 + Math.floor(draws.random() * 58);
  const weatherAt = (minute: number): Weather =>
    kind === "slow requests"
      ? OUTLIERS
      : minute < from || minute >= to || kind === "a client"
      ? BASE
      : kind === "slowness"
      ? SLOWNESS
      : OUTAGE;
  if (kind === "a client") return yield* clients(draws, perMinute, share);
  const lag = kind === "late control" ? 5 : 0;
  for (let minute = 1; minute <= DAY; minute++) {
    const [on, off] = [draws.poisson(perMinute * share), draws.poisson(perMinute * (1 - share))];
    yield {
      minute,
      on: draws.counts(on, weatherAt(minute)),
      off: minute <= lag ? none() : draws.counts(off, weatherAt(minute - lag)),
    };
  }
}

/** As many clients as outcomes a minute; a tenth of them fail each minute, at least one of those with the flag. */
function* clients(draws: Draws, perMinute: number, share: number): Generator<Minute> {
  const broken = Math.max(1, Math.round(perMinute / 10));
  const brokenOn = 1 + draws.binomial(broken - 1, share);
  const wellOn = draws.binomial(perMinute - broken, share);
  for (let minute = 1; minute <= DAY; minute++) {
    const arm = (broken: number, well: number) => {
      const failed = draws.binomial(well, BASE.failing);
      return draws.timed(broken + well, broken + failed, minute === 1 ? 0 : broken, BASE);
    };
    yield { minute, on: arm(brokenOn, wellOn), off: arm(broken - brokenOn, perMinute - broken - wellOn) };
  }
}

/** The minute in which the guard rolls back, and by which rule; undefined when it does not. */
export function rolledBack(
  minutes: Iterable<Minute>,
  watch = STAGE,
): { minute: number; rule: string } | undefined {
  const state = begin(1);
  // Plain thresholds look at the minutes before, too.
  const recent = [];
  for (const minute of minutes) {
    recent.push(span(minute));
    if (recent.length > 6) recent.shift();
    const alarm = take(watch, state, recent);
    if (alarm?.verdict === "roll_back") return { minute: alarm.minute, rule: alarm.rule };
  }
}

/** So many of so many days were rolled back, and by which rules. */
export function falseRollbacks(
  kind: Harmless,
  perMinute: number,
  share: number,
  days: number,
): { rolledBack: number; rules: Record<string, number> } {
  const draws = new Draws(1 + Object.keys(HARMLESS).indexOf(kind) * 1000 + perMinute * 7 + share * 100);
  const rules: Record<string, number> = {};
  let count = 0;
  for (let i = 0; i < days; i++) {
    const back = rolledBack(day(draws, kind, perMinute, share));
    if (back === undefined) continue;
    count++;
    rules[back.rule] = (rules[back.rule] ?? 0) + 1;
  }
  return { rolledBack: count, rules };
}

/** A fault of the flag. */
export type Fault = "20 % fail" | "failures 5 x" | "p95 + 50 %";

/** What each of them is: the weather with the flag, and without. */
export const FAULTS: Readonly<Record<Fault, readonly [on: Weather, off: Weather]>> = {
  "20 % fail": [{ failing: 0.2, latencies: USUAL }, { failing: 0.01, latencies: USUAL }],
  "failures 5 x": [{ failing: 0.05, latencies: USUAL }, { failing: 0.01, latencies: USUAL }],
  "p95 + 50 %": [{ failing: 0.005, latencies: buckets(1.5, 0) }, BASE],
};

/** The minutes in which so many runs were rolled back, at so many outcomes a minute in each arm; `Infinity` for not at all. */
export function minutesToCatch(fault: Fault, runs: number, perMinute = 10, minutes = 240): number[] {
  const draws = new Draws(77 + Object.keys(FAULTS).indexOf(fault) + perMinute);
  const [on, off] = FAULTS[fault];
  function* run(): Generator<Minute> {
    for (let minute = 1; minute <= minutes; minute++) {
      yield {
        minute,
        on: draws.counts(draws.poisson(perMinute), on),
        off: draws.counts(draws.poisson(perMinute), off),
      };
    }
  }
  return Array.from({ length: runs }, () => rolledBack(run())?.minute ?? Infinity).sort((a, b) => a - b);
}

/** Wilson's interval of a share, at 95 %. */
export function wilson(k: number, n: number): [number, number] {
  const z = 1.959964, p = k / n, middle = p + z * z / (2 * n);
  const spread = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return [(middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)];
}
