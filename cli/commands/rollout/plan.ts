/** Rollout plans in the command line. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { RolloutPlan, TemplatePlan } from "../../../supabase/functions/_shared/contract/arguments.ts";
import { checkPlan } from "../../../supabase/functions/_shared/rollouts/plan.ts";
import { CliError } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";
import { fromHere } from "../../core/paths.ts";
import { several } from "../../core/values.ts";

/** The built-in plans. */
const TEMPLATES = [
  ...["standard", "canary", "replies", "masking"],
  ...["mail-routing", "mail-analysis", "dynamic-routing", "mail-replies"],
] as const;

/** The choice of a plan. */
export interface PlanOptions {
  template?: string;
  plan?: string;
  user?: string[];
  segment?: string[];
}

/** Adds the options that choose a plan. */
export function planned(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--template <name>",
        "standard: internal, 10, 25, 50, 75, 100 % in 17 days; canary: 1 to 100 % in 5.5 hours; " +
          "replies: 10 to 100 % in a week, 30 days in all, for email_reply_tokens; " +
          "masking: one or two organisations for a week, then everybody, for the flags of masked messaging; " +
          "mail-routing, mail-analysis, dynamic-routing, mail-replies: the phases of mail to Telegram, for mail_routing, " +
          "mail_analysis, dynamic_routing and email_replies",
      )
        .choices([...TEMPLATES]),
    )
    .option("--plan <file>", "or your own plan, a JSON file: {name, stages}")
    .option(
      "--user <id>",
      "who has the feature in the first stage of standard, masking (org:<id>), dynamic-routing (type:<type>) or mail-replies; repeatable",
      several((id) => id),
    )
    .option("--segment <key>", "a segment that has it in that stage", several((key) => key));
}

/** The plan that the options name, validated. @throws {CliError} usage, invalid */
export async function planOf(
  io: Io,
  { template, plan, user, segment }: PlanOptions,
): Promise<RolloutPlan | TemplatePlan> {
  const oneOfTwo = () =>
    new CliError("usage", "Give --template or --plan.", "gatelink rollout create --help");
  if (template !== undefined) {
    if (plan !== undefined) throw oneOfTwo();
    return { template, user_ids: user, segments: segment };
  }
  if (plan === undefined) throw oneOfTwo();
  if (user !== undefined || segment !== undefined) {
    throw new CliError(
      "usage",
      "--user and --segment only apply to --template.",
      "In a plan they belong to a stage.",
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(await readFile(fromHere(io, plan), "utf8"));
  } catch (error) {
    throw new CliError(
      "usage",
      `${plan} cannot be read: ${(error as Error).message}`,
      "Give a JSON file.",
    );
  }
  const checked = checkPlan(value);
  if (checked.ok) return checked.plan;
  throw new CliError(
    "invalid",
    `${plan}: ${checked.faults.map(({ path, message }) => `${path} ${message}`.trim()).join("; ")}`,
    "docs/rollouts.md describes plans with an example; gatelink rollout create --help has a short one.",
  );
}

/** The same options, as typed. */
export function planWords({ template, plan }: PlanOptions): string {
  return template === undefined ? `--plan ${plan}` : `--template ${template}`;
}
