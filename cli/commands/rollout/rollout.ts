/** `gatelink rollout`: a flag that goes live by stages, watched, and taken back by itself. */
import { ROLLOUT_STATE_WORDS } from "../../../supabase/functions/_shared/contract/words/rollout_states.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import type { Api } from "../../core/api.ts";
import { flagKey } from "../flags/api.ts";
import { age, type Cell, facts, table, time } from "../../core/output.ts";
import { forecasting } from "./forecast.ts";
import { moves } from "./moves.ts";
import { notices } from "./notices.ts";
import { notifying } from "./notify.ts";
import { planned, planOf, type PlanOptions, planWords } from "./plan.ts";
import { replaying } from "./replay.ts";
import { eventsOf, listRollouts, type Rollout, rolloutNamed, type Stage, stagesOf } from "./api.ts";
import type { Result, Run } from "../../core/session.ts";
import { reason, whole } from "../../core/values.ts";

/** Defines the commands of the group. */
export function rollout(group: Command, run: Run): void {
  creating(group, run);
  listing(group, run);
  showing(group, run);
  forecasting(group, run);
  moves(group, run);
  replaying(group, run);
  notices(group, run);
  notifying(group, run);
}

function creating(group: Command, run: Run): void {
  planned(group.command("create").description("plan a rollout; rollout start starts it"))
    .argument("<flag>", "the flag; .enabled is optional", flagKey)
    .option("--why <reason>", "the reason, which is recorded", reason)
    .addHelpText(
      "after",
      `
Your own plan is a file like this one. Percentages are in percent, error rates are fractions (0.01 is 1 %), latencies in
milliseconds. docs/rollouts.md describes all members of a stage.

  {"stages": [
    {"name": "a tenth", "percentage": 10, "hold_minutes": 60, "min_samples": 300,
     "advance_when": {"error_rate_below": 0.01}, "roll_back_when": {"error_rate_above": 0.02}},
    {"name": "all", "percentage": 100, "hold_minutes": 1440, "min_samples": 1000,
     "advance_when": {"error_rate_below": 0.01}, "roll_back_when": {"error_rate_above": 0.02}}]}

Examples:
  gatelink rollout create deeplinks --template standard --segment team
  gatelink rollout create deeplinks --template canary --why "after the fix"
  gatelink rollout create deeplinks --plan plans/deeplinks.json`,
    )
    .action((flag: string, options: PlanOptions & { why?: string }) =>
      run(async (session) => {
        const plan = await planOf(session.io, options);
        const api = await session.api();
        const rollout = await api.rpc("create_rollout", {
          p_flag_key: flag,
          p_plan: plan,
          p_reason: options.why ?? null,
        });
        const stages = await stagesOf(api, rollout.id);
        return {
          document: { ...rollout, stages },
          text: `${stageTable(rollout, stages)}\n\nRollout ${rollout.id} of ${flag} is planned. ` +
            `Estimate its duration: gatelink rollout forecast ${flag} ${planWords(options)}\n` +
            `Check what is missing: gatelink gates ${flag}\nStart it: gatelink rollout start ${rollout.id}`,
        };
      })
    );
}

function listing(group: Command, run: Run): void {
  group.command("list").description("list the rollouts, newest first")
    .option("--limit <n>", "show at most N", whole(1, 1000), 20)
    .addHelpText(
      "after",
      `
Example:
  gatelink rollout list`,
    )
    .action(({ limit }: { limit: number }) =>
      run(async (session) => {
        const rows = await listRollouts(await session.api(), limit);
        return {
          document: rows,
          text: table(
            ["rollout", "flag", "plan", "state", "stage", "since"],
            rows.map((row): Cell[] => [
              row.id,
              row.flag_key,
              row.plan,
              stateOf(row),
              row.stage,
              time(row.finished_at ?? row.stage_started_at ?? row.created_at),
            ]),
            "No rollouts yet: gatelink rollout create FLAG --template standard --segment team",
          ),
        };
      })
    );
}

const COLOURS = {
  draft: "dim",
  running: "green",
  paused: "yellow",
  completed: "green",
  rolled_back: "red",
} as const;

function stateOf({ state }: Rollout): Cell {
  return [COLOURS[state], ROLLOUT_STATE_WORDS[state]];
}

function showing(group: Command, run: Run): void {
  group.command("show").description("show a rollout's state, stages and events")
    .argument("<rollout>", "its id, or its flag")
    .addHelpText(
      "after",
      `
Example:
  gatelink rollout show deeplinks`,
    )
    .action((name: string) => run(async (session) => await shown(await session.api(), name)));
}

async function shown(api: Api, name: string): Promise<Result> {
  const rollout = await rolloutNamed(api, name);
  const underWay = rollout.state === "running" || rollout.state === "paused";
  const [stages, events, watch, switches] = await Promise.all([
    stagesOf(api, rollout.id),
    eventsOf(api, rollout.id),
    underWay ? api.rpc("watch_rollout", { p_id: rollout.id }) : null,
    api.rpc("list_kill_switches", {}),
  ]);
  const killedSince = switches.find(({ flag_key }) => flag_key === rollout.flag_key)?.since ?? null;
  const signals = watch?.signals.seen ?? null;
  const seen = rollout.guard?.seen;
  return {
    document: { ...rollout, killed_since: killedSince, signals, stages, events },
    text: [
      facts({
        rollout: rollout.id,
        flag: rollout.flag_key,
        plan: rollout.plan,
        state: stateOf(rollout),
        "waits because": rollout.state === "running" ? rollout.hold_reason : null,
        seen: seen ? `${counted(seen.n, "outcome")} in this stage, ${seen.failed} failed` : null,
        "kill switch": killedSince === null
          ? null
          : ["red", `set since ${time(killedSince)}: nobody has the feature`],
        complaints: signals &&
          `${signals.complaints} in this stage (${signals.complaints_without} without the feature)`,
        ratings: signals && signals.ratings > 0
          ? `${signals.positive} of ${signals.ratings} are content`
          : null,
        ...Object.fromEntries((signals?.metrics ?? []).map(({ name, on, off, per_day }) => [
          name,
          `${counted(on, "person", "people")} with the feature, ${off} without it; ${per_day} a day with it`,
        ])),
        version: rollout.version,
      }),
      stageTable(rollout, stages),
      table(
        ["when", "what", "stage", "by", "message", "why"],
        events.map((
          event,
        ) => [time(event.at), event.kind, event.stage, event.actor, event.message, event.reason]),
      ),
    ].join("\n\n"),
  };
}

/** The stages, with the current one marked. */
function stageTable(rollout: Rollout, stages: Stage[]): string {
  return table(
    ["", "stage", "on for", "lasts", "samples", "advances when", "rolls back when", "began"],
    stages.map((stage): Cell[] => [
      rollout.stage === stage.position && rollout.state !== "completed" ? ["bold", ">"] : " ",
      stage.name,
      [
        ...(Number(stage.percentage) > 0 ? [`${Number(stage.percentage)} %`] : []),
        ...(stage.users === null ? [] : [`${counted(stage.users, "person", "people")} chosen`]),
        ...(stage.user_ids.length ? [counted(stage.user_ids.length, "person", "people")] : []),
        ...stage.segments,
      ].join(", "),
      age(stage.hold_minutes * 60),
      stage.min_samples,
      [words(stage.advance_when), ...stage.metrics.map(metricWords)].filter((text) => text !== "").join(", "),
      words(stage.roll_back_when) +
      (stage.first_day === null ? "" : ` (first day: ${words(stage.first_day)})`),
      time(stage.entered_at),
    ]),
  );
}

/** `{"error_rate_below":0.01}` -> `error rate below 1 %`. */
function words(criteria: object): string {
  return Object.entries(criteria).sort().map(([name, value]) => {
    if (typeof value === "object" && value !== null) {
      const { minutes, min_samples: _, ...rest } = value as Record<string, unknown>;
      return `${words(rest)} for ${minutes} min`;
    }
    const said = name.replaceAll("_", " ").replace(" ms ", " ");
    if (value === true) return said;
    if (/^(error_rate|positive_share)/.test(name)) return `${said} ${percentOf(value as number)}`;
    return `${said} ${/_ms_/.test(name) ? `${value} ms` : value}`;
  }).join(", ");
}

function percentOf(share: number): string {
  return `${+(share * 100).toFixed(3)} %`;
}

/** `checkout.completed not down by more than 5 %`. */
function metricWords(
  { name, max_fall, max_rise, then, at_least_per_day, of, share_above, share_below, ...back }:
    Stage["metrics"][number],
): string {
  return [
    ...(max_fall === undefined
      ? []
      : [`${name} not down by more than ${percentOf(max_fall)}${then === "roll_back" ? ", else back" : ""}`]),
    ...(max_rise === undefined
      ? []
      : [`${name} not up by more than ${percentOf(max_rise)}${then === "roll_back" ? ", else back" : ""}`]),
    ...(at_least_per_day === undefined ? [] : [`${name} at least ${at_least_per_day} a day`]),
    ...(share_above === undefined ? [] : [`${name} above ${percentOf(share_above)} of ${of}`]),
    ...(share_below === undefined ? [] : [`${name} below ${percentOf(share_below)} of ${of}`]),
    ...(back.back_below === undefined
      ? []
      : [`${name} not below ${percentOf(back.back_below)} of ${of}, else back`]),
    ...(back.back_above === undefined
      ? []
      : [`${name} not above ${percentOf(back.back_above)} of ${of}, else back`]),
    ...(back.at_most_per_hour === undefined
      ? []
      : [`${name} at most ${back.at_most_per_hour} times an hour, else back`]),
  ].join(", ");
}
