/** `gatelink flags export | import`: carries flags, segments and plans of rollouts from one stack to another. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Api } from "../../core/api.ts";
import { CliError, told } from "../../core/errors.ts";
import { type Cell, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { reason } from "../../core/values.ts";
import { loadConfig } from "../../core/config.ts";
import { flagKey, type FlagRow, listFlags } from "./api.ts";
import { type Carried, carriedFaults, compareFlag } from "./carried.ts";
import { carriedOf, listRollouts, listSegments } from "./carry_read.ts";

/** Adds the commands. */
export function carrying(group: Command, run: Run): void {
  group.command("export").description("write flags, their segments and plans as JSON, for another stack")
    .argument("[flags...]", "only these; .enabled is optional (default: all)")
    .option("--file <path>", "write it to a file")
    .option("--with-people", "also the people of segments, targets and plans")
    .addHelpText(
      "after",
      `
Examples:
  gatelink flags export --file flags.json
  gatelink flags export checkout --with-people --json`,
    )
    .action((names: string[], options: { file?: string; withPeople?: boolean }) =>
      run(async (session) => {
        const document = await carriedOf(
          await session.api(),
          names.map(flagKey),
          options.withPeople === true,
        );
        const text = JSON.stringify(document, null, 2);
        if (options.file === undefined) return { document, text };
        await writeFile(resolve(session.io.cwd, options.file), `${text}\n`);
        return {
          document,
          text: `${counted(document.flags.length, "flag")}, ${
            counted(document.segments.length, "segment")
          } and ${
            counted(document.plans.length, "plan")
          } are in ${options.file}. On the other stack: gatelink flags import ${options.file}`,
        };
      })
    );

  group.command("import").description("show what an export would change on this stack, or change it")
    .argument("<file>", "what flags export wrote")
    .option("--apply", "make the changes; without it nothing is changed")
    .option(
      "--with-state",
      "also whether a flag is on, and its percentage; otherwise new flags are off, others stay as they are",
    )
    .option("--with-people", "also the people of segments, targets and plans, as far as the file has them")
    .option("--why <reason>", "the reason, recorded in the history", reason)
    .addHelpText(
      "after",
      `
What somebody changed since this command read it, and a flag whose rollout is in progress, is a conflict: it is left as it is
and listed. Exit code 1 if there is any.

Examples:
  GATELINK_STACK=staging/stack.json gatelink flags export --file flags.json
  gatelink flags import flags.json
  gatelink flags import flags.json --apply --why "as on staging"`,
    )
    .action((path: string, options: ImportOptions) =>
      run(async (session) => {
        if (options.apply && options.why === undefined) {
          throw new CliError("usage", "--apply needs --why.", 'gatelink flags import FILE --apply --why "…"');
        }
        const carried = await readCarried(resolve(session.io.cwd, path), path);
        const steps = await compare(await session.api(), carried, options);
        if (options.apply) {
          for (const step of steps) {
            if (step.apply === undefined) continue;
            session.progress(`${step.what} …`);
            try {
              await step.apply();
              step.outcome = "done";
            } catch (error) {
              step.outcome = "conflict";
              step.detail = told(error).message;
            }
          }
        }
        const document = steps.map(({ apply: _, ...step }) => step);
        const conflicts = document.filter(({ outcome }) => outcome === "conflict").length;
        const todo = document.filter(({ outcome }) => outcome === "create" || outcome === "change").length;
        return {
          document,
          failed: conflicts > 0,
          text: [
            table(
              ["", "what", "detail"],
              document.map(({ outcome, what, detail }): Cell[] => [
                outcome === "conflict" ? ["red", outcome] : outcome === "same" ? ["dim", outcome] : outcome,
                what,
                detail,
              ]),
              "The file holds nothing.",
            ),
            "",
            options.apply
              ? conflicts === 0 ? "Done." : `${counted(conflicts, "conflict")}: nothing was changed there.`
              : `${counted(todo, "change")}; nothing is changed yet: --apply --why "…"`,
          ].join("\n"),
        };
      })
    );
}

interface ImportOptions {
  apply?: boolean;
  withState?: boolean;
  withPeople?: boolean;
  why?: string;
}

interface Step {
  what: string;
  outcome: "create" | "change" | "same" | "conflict" | "done";
  detail: string;
  apply?: () => Promise<unknown>;
}

async function readCarried(path: string, said: string): Promise<Carried> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new CliError(
      "usage",
      `${said} cannot be read: ${(error as Error).message}`,
      "Use what flags export wrote.",
    );
  }
  const fault = carriedFaults(value);
  if (fault !== undefined) throw new CliError("invalid", `${said}: ${fault}`, "Use what flags export wrote.");
  return value as Carried;
}

async function compare(api: Api, carried: Carried, options: ImportOptions): Promise<Step[]> {
  const [flags, segments, rollouts] = await Promise.all([
    listFlags(api),
    listSegments(api),
    listRollouts(api, "open"),
  ]);
  const why = options.why ?? null;
  const known = options.withPeople ? (await loadConfig(api)).segments : {};
  const steps: Step[] = [];
  for (const { key, description, members } of carried.segments) {
    const here = segments.find((segment) => segment.key === key);
    const add = options.withPeople ? (members ?? []).filter((id) => !(known[key] ?? []).includes(id)) : [];
    const described = here === undefined || here.description !== description;
    steps.push({
      what: `segment ${key}`,
      outcome: here === undefined ? "create" : described || add.length > 0 ? "change" : "same",
      detail: [
        ...(here !== undefined && described ? [`description: ${here.description} -> ${description}`] : []),
        ...(add.length > 0 ? [`${counted(add.length, "person", "people")} more`] : []),
      ].join("; "),
      ...(described || add.length > 0
        ? {
          apply: async () => {
            const made = described
              ? await api.rpc("set_segment", {
                p_key: key,
                p_description: description,
                p_expected_version: here?.version ?? 0,
              })
              : here!;
            if (add.length > 0) {
              await api.rpc("add_segment_members", {
                p_key: key,
                p_expected_version: made.version,
                p_user_ids: add,
                p_reason: why,
              });
            }
          },
        }
        : {}),
    });
  }
  for (const flag of carried.flags) {
    const here = flags.find(({ key }) => key === flag.key);
    const { value, metadata, changes } = compareFlag(flag, here, options);
    const busy = here !== undefined && changes.length > 0 &&
      rollouts.some(({ flag_key, state }) => flag_key === flag.key && state !== "draft");
    steps.push({
      what: `flag ${flag.key}`,
      outcome: busy ? "conflict" : here === undefined ? "create" : changes.length > 0 ? "change" : "same",
      detail: busy ? `its rollout is in progress; ${changes.join("; ")}` : changes.join("; "),
      ...(busy || changes.length === 0 && here !== undefined ? {} : {
        apply: () => setFlag(api, flag.key, value, metadata, here, why),
      }),
    });
  }
  for (const { flag_key, name, stages } of carried.plans) {
    const there = rollouts.some((rollout) => rollout.flag_key === flag_key && rollout.plan === name);
    const given = stages.map(({ user_ids, ...stage }) =>
      options.withPeople && user_ids !== undefined ? { ...stage, user_ids } : stage
    );
    const lacking = given.find((stage) =>
      stage.percentage === 0 && !("user_ids" in stage) && stage.segments === undefined
    );
    steps.push({
      what: `plan ${name} of ${flag_key}`,
      outcome: there ? "same" : lacking ? "conflict" : "create",
      detail: there
        ? "a rollout with this plan is planned or in progress"
        : lacking
        ? `stage ${lacking.name} has people only, which are not carried: --with-people`
        : `${counted(stages.length, "stage")}, as a draft`,
      ...(there || lacking ? {} : {
        apply: () =>
          api.rpc("create_rollout", { p_flag_key: flag_key, p_plan: { name, stages: given }, p_reason: why }),
      }),
    });
  }
  return steps;
}

function setFlag(
  api: Api,
  key: string,
  value: string,
  metadata: FlagRow["metadata"],
  here: FlagRow | undefined,
  why: string | null,
): Promise<unknown> {
  return api.rpc("set_setting", {
    p_key: key,
    p_value: value,
    p_metadata: metadata,
    p_expected_version: here?.version ?? 0,
    p_reason: why,
  });
}
