/** `gatelink announce create`: makes a draft, and shows who would get what. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Audience } from "../../../supabase/functions/_shared/contract/answers/announcements.ts";
import { SEGMENT_KEY } from "../../../supabase/functions/_shared/contract/names.ts";
import { CliError } from "../../core/errors.ts";
import type { Run } from "../../core/session.ts";
import { moment, reason, several, whole } from "../../core/values.ts";
import { flagKey } from "../flags/api.ts";
import { inWords } from "./api.ts";
import { filledIn, WORDS } from "./words.ts";

interface CreateOptions {
  toFlag?: string;
  toTargets?: string;
  toSegment?: string[];
  toAllWithin?: number;
  toAffected?: string;
  days?: number;
  since?: Date;
  text?: string;
  words?: string;
  incident?: number;
  about?: string;
  template?: string;
  language: string;
  category?: string;
  parameter?: string[];
  from?: string;
  perMinute?: number;
}

function segment(text: string): string {
  if (SEGMENT_KEY.test(text)) return text;
  throw new InvalidArgumentError("Use a segment's key: lower-case letters, digits, dot, - and _.");
}

/** The one audience that is given. */
function audienceOf(options: CreateOptions): Audience {
  const { toFlag, toTargets, toSegment, toAllWithin, toAffected, days, since } = options;
  const given: Audience[] = [
    ...(toFlag === undefined
      ? []
      : [{ kind: "flag" as const, flag_key: toFlag, ...(days === undefined ? {} : { days }) }]),
    ...(toTargets === undefined ? [] : [{ kind: "flag" as const, flag_key: toTargets, targets_only: true }]),
    ...(toSegment === undefined ? [] : [{ kind: "segments" as const, segments: toSegment }]),
    ...(toAllWithin === undefined ? [] : [{ kind: "wrote" as const, days: toAllWithin }]),
    ...(toAffected === undefined ? [] : [{
      kind: "affected" as const,
      flag_key: toAffected,
      ...(since === undefined ? {} : { since: since.toISOString() }),
    }]),
  ];
  if (given.length !== 1) {
    throw new CliError(
      "usage",
      given.length === 0 ? "It is not said for whom it is." : "It is for one audience, and more are given.",
      "Give --to-flag, --to-targets, --to-segment, --to-all-within or --to-affected.",
    );
  }
  return given[0];
}

/** Adds the command. */
export function creating(group: Command, run: Run): void {
  group.command("create").description("make a draft, and show who would get what; nothing is sent yet")
    .argument("<name>", "what the team calls it", reason)
    .option(
      "--to-flag <flag>",
      "for whom this flag is on: its targets, and of its percentage who wrote lately",
      flagKey,
    )
    .option(
      "--to-targets <flag>",
      "the people and segments that this flag targets, such as its beta users",
      flagKey,
    )
    .option("--to-segment <key>", "the people of a segment; repeatable", several(segment))
    .option("--to-all-within <days>", "everybody who wrote within so many days", whole(1, 365))
    .option(
      "--to-affected <flag>",
      "for whom this flag's feature failed (announce affected lists them)",
      flagKey,
    )
    .option("--days <n>", "with --to-flag: who wrote within so many days (default: 30)", whole(1, 365))
    .option("--since <time>", "with --to-affected: failures since a time, or how long ago, like 2h", moment)
    .option("--text <text>", "the text, for people who wrote within the last 24 hours", reason)
    .addOption(
      new Option(
        "--words <template>",
        "a text of the team instead (incident template lists them); --text fills {{text}}",
      )
        .choices(WORDS),
    )
    .option("--incident <number>", "with --words: the incident that it is about", whole(1, 1e15))
    .option(
      "--about <flag>",
      "with --words: the feature that it names (default: the audience's flag)",
      flagKey,
    )
    .option("--template <name>", "a WhatsApp template, for everybody else; without one they get nothing")
    .option("--language <code>", "the template's language", "en")
    .addOption(
      new Option("--category <category>", "the template's category").choices(["marketing", "utility"]),
    )
    .option("--parameter <text>", "a value of the template's body; repeatable, in order", several(reason))
    .option("--from <number>", "phone_number_id of the sender (default: the number that a person last used)")
    .option("--per-minute <n>", "how many are queued in a minute at most (default: 300)", whole(6, 6000))
    .addHelpText(
      "after",
      `
Who has opted out gets nothing, whatever is sent. The audience is taken now: who joins it later gets nothing.

Examples:
  gatelink announce create "beta of referrals" --to-targets referrals --words announcement_beta --template new_feature
  gatelink announce create "referrals are there" --to-all-within 30 --text "You can invite friends now."
  gatelink announce create "checkout failed" --to-affected checkout --since 2h --words affected_users --incident 7`,
    )
    .action((name: string, options: CreateOptions) =>
      run(async (session) => {
        const audience = audienceOf(options);
        if (options.text === undefined && options.words === undefined && options.template === undefined) {
          throw new CliError("usage", "It says nothing.", "Give --text, --words or --template.");
        }
        const api = await session.api();
        const text = options.words === undefined ? options.text : await filledIn(api, options.words, {
          flag: options.about ?? ("flag_key" in audience ? audience.flag_key : undefined),
          incident: options.incident,
          text: options.text,
        });
        const document = await api.rpc("create_announcement", {
          p_announcement: {
            name,
            audience,
            ...(text === undefined ? {} : { text }),
            ...(options.template === undefined ? {} : {
              template: {
                name: options.template,
                language: options.language,
                ...(options.category === undefined ? {} : { category: options.category }),
                ...(options.parameter === undefined ? {} : { parameters: options.parameter }),
              },
            }),
            ...(options.from === undefined ? {} : { number_id: options.from }),
            ...(options.perMinute === undefined ? {} : { per_minute: options.perMinute }),
          },
        });
        return {
          document,
          text: `${
            inWords(document)
          }\n\nTo send it: gatelink announce start ${document.id} --version ${document.version}`,
        };
      })
    );
}
