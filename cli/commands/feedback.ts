/** `gatelink feedback`: what people say of features, which rollouts listen to. */
import type { Command } from "commander";
import type { Feedback } from "../../supabase/functions/_shared/contract/answers/signals.ts";
import {
  BUILT_IN_WORDS,
  type WordKind,
  wordsKey,
} from "../../supabase/functions/_shared/contract/feedback_words.ts";
import { flagKey } from "./flags/api.ts";
import { type Cell, table, time } from "../core/output.ts";
import type { Run } from "../core/session.ts";
import { id, reason, several, whole } from "../core/values.ts";

/** Defines the commands of the group. */
export function feedback(group: Command, run: Run): void {
  adding(group, run);
  listing(group, run);
  words(group, run);
}

interface AddOptions {
  rating?: number;
  flag?: string;
  text?: string;
  message?: string;
}

function adding(group: Command, run: Run): void {
  group.command("add").description("record a complaint, or with --rating how content somebody is")
    .argument("[person]", "a phone number with +, or the id that flags are evaluated for")
    .option("--rating <n>", "1 to 5; 4 and 5 are positive", whole(1, 5))
    .option("--flag <flag>", "the feature (default: every rollout that it says something about)", flagKey)
    .option("--text <text>", "what they said", reason)
    .option("--message <id>", "the message in which they said it, instead of a person", id)
    .addHelpText(
      "after",
      `
It counts for what the person had: the flag decides that, not the caller.

Examples:
  gatelink feedback add +4915112345678 --flag checkout --text "the total is wrong"
  gatelink feedback add --message 01968f00-0000-7000-8000-000000000001
  gatelink feedback add user-17 --rating 5`,
    )
    .action((person: string | undefined, { rating, flag, text, message }: AddOptions) =>
      run(async (session) => {
        const added = await (await session.api()).rpc("add_feedback", {
          p_kind: rating === undefined ? "complaint" : "rating",
          p_person: person ?? "",
          p_flag_key: flag ?? null,
          p_rating: rating ?? null,
          p_text: text ?? null,
          p_message_id: message ?? null,
        });
        const what = rating === undefined ? "The complaint" : "The rating";
        return { document: added, text: `${what} is recorded. ${countsFor(added.counts_for)}` };
      })
    );
}

function countsFor(list: Feedback[number]["counts_for"]): string {
  if (list.length === 0) return "No rollout is in progress that it says something about.";
  return list.map(({ flag_key, arm }) =>
    arm === "on"
      ? `It counts for the rollout of ${flag_key}.`
      : `This person does not have ${flag_key}, so it is shown with its rollout and not counted against it.`
  ).join("\n");
}

function listing(group: Command, run: Run): void {
  group.command("list").description("the latest complaints and ratings")
    .option("--flag <flag>", "only those that count for its rollouts", flagKey)
    .option("--limit <n>", "show at most N", whole(1, 500), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink feedback list --flag checkout`,
    )
    .action(({ flag, limit }: { flag?: string; limit: number }) =>
      run(async (session) => {
        const rows = await (await session.api()).rpc("list_feedback", {
          p_flag_key: flag ?? null,
          p_limit: limit,
        });
        return {
          document: rows,
          text: table(
            ["when", "what", "from", "by", "counts for", "words"],
            rows.map((row): Cell[] => [
              time(row.at),
              row.kind === "complaint" ? ["red", "complaint"] : `rating ${row.rating ?? "praise"}`,
              `…${row.who}`,
              row.source,
              row.counts_for.map(({ flag_key, stage, arm }) => `${flag_key} (stage ${stage}, ${arm})`).join(
                ", ",
              ),
              row.text,
            ]),
            "Nobody has said anything yet.",
          ),
        };
      })
    );
}

function words(group: Command, run: Run): void {
  group.command("words").description("words in a chat that count as a complaint or as praise")
    .option("--complaint <word>", "a word for complaints; repeatable, replaces the list", several(reason))
    .option("--praise <word>", "a word for praise; repeatable, replaces the list", several(reason))
    .addHelpText(
      "after",
      `
A message counts if it begins with one of the words, in any case: "Complaint: the total is wrong". 4/5 is a rating in every
language. Without options the words are shown.

Examples:
  gatelink feedback words
  gatelink feedback words --complaint complaint --complaint beschwerde --complaint ikirego`,
    )
    .action((options: { complaint?: string[]; praise?: string[] }) =>
      run(async (session) => {
        const api = await session.api();
        const rows = await api.rows((client) =>
          client.from("settings").select("key,value,version").like("key", "feedback.%\\_words")
        );
        for (const kind of ["complaint", "praise"] as const) {
          const list = options[kind];
          if (list === undefined) continue;
          const key = wordsKey(kind);
          const row = rows.find((row) => row.key === key);
          const value = JSON.stringify(list);
          await api.rpc("set_setting", {
            p_key: key,
            p_value: value,
            p_metadata: {},
            p_expected_version: row?.version ?? 0,
          });
          if (row === undefined) rows.push({ key, value, version: 1 });
          else row.value = value;
        }
        const document = Object.fromEntries(
          (["complaint", "praise"] as const).map((kind) => {
            const value = rows.find(({ key }) => key === wordsKey(kind))?.value;
            return [kind, value === undefined ? null : JSON.parse(value) as string[]];
          }),
        );
        return {
          document,
          text: table(
            ["for", "words"],
            Object.entries(document).map(([kind, list]): Cell[] => [
              kind,
              list === null
                ? `built-in: ${BUILT_IN_WORDS[kind as WordKind].join(", ")}`
                : list.join(", ") || "none",
            ]),
          ),
        };
      })
    );
}
