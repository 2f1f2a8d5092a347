/** `gatelink flags targets | segments`: people that a flag is on for, whatever its percentage. */
import { SEGMENT_KEY } from "../../../supabase/functions/_shared/contract/names.ts";
import { audience } from "../../../supabase/functions/_shared/contract/words/flags.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import { InvalidArgumentError } from "commander";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import type { Api } from "../../core/api.ts";
import { loadConfig } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { flagKey, flagNamed, versionOf } from "./api.ts";
import { facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { reason, several, whole } from "../../core/values.ts";

type Segment = Omit<Row<"segments">, "created_at" | "created_by">;

interface People {
  user?: string[];
  phone?: string[];
  segment?: string[];
  why: string;
  version?: number;
}

function segmentKey(text: string): string {
  if (SEGMENT_KEY.test(text)) return text;
  throw new InvalidArgumentError("Use a segment's key: lower-case letters, digits, dot, - and _.");
}

function subject(text: string): string {
  if (text.length > 0 && text.length <= 200) return text;
  throw new InvalidArgumentError("Use an id of 1 to 200 characters.");
}

/** A phone number; the contact's id is stored instead. */
function phone(text: string): string {
  if (/^\+?[\d\s().-]{5,25}$/.test(text)) return text;
  throw new InvalidArgumentError("Use a phone number with its country code, like +16505551234.");
}

function people(command: Command): Command {
  return command
    .option(
      "--user <id>",
      "the id that flags use: a contact's, or one of your own; repeatable",
      several(subject),
    )
    .option(
      "--phone <number>",
      "a contact by phone number, stored as the contact's id; repeatable",
      several(phone),
    )
    .requiredOption("--why <reason>", "the reason, recorded in the history", reason)
    .option("--version <n>", "only if it is still at this version", whole(0, 1e15));
}

/** Refuses a change without any ids. */
function requireSome(...lists: (string[] | undefined)[]): void {
  if (lists.some((list) => list !== undefined)) return;
  throw new CliError("usage", "No person is given.", "Give --user, --phone or, for a flag, --segment.");
}

/** Adds `targets`. */
export function targets(group: Command, run: Run): void {
  const inner = group.command("targets").description(
    "people and segments for whom a flag is on, whatever its percentage",
  );
  for (
    const [verb, rpc, description] of [
      ["add", "add_flag_targets", "turn a flag on for people or segments"],
      ["remove", "remove_flag_targets", "remove people or segments from a flag's targets"],
    ] as const
  ) {
    people(
      inner.command(verb).description(description)
        .argument("<flag>", "its key; .enabled is optional", flagKey)
        .option("--segment <key>", "a named list; repeatable", several(segmentKey)),
    )
      .addHelpText(
        "after",
        `
${
          verb === "add"
            ? "They have the feature once the flag itself is on."
            : "The lists remain, even if they are empty, so the flag does not turn on for everybody."
        }

Examples:
  gatelink flags targets ${verb} deeplinks --user 01968f00-0000-7000-8000-000000000001 --why "tester"
  gatelink flags targets ${verb} deeplinks --phone +16505551234 --segment beta --why "beta"`,
      )
      .action((key: string, options: People) =>
        run(async (session) => {
          requireSome(options.user, options.phone, options.segment);
          const api = await session.api();
          const flag = await api.rpc(rpc, {
            p_key: key,
            p_expected_version: versionOf(await flagNamed(api, key), options.version),
            p_user_ids: options.user ?? [],
            p_phones: options.phone ?? [],
            p_segments: options.segment ?? [],
            p_reason: options.why,
          });
          return {
            document: { ...flag, on_for: audience(flag) },
            text: `${key} is ${
              flag.value === "true" ? `on for ${audience(flag)}` : "off; its targets have it once it is on"
            }.`,
          };
        })
      );
  }
}

/** Adds `segments`. */
export function segments(group: Command, run: Run): void {
  const inner = group.command("segments").description(
    "named lists of people, for flags and rollouts to target",
  );
  listing(inner, run);
  inner.command("make").description("create a segment, or change its description")
    .argument("<segment>", "its key", segmentKey)
    .option("--description <text>", "who is in it, and why", "")
    .addHelpText(
      "after",
      `
Example:
  gatelink flags segments make beta --description "customers who asked for it"`,
    )
    .action((key: string, { description }: { description: string }) =>
      run(async (session) => {
        const api = await session.api();
        const known = await find(api, key);
        const segment = await api.rpc("set_segment", {
          p_key: key,
          p_description: description,
          p_expected_version: known?.version ?? 0,
        });
        return {
          document: segment,
          text: `Segment ${key} is ${
            known ? "changed" : "made"
          }. Next: gatelink flags segments add ${key} --user ID --why "…"`,
        };
      })
    );
  for (
    const [verb, rpc, description] of [
      ["add", "add_segment_members", "add people to a segment"],
      ["remove", "remove_segment_members", "remove people from a segment"],
    ] as const
  ) {
    people(inner.command(verb).description(description).argument("<segment>", "its key", segmentKey))
      .addHelpText(
        "after",
        `
Example:
  gatelink flags segments ${verb} beta --user 01968f00-0000-7000-8000-000000000001 --phone +16505551234 --why "asked"`,
      )
      .action((key: string, options: People) =>
        run(async (session) => {
          requireSome(options.user, options.phone);
          const api = await session.api();
          const segment = await api.rpc(rpc, {
            p_key: key,
            p_expected_version: versionOf(await segmentNamed(api, key), options.version),
            p_user_ids: options.user ?? [],
            p_phones: options.phone ?? [],
            p_reason: options.why,
          });
          const ids = await members(api, key);
          return {
            document: { ...segment, members: ids },
            text: `${counted(ids.length, "person", "people")} in ${key}.`,
          };
        })
      );
  }
  inner.command("delete").description("delete a segment that no flag targets; its history is kept")
    .argument("<segment>", "its key", segmentKey)
    .requiredOption("--why <reason>", "the reason, recorded in the history", reason)
    .addHelpText(
      "after",
      `
Example:
  gatelink flags segments delete beta --why "the beta is over"`,
    )
    .action((key: string, { why }: { why: string }) =>
      run(async (session) => {
        const api = await session.api();
        const { version } = await segmentNamed(api, key);
        await api.rpc("remove_segment", { p_key: key, p_expected_version: version, p_reason: why });
        return { document: { key, deleted: true }, text: `Segment ${key} is deleted.` };
      })
    );
}

function listing(inner: Command, run: Run): void {
  inner.command("list").description("list all segments, or the people in one")
    .argument("[segment]", "its key", segmentKey)
    .addHelpText(
      "after",
      `
Examples:
  gatelink flags segments list
  gatelink flags segments list beta`,
    )
    .action((key: string | undefined) =>
      run(async (session) => {
        const api = await session.api();
        if (key !== undefined) {
          const segment = await segmentNamed(api, key), ids = await members(api, key);
          return {
            document: { ...segment, members: ids },
            text: facts({
              segment: key,
              description: segment.description,
              version: segment.version,
              people: ids.length,
            }) +
              (ids.length === 0 ? "" : `\n\n${ids.join("\n")}`),
          };
        }
        const rows = await api.rows((client) =>
          client.from("segments").select("key,description,version,updated_at,updated_by").order("key")
        );
        return {
          document: rows,
          text: table(
            ["segment", "changed", "by", "description"],
            rows.map((row) => [row.key, time(row.updated_at), row.updated_by, row.description]),
            "No segments yet: gatelink flags segments make NAME",
          ),
        };
      })
    );
}

async function find(api: Api, key: string): Promise<Segment | undefined> {
  const [segment] = await api.rows((client) =>
    client.from("segments").select("key,description,version,updated_at,updated_by").eq("key", key)
  );
  return segment;
}

async function segmentNamed(api: Api, key: string): Promise<Segment> {
  const segment = await find(api, key);
  if (segment) return segment;
  throw new CliError("not_found", `There is no segment ${key}.`, `gatelink flags segments make ${key}`);
}

/** The ids in a segment, from the configuration, which has all of them: at most 10,000. */
async function members(api: Api, key: string): Promise<string[]> {
  const { segments } = await loadConfig(api);
  return segments[key] ?? [];
}
