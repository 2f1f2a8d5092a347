/** `gatelink campaign`: makes a draft, fills it, and sends a test. */
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { CampaignDraft } from "../../../supabase/functions/_shared/contract/arguments.ts";
import {
  type Recipient,
  recipientsIn,
  UnreadableRecipients,
} from "../../../supabase/functions/_shared/mail/recipients.ts";
import { CliError } from "../../core/errors.ts";
import { facts } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, moment, reason, whole } from "../../core/values.ts";
import { mailAddress } from "../email/values.ts";
import { flagKey } from "../flags/api.ts";
import { ID, inWords, share } from "./api.ts";

/** Recipients in one call. */
const GROUP = 5000;

interface CreateOptions {
  subject: string;
  html?: string;
  text?: string;
  from?: string;
  flag?: string;
  otherwiseSubject?: string;
  otherwiseHtml?: string;
  otherwiseText?: string;
  track?: CampaignDraft["track"];
  perMinute?: number;
  bounceLimit?: number;
  complaintLimit?: number;
  at?: Date;
}

/** Defines create, add and test. */
export function making(group: Command, run: Run): void {
  group.command("create").description("make a draft; nothing is sent yet")
    .argument("<name>", "what the team calls it", reason)
    .requiredOption("--subject <text>", "the subject, with placeholders like {{name|there}}", reason)
    .option("--html <file>", "file with the HTML part")
    .option("--text <file>", "file with the text part")
    .option("--from <address>", "the identity that sends it (default: the default one)", mailAddress)
    .option("--flag <flag>", "only recipients who have this flag; the others are left out", flagKey)
    .option("--otherwise-subject <text>", "what those without the flag get: the subject", reason)
    .option("--otherwise-html <file>", "what those without the flag get: file with the HTML part")
    .option("--otherwise-text <file>", "what those without the flag get: file with the text part")
    .addOption(
      new Option(
        "--track <mode>",
        "how opens and clicks are tracked (default: the setting email.track_campaigns)",
      )
        .choices(["off", "aggregate", "individual"]),
    )
    .option("--per-minute <n>", "how many go in a minute at most (default: 600)", whole(6, 12000))
    .option("--bounce-limit <share>", "stop by itself above this share of bounces (default: 5%)", share)
    .option(
      "--complaint-limit <share>",
      "stop by itself above this share of complaints (default: 0.1%)",
      share,
    )
    .option("--at <time>", "when it begins, once it was started", moment)
    .addHelpText(
      "after",
      `
Placeholders stand in subject, HTML and text: {{name}}, or {{name|otherwise}} for recipients without a name. Values are
escaped in HTML. {{unsubscribe_url}} is the address to unsubscribe; each mail has the header for it with one click.

Example:
  gatelink campaign create "October" --subject "News for {{name|you}}" --html october.html --text october.txt`,
    )
    .action((name: string, options: CreateOptions) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("create_campaign", {
          p_campaign: await draftOf(name, options),
        });
        return { document, text: inWords(document) };
      })
    );

  group.command("add").description("add recipients from a file of CSV or NDJSON")
    .argument("<campaign>", ID, id)
    .argument("<file>", "CSV with a column to or email, or NDJSON (.ndjson, .jsonl)")
    .option("--skip <n>", "leave out the first N, which a broken run has added", whole(0, 1e9), 0)
    .addHelpText(
      "after",
      `
All other columns are values of placeholders. Nobody is added twice: after a break, repeat the command, with --skip to
be faster.

Example:
  gatelink campaign add 01968f00-0000-7000-8000-000000000001 people.csv`,
    )
    .action((campaign: string, file: string, { skip }: { skip: number }) =>
      run(async (session) => {
        const api = await session.api();
        const document = { added: 0, duplicates: 0, invalid: 0, suppressed: 0 };
        let seen = 0;
        for await (const group of groupsOf(file)) {
          const recipients = group.slice(Math.max(0, skip - seen));
          seen += group.length;
          if (recipients.length === 0) continue;
          const told = await api.rpc("add_campaign_recipients", { p_id: campaign, p_recipients: recipients })
            .catch((error) => {
              const before = Math.max(skip, seen - group.length);
              if (!(error instanceof CliError) || before === 0) throw error;
              const hint = `${before} are added. To go on, repeat with --skip ${before}.`;
              throw new CliError(error.code, error.message, hint, { cause: error });
            });
          document.added += told.added;
          document.duplicates += told.duplicates;
          document.invalid += told.invalid;
          document.suppressed += told.suppressed;
          session.progress(`${seen} read, ${document.added} added`);
        }
        return { document, text: facts({ ...document }) };
      })
    );

  group.command("test").description("send its mail to one address; it is counted nowhere")
    .argument("<campaign>", ID, id)
    .argument("<address>", "where to", mailAddress)
    .option(
      "--field <name=value...>",
      "value of a placeholder",
      (text: string, before: [string, string][] = []) => [...before, fieldOf(text)],
    )
    .option("--otherwise", "what those without the flag get")
    .addHelpText(
      "after",
      `
Example:
  gatelink campaign test 01968f00-0000-7000-8000-000000000001 alex@example.com --field name=Alex`,
    )
    .action((campaign: string, to: string, options: { field?: [string, string][]; otherwise?: boolean }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("test_campaign", {
          p_id: campaign,
          p_to: to,
          p_fields: Object.fromEntries(options.field ?? []),
          p_otherwise: options.otherwise ?? false,
        });
        return { document, text: `Queued as ${document.message_id}.` };
      })
    );
}

function fieldOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError("Use a name and a value, like name=Alex.");
}

async function draftOf(name: string, options: CreateOptions): Promise<CampaignDraft> {
  const textOf = async (file: string | undefined) => file === undefined ? undefined : await textIn(file);
  const otherwise = {
    subject: options.otherwiseSubject,
    html: await textOf(options.otherwiseHtml),
    text: await textOf(options.otherwiseText),
  };
  // What is undefined is not sent.
  return {
    name,
    subject: options.subject,
    html: await textOf(options.html),
    text: await textOf(options.text),
    from: options.from,
    flag_key: options.flag,
    otherwise: Object.values(otherwise).some((value) => value !== undefined) ? otherwise : undefined,
    track: options.track,
    per_minute: options.perMinute,
    bounce_limit: options.bounceLimit,
    complaint_limit: options.complaintLimit,
    start_at: options.at?.toISOString(),
  };
}

async function textIn(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch {
    throw new CliError("usage", `${file} cannot be read.`, "Give the path of a file.");
  }
}

async function* groupsOf(file: string): AsyncGenerator<Recipient[]> {
  const format = /\.(?:ndjson|jsonl)$/i.test(file) ? "ndjson" : "csv";
  try {
    yield* recipientsIn(createReadStream(file, "utf8"), format, GROUP);
  } catch (error) {
    if (error instanceof UnreadableRecipients) {
      throw new CliError(
        "usage",
        `${file}: ${error.message}`,
        "Those before it are added. Mend it and repeat the command: nobody is added twice.",
      );
    }
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new CliError("usage", `There is no file ${file}.`, "Give the path of a file.");
    }
    throw error;
  }
}
