/** `gatelink flags`: turn features on and off, for everybody or for some. */
import { audience } from "../../../supabase/functions/_shared/contract/words/flags.ts";
import { Argument, type Command, Option } from "commander";
import { switchName } from "../../../supabase/functions/_shared/config/kill_switch.ts";
import { CliError } from "../../core/errors.ts";
import {
  describeUnmet,
  flagKey,
  flagNamed,
  type FlagRow,
  listFlags,
  percentage,
  unmet,
  versionOf,
} from "./api.ts";
import { carrying } from "./carry.ts";
import { history, schedule } from "./history.ts";
import { segments, targets } from "./people.ts";
import { stale } from "./stale.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import { currentRollout } from "../rollout/api.ts";
import type { Run } from "../../core/session.ts";
import { reason, several, whole } from "../../core/values.ts";

/** Defines the commands of the group. */
export function flags(group: Command, run: Run): void {
  listing(group, run);
  showing(group, run);
  setting(group, run);
  targets(group, run);
  segments(group, run);
  schedule(group, run);
  history(group, run);
  stale(group, run);
  carrying(group, run);
}

function listing(group: Command, run: Run): void {
  group.command("list").description("list all flags")
    .addHelpText(
      "after",
      `
Example:
  gatelink flags list`,
    )
    .action(() =>
      run(async (session) => {
        const rows = await listFlags(await session.api());
        return {
          document: rows.map((row) => ({ ...row, on_for: audience(row), unmet: unmet(row, rows) })),
          text: table(
            ["flag", "", "on for", "changed", "by"],
            rows.map((
              row,
            ): Cell[] => [row.key, stateOf(row), onFor(row, rows), time(row.updated_at), row.updated_by]),
            'No flag yet: gatelink flags set NAME off --new --why "…"',
          ),
        };
      })
    );
}

/** Whom it is on for; nobody, with the reason, while a prerequisite is off. */
function onFor(flag: FlagRow, rows: FlagRow[]): Cell {
  const needs = flag.value === "true" ? unmet(flag, rows) : [];
  return needs.length === 0 ? audience(flag) : ["yellow", `nobody: ${describeUnmet(needs)}`];
}

function stateOf({ value }: FlagRow): Cell {
  return value === "true" ? ["green", "on"] : ["dim", "off"];
}

function showing(group: Command, run: Run): void {
  group.command("show").description("show all details of a flag")
    .argument("<flag>", "its key; .enabled is optional", flagKey)
    .addHelpText(
      "after",
      `
Example:
  gatelink flags show deeplinks`,
    )
    .action((key: string) =>
      run(async (session) => {
        const api = await session.api();
        const flag = await flagNamed(api, key);
        const [rollout, rows] = await Promise.all([currentRollout(api, key), listFlags(api)]);
        const { metadata } = flag;
        const list = (values: string[] | undefined) => values?.length ? values.join(", ") : null;
        return {
          document: {
            ...flag,
            on_for: audience(flag),
            unmet: unmet(flag, rows),
            kill_switch: switchName(key),
            rollout: rollout ?? null,
          },
          text: facts({
            flag: key,
            state: stateOf(flag),
            "on for": onFor(flag, rows),
            people: shortened(metadata.target_user_ids),
            segments: list(metadata.target_segments),
            needs: list(metadata.prerequisites),
            "not met": describeUnmet(unmet(flag, rows)) || null,
            "turns on": metadata.schedule?.on_at ?? null,
            "turns off": metadata.schedule?.off_at ?? null,
            rollout: rollout === undefined ? null : `${rollout.id}, ${rollout.state}, stage ${rollout.stage}`,
            "kill switch": switchName(key),
            approvers: list(metadata.approvers),
            "apps may read it": metadata.client === true ? "yes" : "no",
            description: metadata.description ?? null,
            launched: metadata.launched_at ?? null,
            version: flag.version,
            changed: `${time(flag.updated_at)} by ${flag.updated_by}`,
          }),
        };
      })
    );
}

/** Number of ids shown as text; --json has all of them. */
const SHOWN = 20;

/** `a, b and 19,998 more (--json has them)`. */
function shortened(ids: string[] | undefined): string | null {
  if (!ids?.length) return null;
  const more = ids.length - SHOWN;
  return ids.slice(0, SHOWN).join(", ") + (more > 0 ? ` and ${more} more (--json has them)` : "");
}

interface SetOptions {
  why: string;
  percentage?: number;
  needs?: string[];
  description?: string;
  client?: boolean;
  approvers?: string[];
  new?: boolean;
  version?: number;
}

const APPROVERS = ["engineering", "security", "product", "cto"];

function setting(group: Command, run: Run): void {
  group.command("set").description("turn a flag on or off, or change it; takes effect within 5 seconds")
    .argument("<flag>", "its key; .enabled is optional", flagKey)
    .addArgument(new Argument("[state]", "on or off").choices(["on", "off"]))
    .requiredOption("--why <reason>", "the reason, recorded in the history", reason)
    .option("--percentage <n>", "percentage of people, 0 to 100 in steps of 0.01", percentage)
    .option(
      "--needs <flag>",
      "a flag that must be on for the same person; repeatable, none for no flag",
      several(needed),
    )
    .option("--description <text>", "its purpose")
    .option(
      "--client",
      "let apps with a publishable key read it; by default they cannot",
    )
    .option("--no-client", "hide it from apps again")
    .addOption(
      new Option("--approvers <roles...>", "roles that have to approve its launch").choices(APPROVERS),
    )
    .option("--new", "create the flag; otherwise an unknown flag is refused")
    .option("--version <n>", "only if it is still at this version (see flags show)", whole(0, 1e15))
    .addHelpText(
      "after",
      `
While a rollout of the flag is in progress, off ends the rollout, and another percentage pauses it.

Examples:
  gatelink flags set referrals off --new --why "for the launch in March" --description "Invitations by link"
  gatelink flags set referrals on --percentage 5 --why "first look"
  gatelink flags set referrals --needs deeplinks --why "its links are deep links"
  gatelink flags set referrals off --why "wrong totals"`,
    )
    .action((key: string, state: "on" | "off" | undefined, options: SetOptions) =>
      run(async (session) => {
        const api = await session.api();
        const { percentage, needs, description, client, approvers } = options;
        const changes = {
          ...(state === undefined ? {} : { on: state === "on" }),
          ...(percentage === undefined ? {} : { percentage }),
          ...(needs === undefined ? {} : { prerequisites: needs.filter((need) => need !== NONE) }),
          ...(description === undefined ? {} : { description }),
          ...(client === undefined ? {} : { client }),
        };
        if (Object.keys(changes).length === 0 && approvers === undefined) {
          throw new CliError(
            "usage",
            "Nothing to change.",
            "gatelink flags set --help lists the options.",
          );
        }
        let flag: FlagRow = options.new
          ? { key, value: "false", metadata: {}, version: 0, updated_at: "", updated_by: "" }
          : await flagNamed(api, key);
        const start = flag.metadata.schedule?.on_at;
        const before = audience(flag);
        const expected = options.new ? 0 : versionOf(flag, options.version);
        if (Object.keys(changes).length > 0 || options.new) {
          flag = await api.rpc("set_flag", {
            p_key: key,
            p_changes: changes,
            p_expected_version: expected,
            p_reason: options.why,
          });
        }
        if (approvers !== undefined) {
          flag = await api.rpc("set_setting", {
            p_key: key,
            p_value: flag.value,
            p_metadata: { ...flag.metadata, approvers },
            p_expected_version: flag.version,
            p_reason: options.why,
          });
        }
        const missing = flag.value === "true" ? unmet(flag, await listFlags(api)) : [];
        return {
          document: { ...flag, on_for: audience(flag), unmet: missing },
          text:
            `${key} is ${flag.value === "true" ? "on" : "off"}, for ${
              audience(flag)
            } (version ${flag.version}). ` +
            `Every function sees it within 5 seconds.` +
            (start === undefined || flag.metadata.schedule?.on_at !== undefined
              ? ""
              : `\nThe clock no longer turns it on at ${start}.`) +
            (audience(flag) !== "everybody" || before === "everybody"
              ? ""
              : `\nIts launch gates were not asked, which the history says: gatelink gates ${key}`) +
            (missing.length === 0 ? "" : `\nNobody has it yet: ${describeUnmet(missing)}.`),
        };
      })
    );
}

const NONE = "none";

function needed(text: string): string {
  return text === NONE ? NONE : flagKey(text);
}
