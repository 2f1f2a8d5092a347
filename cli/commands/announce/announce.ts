/** `gatelink announce`: writes to many people by WhatsApp, each once. */
import type { Command } from "commander";
import { audienceInWords } from "../../../supabase/functions/_shared/contract/words/announcements.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, moment, reason, whole } from "../../core/values.ts";
import { flagKey } from "../flags/api.ts";
import { inWords, versionOf } from "./api.ts";
import { creating } from "./create.ts";

const ID = "its id, as announce list shows it";

/** Defines the commands of the group. */
export function announce(group: Command, run: Run): void {
  creating(group, run);
  moving(group, run);
  reading(group, run);
  affected(group, run);
}

function moving(group: Command, run: Run): void {
  const version = (command: Command) =>
    command.argument("<announcement>", ID, id)
      .option("--version <n>", "only if it still is at this version", whole(1, 1e15));

  version(group.command("start").description("send a draft, or go on with one that was stopped"))
    .addHelpText(
      "after",
      `
The clock queues a sixth of the pace every ten seconds, and less while the queue still holds earlier ones.

Example:
  gatelink announce start 01968f00-0000-7000-8000-000000000001`,
    )
    .action((announcement: string, options: { version?: number }) =>
      run(async (session) => {
        const api = await session.api();
        const document = await api.rpc("start_announcement", {
          p_id: announcement,
          p_expected_version: await versionOf(api, announcement, options.version),
        });
        return {
          document,
          text: `${inWords(document)}\n\nTo stop it: gatelink announce stop ${announcement} --why "…"`,
        };
      })
    );

  version(group.command("stop").description("stop one that is being sent; what is queued still goes"))
    .requiredOption("--why <reason>", "the reason, which is recorded", reason)
    .addHelpText(
      "after",
      `
Example:
  gatelink announce stop 01968f00-0000-7000-8000-000000000001 --why "the link is wrong"`,
    )
    .action((announcement: string, options: { why: string; version?: number }) =>
      run(async (session) => {
        const api = await session.api();
        const document = await api.rpc("stop_announcement", {
          p_id: announcement,
          p_expected_version: await versionOf(api, announcement, options.version),
          p_reason: options.why,
        });
        return { document, text: inWords(document) };
      })
    );

  version(group.command("delete").description("delete a draft"))
    .addHelpText(
      "after",
      `
Example:
  gatelink announce delete 01968f00-0000-7000-8000-000000000001`,
    )
    .action((announcement: string, options: { version?: number }) =>
      run(async (session) => {
        const api = await session.api();
        await api.rpc("delete_announcement", {
          p_id: announcement,
          p_expected_version: await versionOf(api, announcement, options.version),
        });
        return { document: { id: announcement, deleted: true }, text: "The draft is deleted." };
      })
    );
}

function reading(group: Command, run: Run): void {
  group.command("list").description("announcements, latest first")
    .option("--limit <n>", "show at most N", whole(1, 500), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink announce list`,
    )
    .action(({ limit }: { limit: number }) =>
      run(async (session) => {
        const rows = await (await session.api()).rpc("list_announcements", { p_limit: limit });
        return {
          document: rows,
          text: table(
            ["announcement", "state", "people", "queued", "waiting", "for", "name"],
            rows.map((one): Cell[] => [
              one.id,
              one.state,
              one.people,
              one.queued,
              one.pending,
              audienceInWords(one.audience),
              one.name,
            ]),
            "Nothing has been announced: gatelink announce create --help",
          ),
        };
      })
    );

  group.command("show").description("one announcement: its figures, and who got it")
    .argument("<announcement>", ID, id)
    .option("--after <contact>", "people after this contact's id", id)
    .option("--limit <n>", "show at most N people", whole(1, 1000), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink announce show 01968f00-0000-7000-8000-000000000001 --limit 200`,
    )
    .action((announcement: string, options: { after?: string; limit: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("read_announcement", {
          p_id: announcement,
          p_after: options.after ?? null,
          p_limit: options.limit,
        });
        const rows = table(
          ["contact", "ends in", "state", "why", "at", "became of it"],
          document.recipients.map((one): Cell[] => [
            one.contact_id,
            one.last_four,
            one.state,
            one.why,
            time(one.at),
            one.status,
          ]),
          "Nobody.",
        );
        const last = document.recipients.at(-1);
        const more = last !== undefined && document.recipients.length === options.limit
          ? `\n\nMore: --after ${last.contact_id}`
          : "";
        return { document, text: `${inWords(document)}\n\n${rows}${more}` };
      })
    );
}

function affected(group: Command, run: Run): void {
  group.command("affected").description("for whom a feature failed that they had, latest first")
    .argument("<feature>", "a flag; .enabled is optional", flagKey)
    .option("--since <time>", "failures since a time, or how long ago, like 2h", moment)
    .option("--offset <n>", "leave out the first N", whole(0, 1e6), 0)
    .option("--limit <n>", "show at most N", whole(1, 1000), 100)
    .addHelpText(
      "after",
      `
People are remembered for 60 days after their last failure, at most 100,000 per flag. Whole numbers are shown in the panel
only, on record.

Examples:
  gatelink announce affected checkout --since 2h
  gatelink announce create "Checkout failed" --to-affected checkout --since 2h --words affected_users --incident 7`,
    )
    .action((flag: string, options: { since?: Date; offset: number; limit: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_affected", {
          p_flag_key: flag,
          p_since: options.since?.toISOString() ?? null,
          p_offset: options.offset,
          p_limit: options.limit,
        });
        const rows = table(
          ["person", "ends in", "minutes with a failure", "first", "last"],
          document.rows.map((one): Cell[] => [
            one.subject_id,
            one.last_four,
            one.failures,
            time(one.first_at),
            time(one.last_at),
          ]),
          "Nobody.",
        );
        const rest = document.people - options.offset - document.rows.length;
        return {
          document,
          text: `${
            facts({
              feature: flag,
              people: document.people,
              "can be written to": document.contacts,
              "failures counted": document.failures,
            })
          }\n\n${rows}${
            rest > 0 ? `\n\n${rest} more: --offset ${options.offset + document.rows.length}` : ""
          }`,
        };
      })
    );
}
