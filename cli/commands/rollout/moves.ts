/** `gatelink rollout start | pause | resume | advance | back | complete`. */
import { ROLLOUT_STATE_WORDS } from "../../../supabase/functions/_shared/contract/words/rollout_states.ts";
import type { Command } from "commander";
import { fromCheckout } from "../../core/checkout.ts";
import { CliError } from "../../core/errors.ts";
import { again, type FlagRow, listFlags } from "../flags/api.ts";
import { openGates } from "../gates/gate.ts";
import { clean } from "../../core/output.ts";
import { type Rollout, rolloutNamed, stagesOf } from "./api.ts";
import type { Run } from "../../core/session.ts";
import { reason, whole } from "../../core/values.ts";

/** Adds the commands. */
export function moves(group: Command, run: Run): void {
  starting(group, run);
  for (const [verb, rpc, description, needsReason, told] of MOVES) {
    const command = group.command(verb).description(description).argument("<rollout>", "its id, or its flag");
    (needsReason
      ? command.requiredOption("--why <reason>", "the reason, which is recorded", reason)
      : command.option("--why <reason>", "the reason, which is recorded", reason))
      .option("--version <n>", "only if it is still at this version (see rollout show)", whole(0, 1e15))
      .addHelpText(
        "after",
        `
Example:
  gatelink rollout ${verb} deeplinks --why "${EXAMPLES[verb]}"`,
      )
      .action((name: string, options: { why?: string; version?: number }) =>
        run(async (session) => {
          const api = await session.api();
          const { id, version, flag_key } = await rolloutNamed(api, name);
          // It may have been deleted: its rollout has to end all the same.
          const flag = (await listFlags(api)).find(({ key }) => key === flag_key);
          const rollout = await api.rpc(rpc, {
            p_id: id,
            p_expected_version: options.version ?? version,
            p_reason: options.why ?? null,
          });
          const stage = (await stagesOf(api, id)).find(({ position }) => position === rollout.stage);
          return { document: rollout, text: `${flag_key}: ${told(clean(stage?.name ?? ""), rollout, flag)}` };
        })
      );
  }
}

type Verb = "pause" | "resume" | "advance" | "back" | "complete";

const MOVES: [
  Verb,
  `${"pause" | "resume" | "advance" | "roll_back" | "complete"}_rollout`,
  string,
  boolean,
  (stage: string, rollout: Rollout, before: FlagRow | undefined) => string,
][] = [
  [
    "pause",
    "pause_rollout",
    "pause a rollout at its stage; the guard can still roll it back",
    false,
    (stage) => `paused at ${stage}.`,
  ],
  [
    "resume",
    "resume_rollout",
    "resume a paused rollout; its stage restarts",
    false,
    (stage) => `resumed; ${stage} restarts.`,
  ],
  [
    "advance",
    "advance_rollout",
    "advance to the next stage before the guard does; a paused rollout stays paused",
    true,
    (stage, { state, id }) =>
      state === "completed"
        ? "completed: on for everybody."
        : `${stage} began${
          state === "paused" ? `, and it stays paused until gatelink rollout resume ${id}` : ""
        }.`,
  ],
  [
    "back",
    "roll_back_rollout",
    "turn the flag off and end the rollout; rollback 1 also verifies it",
    true,
    (_, { flag_key }, before) =>
      `rolled back: the flag is off. To turn it on again: ${
        again(flag_key, before?.value === "true" ? before.version : undefined)
      }`,
  ],
  [
    "complete",
    "complete_rollout",
    "turn the flag on for everybody and end the rollout, skipping the remaining stages",
    true,
    () => "completed: on for everybody.",
  ],
];

const EXAMPLES: Record<Verb, string> = {
  pause: "a customer complains",
  resume: "it was another service",
  advance: "enough is known",
  back: "wrong totals",
  complete: "tried long enough",
};

interface StartOptions {
  why?: string;
  override?: string;
  version?: number;
  projectRef?: string;
}

function starting(group: Command, run: Run): void {
  group.command("start").description("start a planned rollout; refused while a launch gate is open")
    .argument("<rollout>", "its id, or its flag")
    .option("--why <reason>", "the reason, which is recorded", reason)
    .option(
      "--override <reason>",
      "start despite open gates, for this reason, which is recorded with them",
      reason,
    )
    .option("--project-ref <ref>", "the hosted project, if the stack's address does not contain it")
    .option("--version <n>", "only if it is still at this version", whole(0, 1e15))
    .addHelpText(
      "after",
      `
Examples:
  gatelink rollout start deeplinks
  gatelink rollout start deeplinks --override "an incident: the old way is broken altogether"`,
    )
    .action((name: string, options: StartOptions) =>
      run(async (session) => {
        const { runGates } = await fromCheckout("gatelink rollout start", () => import("../gates/run.ts"));
        const api = await session.api();
        const { id, version, flag_key, state } = await rolloutNamed(api, name);
        if (state !== "draft") {
          throw new CliError(
            "conflict",
            `Rollout ${id} of ${flag_key} is ${ROLLOUT_STATE_WORDS[state]}.`,
            "Plan a new one: gatelink rollout create",
          );
        }
        const gates = await runGates(session, flag_key, { projectRef: options.projectRef });
        const open = openGates(gates);
        if (open.length > 0 && !options.override?.trim()) {
          throw new CliError(
            "refused",
            `${flag_key} is not ready: ${open.map(({ id }) => id).join(", ")} ${
              open.length === 1 ? "is" : "are"
            } open.`,
            `gatelink gates ${flag_key} gives the reasons. --override "…" starts it anyway, which is recorded.`,
          );
        }
        const rollout = await api.rpc("start_rollout", {
          p_id: id,
          p_expected_version: options.version ?? version,
          p_reason: options.why ?? options.override ?? null,
          p_gates: {
            gates: gates.map(({ id, status, detail }) => ({ id, status, detail })),
            override: open.length > 0 ? options.override : null,
          },
        });
        return {
          document: { ...rollout, overridden: open.map(({ id }) => id) },
          text: `${flag_key}: started. ${
            open.length === 0
              ? "All gates are closed."
              : `Overridden: ${open.map(({ id }) => id).join(", ")}.`
          }\nThe guard looks every minute: gatelink rollout show ${flag_key}`,
        };
      })
    );
}
