/**
 * `deno task bench guard`: what the guard of rollouts takes back wrongly, and how soon what it should, from kept seeds;
 * with `--bound` what the best possible rule would catch of five times a base of 1 %.
 */
import { powerOfCompared, powerOfKnown } from "./guard_bound.ts";
import {
  falseRollbacks,
  type Fault,
  FAULTS,
  HARMLESS,
  type Harmless,
  minutesToCatch,
  PER_MINUTE,
  SHARES,
  wilson,
} from "../tests/support/guard_days.ts";
import { print, type Row } from "./report.ts";

const MINUTES = [5, 10, 15, 20, 30, 45, 60, 90, 120, 240];

/** Prints two tables, or with `--json` their figures as rows: false rollbacks of so many days, and the share of faults caught within so many minutes. */
// deno-lint-ignore require-await
export async function main(args: string[]): Promise<void> {
  if (args.includes("--bound")) return bound();
  const days = args.includes("--quick") ? 10 : Number(args[args.indexOf("--days") + 1] || 1000) || 1000;
  const rows: Row[] = [];
  const say = (line: string) => {
    if (!args.includes("--json")) console.log(line);
  };
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  say(`False rollbacks in ${days} days (95 % interval)\n`);
  say(`| What happens | with the flag | ${PER_MINUTE.map((n) => `${n} a minute`).join(" | ")} |`);
  say(`|---|---|${PER_MINUTE.map(() => "---|").join("")}`);
  for (const kind of Object.keys(HARMLESS) as Harmless[]) {
    for (const share of SHARES) {
      const cells = PER_MINUTE.map((perMinute) => {
        const { rolledBack } = falseRollbacks(kind, perMinute, share, days);
        const [low, high] = wilson(rolledBack, days);
        rows.push({
          what: `false rollbacks: ${HARMLESS[kind]}; ${share * 100} % with the flag, ${perMinute} a minute`,
          value: rolledBack,
        });
        return `${rolledBack} (${percent(low)} to ${percent(high)})`;
      });
      say(`| ${HARMLESS[kind]} | ${share * 100} % | ${cells.join(" | ")} |`);
    }
  }
  say(`\nFaults caught in ${days} runs, 10 outcomes a minute in each arm (95 % interval)\n`);
  say(
    `| Fault | ${MINUTES.map((n) => `${n} min`).join(" | ")} |\n|---|${MINUTES.map(() => "---|").join("")}`,
  );
  for (const fault of Object.keys(FAULTS) as Fault[]) {
    const caught = minutesToCatch(fault, days);
    const cells = MINUTES.map((minutes) => {
      const n = caught.filter((minute) => minute <= minutes).length, [low, high] = wilson(n, days);
      rows.push({ what: `caught within ${minutes} min, %: ${fault}`, value: 100 * n / days });
      return `${percent(n / days)} (${percent(low)} to ${percent(high)})`;
    });
    say(`| ${fault} | ${cells.join(" | ")} |`);
  }
  if (args.includes("--json")) print("guard", `${days} simulated days each`, rows, true);
}

/** Prints the bounds: 5 % beside 1 %, 10 outcomes a minute in each arm, 10 false rollbacks in 1,000 days. */
function bound(): void {
  const minutes = [15, 20, 30, 45, 60, 90], aDay = 0.01;
  const row = (what: string, power: (n: number) => number) =>
    console.log(`| ${what} | ${minutes.map((m) => `${(power(10 * m) * 100).toFixed(1)} %`).join(" | ")} |`);
  const share = (n: number) => aDay * n / (10 * 1440);
  console.log(
    `| Best rule | ${minutes.map((m) => `${m} min`).join(" | ")} |\n|---|${
      minutes.map(() => "---|").join("")
    }`,
  );
  row("rate known, all false rollbacks in this window", (n) => powerOfKnown(n, 0.01, 0.05, aDay));
  row("rate known, any window", (n) => powerOfKnown(n, 0.01, 0.05, share(n)));
  row("rate from the other arm, any window", (n) => powerOfCompared(n, 0.01, 0.05, share(n)));
}
