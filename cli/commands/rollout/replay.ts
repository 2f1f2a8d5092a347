/** `gatelink rollout replay`: recomputes the guard's verdicts from their stored evidence. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { replay } from "../../../supabase/functions/_shared/rollouts/replay.ts";
import { table, time, verdict } from "../../core/output.ts";
import { rolloutNamed } from "./api.ts";
import type { Run } from "../../core/session.ts";

/** Adds the command. */
export function replaying(group: Command, run: Run): void {
  group.command("replay").description("recompute a rollout's verdicts from their evidence")
    .argument("<rollout>", "its id, or its flag")
    .addHelpText(
      "after",
      `
Recomputes SQL's decisions in TypeScript from the counts of each minute. Exit code 1 if anything differs.

Example:
  gatelink rollout replay deeplinks`,
    )
    .action((name: string) =>
      run(async (session) => {
        const api = await session.api();
        const rollout = await rolloutNamed(api, name);
        const events = await api.rows((client) =>
          client.from("rollout_events").select("id,at,kind,stage,verdict,rule,evidence").eq(
            "rollout_id",
            rollout.id,
          )
            .order("at").order("id")
        );
        const replayed = replay(events);
        const differing = replayed.filter(({ differences }) => differences.length > 0);
        return {
          document: {
            rollout: rollout.id,
            flag: rollout.flag_key,
            same: differing.length === 0,
            verdicts: replayed,
          },
          text: table(
            [
              "",
              "when",
              "what",
              "stage",
              "minutes",
              "S errors",
              "relative",
              "S slow",
              "relative",
              "verdict",
              "recomputed",
              "differs in",
            ],
            replayed.map((one) => [
              verdict(one.differences.length === 0),
              time(one.at),
              one.kind,
              one.stage,
              one.minutes,
              ...one.highest.map((s) => +(s / 1e6).toFixed(2)),
              one.recorded.verdict === null
                ? "by a person"
                : `${one.recorded.verdict} (${one.recorded.rule})`,
              `${one.recomputed.verdict} (${one.recomputed.rule})`,
              one.differences.join(", "),
            ]),
            "This rollout has no verdicts with evidence yet.",
          ) + (replayed.length === 0
            ? ""
            : `\n\n${counted(replayed.length, "verdict")}, ${
              differing.length === 0 ? "each as recorded" : `${differing.length} not as recorded`
            }.`),
          failed: differing.length > 0,
        };
      })
    );
}
