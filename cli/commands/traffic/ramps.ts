/** `gatelink traffic ramps`: the ramps so far, and how often they succeeded. */
import { GREEN_FLAG } from "../../../supabase/functions/_shared/contract/traffic.ts";
import type { Command } from "commander";
import { type Cell, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { whole } from "../../core/values.ts";

interface Row {
  id: string;
  plan: string;
  state: string;
  started_at: string | null;
  finished_at: string | null;
}

/** What plans ask of deployments, as figures of the ramps that are over. */
export interface RampFigures {
  completed: number;
  rolled_back: number;
  /** Shares of the ramps that are over; null without any. */
  success_rate: number | null;
  rollback_rate: number | null;
  /** Median of the completed ones, from the start to the end; null without any. */
  median_minutes: number | null;
}

/** Figures of ramps; those under way do not count. */
export function rampFigures(rows: readonly Pick<Row, "state" | "started_at" | "finished_at">[]): RampFigures {
  const completed = rows.filter(({ state }) => state === "completed");
  const back = rows.filter(({ state, started_at }) => state === "rolled_back" && started_at !== null).length;
  const over = completed.length + back;
  const minutes = completed.map(minutesOf).filter((value) => value !== null).sort((a, b) => a - b);
  const middle = minutes.length >> 1;
  return {
    completed: completed.length,
    rolled_back: back,
    success_rate: over === 0 ? null : completed.length / over,
    rollback_rate: over === 0 ? null : back / over,
    median_minutes: minutes.length === 0
      ? null
      : minutes.length % 2 === 1
      ? minutes[middle]
      : (minutes[middle - 1] + minutes[middle]) / 2,
  };
}

function minutesOf({ started_at, finished_at }: Pick<Row, "started_at" | "finished_at">): number | null {
  if (started_at === null || finished_at === null) return null;
  return Math.round((Date.parse(finished_at) - Date.parse(started_at)) / 60_000);
}

/** Adds the command. */
export function ramps(group: Command, run: Run): void {
  group.command("ramps").description("list the ramps so far, with their success and rollback rates")
    .option("--limit <n>", "the newest N", whole(1, 500), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink traffic ramps`,
    )
    .action(({ limit }: { limit: number }) =>
      run(async (session) => {
        const api = await session.api();
        const rows = await api.rows((client) =>
          client.from("rollouts").select("id,plan,state,started_at,finished_at").eq("flag_key", GREEN_FLAG)
            .order("created_at", { ascending: false }).limit(limit)
        );
        const figures = rampFigures(rows);
        const percent = (share: number | null) => share === null ? "-" : `${+(share * 100).toFixed(1)} %`;
        const list = table(
          ["ramp", "plan", "state", "started", "minutes"],
          rows.map((row): Cell[] => [
            row.id,
            row.plan,
            row.state,
            row.started_at === null ? "" : time(row.started_at),
            minutesOf(row) ?? "",
          ]),
          "No ramps yet.",
        );
        return {
          document: { ramps: rows, figures },
          text: `${list}\n\nSuccess rate ${percent(figures.success_rate)}, rollback rate ${
            percent(figures.rollback_rate)
          }, median ${figures.median_minutes ?? "-"} minutes from start to end.`,
        };
      })
    );
}
