/** `gatelink campaign`: a mail to many people, with figures. */
import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError } from "commander";
import type { Campaign } from "../../../supabase/functions/_shared/contract/answers/campaigns.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run, Session } from "../../core/session.ts";
import { id, moment, reason, whole } from "../../core/values.ts";
import { flagKey } from "../flags/api.ts";
import { mailAddress } from "../email/values.ts";
import { readRecipients } from "./recipients.ts";

const ID = "its id, as campaign list shows it";
/** Recipients in one call. */
const GROUP = 5000;

/** Defines the commands of the group. */
export function campaign(group: Command, run: Run): void {
  making(group, run);
  moving(group, run);
  reading(group, run);
}

function share(text: string): number {
  const value = Number(text.replace(/%$/, "")) / (text.endsWith("%") ? 100 : 1);
  if (text !== "" && value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("Use a share, like 5% or 0.05.");
}

interface CreateOptions {
  subject: string;
  html?: string;
  text?: string;
  from?: string;
  flag?: string;
  perMinute?: number;
  bounceLimit?: number;
  complaintLimit?: number;
  at?: Date;
}

function making(group: Command, run: Run): void {
  group.command("create").description("make a draft; nothing is sent yet")
    .argument("<name>", "what the team calls it", reason)
    .requiredOption("--subject <text>", "the subject, with placeholders like {{name|there}}", reason)
    .option("--html <file>", "file with the HTML part")
    .option("--text <file>", "file with the text part")
    .option("--from <address>", "the identity that sends it (default: the default one)", mailAddress)
    .option("--flag <flag>", "only recipients who have this flag; the others are left out", flagKey)
    .option("--per-minute <n>", "how many go in a minute at most (default: 600)", whole(6, 60000))
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
escaped in HTML. Each mail has a header to unsubscribe with one click.

Example:
  gatelink campaign create "October" --subject "News for {{name|you}}" --html october.html --text october.txt`,
    )
    .action((name: string, options: CreateOptions) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("create_campaign", {
          p_campaign: {
            name,
            subject: options.subject,
            ...(options.html === undefined ? {} : { html: await readFile(options.html, "utf8") }),
            ...(options.text === undefined ? {} : { text: await readFile(options.text, "utf8") }),
            ...(options.from === undefined ? {} : { from: options.from }),
            ...(options.flag === undefined ? {} : { flag_key: options.flag }),
            ...(options.perMinute === undefined ? {} : { per_minute: options.perMinute }),
            ...(options.bounceLimit === undefined ? {} : { bounce_limit: options.bounceLimit }),
            ...(options.complaintLimit === undefined ? {} : { complaint_limit: options.complaintLimit }),
            ...(options.at === undefined ? {} : { start_at: options.at.toISOString() }),
          },
        });
        return { document, text: inWords(document) };
      })
    );

  group.command("add").description("add recipients from a file of CSV or NDJSON")
    .argument("<campaign>", ID, id)
    .argument("<file>", "CSV with a column to or email, or NDJSON (.ndjson, .jsonl)")
    .addHelpText(
      "after",
      `
All other columns are values of placeholders. Nobody is added twice: after a break, just repeat the command.

Example:
  gatelink campaign add 01968f00-0000-7000-8000-000000000001 people.csv`,
    )
    .action((campaign: string, file: string) =>
      run(async (session) => {
        const api = await session.api();
        const document = { added: 0, duplicates: 0, invalid: 0, suppressed: 0 };
        for await (const recipients of readRecipients(file, GROUP)) {
          const one = await api.rpc("add_campaign_recipients", { p_id: campaign, p_recipients: recipients });
          document.added += one.added;
          document.duplicates += one.duplicates;
          document.invalid += one.invalid;
          document.suppressed += one.suppressed;
        }
        return { document, text: facts({ ...document }) };
      })
    );

  group.command("test").description("send its mail to one address; it is counted nowhere")
    .argument("<campaign>", ID, id)
    .argument("<address>", "where to", mailAddress)
    .addHelpText(
      "after",
      `
Example:
  gatelink campaign test 01968f00-0000-7000-8000-000000000001 alex@example.com`,
    )
    .action((campaign: string, to: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("test_campaign", { p_id: campaign, p_to: to });
        return { document, text: `Queued as ${document.message_id}.` };
      })
    );
}

async function versionOf(session: Session, campaign: string): Promise<number> {
  return (await (await session.api()).rpc("read_campaign", { p_id: campaign })).version;
}

function moving(group: Command, run: Run): void {
  group.command("start").description("send a draft, or go on with one that was stopped")
    .argument("<campaign>", ID, id)
    .addHelpText(
      "after",
      `
The clock makes a sixth of the pace every ten seconds, and less while the queue still holds earlier ones.

Example:
  gatelink campaign start 01968f00-0000-7000-8000-000000000001`,
    )
    .action((campaign: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("start_campaign", {
          p_id: campaign,
          p_expected_version: await versionOf(session, campaign),
        });
        return { document, text: inWords(document) };
      })
    );
  for (
    const [name, about, cancel] of [
      ["stop", "stop one; it may go on", false],
      ["cancel", "stop one for good", true],
    ] as const
  ) {
    group.command(name).description(about)
      .argument("<campaign>", ID, id)
      .requiredOption("--why <reason>", "the reason, which is recorded", reason)
      .addHelpText(
        "after",
        `
What is queued already still goes.

Example:
  gatelink campaign ${name} 01968f00-0000-7000-8000-000000000001 --why "wrong link"`,
      )
      .action((campaign: string, { why }: { why: string }) =>
        run(async (session) => {
          const document = await (await session.api()).rpc("stop_campaign", {
            p_id: campaign,
            p_expected_version: await versionOf(session, campaign),
            p_reason: why,
            p_cancel: cancel,
          });
          return { document, text: inWords(document) };
        })
      );
  }
}

function reading(group: Command, run: Run): void {
  group.command("list").description("the latest, with their figures")
    .option("--limit <n>", "show at most N", whole(1, 200), 20)
    .addHelpText(
      "after",
      `
Example:
  gatelink campaign list`,
    )
    .action(({ limit }: { limit: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_campaigns", { p_limit: limit });
        return {
          document,
          text: table(
            ["name", "state", "recipients", "sent", "delivered", "bounced", "replied", "id"],
            document.map(({ name, state, counts, id }): Cell[] => [
              name,
              state,
              ...["recipients", "sent", "delivered", "bounced", "replied"].map((what) =>
                String(counts[what] ?? 0)
              ),
              id,
            ]),
            "There are none.",
          ),
        };
      })
    );

  group.command("show").description("one with its figures")
    .argument("<campaign>", ID, id)
    .addHelpText(
      "after",
      `
Example:
  gatelink campaign show 01968f00-0000-7000-8000-000000000001`,
    )
    .action((campaign: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("read_campaign", { p_id: campaign });
        return { document, text: inWords(document) };
      })
    );

  group.command("recipients").description("what became of each recipient")
    .argument("<campaign>", ID, id)
    .option("--after <id>", "those after this one", whole(0, 1e15), 0)
    .option("--limit <n>", "show at most N", whole(1, 5000), 100)
    .addHelpText(
      "after",
      `
Example:
  gatelink campaign recipients 01968f00-0000-7000-8000-000000000001 --limit 5000 --json`,
    )
    .action((campaign: string, { after, limit }: { after: number; limit: number }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_campaign_recipients", {
          p_id: campaign,
          p_after: after,
          p_limit: limit,
        });
        return {
          document,
          text: table(
            ["id", "address", "state", "what became of it"],
            document.map((one): Cell[] => [
              String(one.id),
              one.address,
              one.state,
              one.why ??
                (["failed", "bounced", "complained", "unsubscribed", "replied", "delivered", "sent"] as const)
                  .filter((what) => one[what]).join(", "),
            ]),
            "There are none.",
          ),
        };
      })
    );
}

function inWords(one: Campaign): string {
  const percent = (value: number | null) => value === null ? "" : ` (${(value * 100).toFixed(2)} %)`;
  const { counts, rates } = one;
  return facts(Object.fromEntries<Cell>([
    ["campaign", `${one.name} (${one.id})`],
    ["state", one.stopped_because === null ? one.state : `${one.state}: ${one.stopped_because}`],
    ["from", one.from_email],
    ["begins", one.start_at === null ? "when it is started" : time(one.start_at)],
    ["recipients", String(counts.recipients ?? 0)],
    ["queued", String(counts.queued ?? 0)],
    ...Object.entries(counts).filter(([what]) => what.startsWith("left_out:"))
      .map(([what, n]): [string, string] => [what.replace("left_out:", "left out, "), String(n)]),
    ["sent", String(counts.sent ?? 0)],
    ...(["delivered", "bounced", "complained", "unsubscribed", "replied"] as const)
      .map((what): [string, string] => [what, `${counts[what] ?? 0}${percent(rates[what])}`]),
    ["failed", String(counts.failed ?? 0)],
  ]));
}
