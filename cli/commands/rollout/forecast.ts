/**
 * `gatelink rollout forecast`: how long a plan takes with the current traffic, and how soon a fault would be
 * detected.
 */
import type { Command } from "commander";
import type { Forecast } from "../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { flagKey, percentage } from "../flags/api.ts";
import { age, type Cell, table } from "../../core/output.ts";
import { planned, planOf, type PlanOptions } from "./plan.ts";
import type { Run } from "../../core/session.ts";
import { positive } from "../../core/values.ts";

/** Adds the command. */
export function forecasting(group: Command, run: Run): void {
  planned(
    group.command("forecast").description(
      "estimate the duration of each stage, and how soon a failure is detected",
    ),
  )
    .argument("<flag>", "the flag; .enabled is optional", flagKey)
    .option("--per-minute <n>", "outcomes per minute (default: measured in the last 7 days)", positive)
    .option("--failure-rate <percent>", "current failure rate (default: measured)", percentage)
    .addHelpText(
      "after",
      `
Exit code 1 if a stage cannot be passed at today's failure rate.

Examples:
  gatelink rollout forecast deeplinks --template canary
  gatelink rollout forecast deeplinks --template standard --per-minute 2 --failure-rate 0.1`,
    )
    .action((flag: string, options: PlanOptions & { perMinute?: number; failureRate?: number }) =>
      run(async (session) => {
        const forecast = await (await session.api()).rpc("forecast_rollout", {
          p_flag_key: flag,
          p_plan: await planOf(session.io, options),
          p_per_minute: options.perMinute ?? null,
          p_failure_rate: options.failureRate === undefined ? null : options.failureRate / 100,
        });
        return { document: forecast, text: forecastText(forecast), failed: !forecast.passes };
      })
    );
}

function forecastText({ traffic, per_minute, failure_rate, stages, minutes, passes }: Forecast): string {
  const wait = (value: number | null | undefined): Cell => value == null ? null : age(value * 60);
  return [
    traffic === "unknown"
      ? "No outcomes have been counted for this flag, so only the hold times are known. Give --per-minute."
      : `${per_minute} outcomes per minute${traffic === "measured" ? " in the last 7 days" : ""}` +
        (failure_rate === null ? "." : `, of which ${+(failure_rate * 100).toFixed(3)} % fail.`),
    table(
      ["stage", "lasts", "because of", "outcomes needed", "2x detected in", "5x", "20 %"],
      stages.map((stage): Cell[] => [
        stage.name,
        stage.passes ? age(stage.minutes * 60) : ["red", "cannot be passed"],
        (stage.minutes_for_samples ?? 0) > stage.hold_minutes ? "the traffic" : "its hold time",
        stage.samples_needed,
        wait(stage.caught_after_minutes?.["2x"]),
        wait(stage.caught_after_minutes?.["5x"]),
        wait(stage.caught_after_minutes?.["20%"]),
      ]),
    ),
    passes
      ? `At least ${age(minutes * 60)} in total.`
      : "At today's failure rate a stage cannot be passed: fix the cause first, or allow a higher rate in the plan.",
  ].join("\n\n");
}
