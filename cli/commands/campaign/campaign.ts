/** `gatelink campaign`: a mail to many people, with figures. */
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import {
  fateOf,
  percent,
  RECIPIENT_COLUMNS,
} from "../../../supabase/functions/_shared/contract/words/campaigns.ts";
import { csv } from "../../../supabase/functions/_shared/links/table/write.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Run, Session } from "../../core/session.ts";
import { id, moment, reason, whole } from "../../core/values.ts";
import { ID, inWords, share } from "./api.ts";
import { making } from "./create.ts";

/** Recipients of a page of an export. */
const PAGE = 5000;

/** Defines the commands of the group. */
export function campaign(group: Command, run: Run): void {
  making(group, run);
  starting(group, run);
  stopping(group, run);
  reading(group, run);
  exporting(group, run);
}

async function versionOf(session: Session, campaign: string): Promise<number> {
  return (await (await session.api()).rpc("read_campaign", { p_id: campaign })).version;
}

interface StartOptions {
  perMinute?: number;
  bounceLimit?: number;
  complaintLimit?: number;
  at?: Date;
}

function starting(group: Command, run: Run): void {
  group.command("start").description("send a draft, or go on with one that was stopped")
    .argument("<campaign>", ID, id)
    .option("--per-minute <n>", "another pace from now on", whole(6, 12000))
    .option("--bounce-limit <share>", "another limit of bounces from now on", share)
    .option("--complaint-limit <share>", "another limit of complaints from now on", share)
    .option("--at <time>", "when it begins", moment)
    .addHelpText(
      "after",
      `
The clock makes messages at the pace of the campaign, and fewer while the queue still holds earlier ones. What its
limits stopped goes on only with a higher limit.

Example:
  gatelink campaign start 01968f00-0000-7000-8000-000000000001 --bounce-limit 8%`,
    )
    .action((campaign: string, options: StartOptions) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("start_campaign", {
          p_id: campaign,
          p_expected_version: await versionOf(session, campaign),
          p_changes: {
            per_minute: options.perMinute,
            bounce_limit: options.bounceLimit,
            complaint_limit: options.complaintLimit,
            start_at: options.at?.toISOString(),
          },
        });
        return {
          document,
          text: `${inWords(document)}\n\nTo stop it: gatelink campaign stop ${campaign} --why "…"`,
        };
      })
    );
}

function stopping(group: Command, run: Run): void {
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
            [
              "name",
              "state",
              "recipients",
              "sent",
              "delivered",
              "bounced",
              "opened",
              "clicked",
              "replied",
              "id",
            ],
            document.map(({ name, state, counts, rates, id }): Cell[] => [
              name,
              state,
              ...["recipients", "sent"].map((what) => String(counts[what] ?? 0)),
              ...(["delivered", "bounced", "opened", "clicked", "replied"] as const)
                .map((what) => percent(rates[what])),
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
        const links = table(
          ["link", "clicks", "by people"],
          document.links.map(({ link, clicks, human }): Cell[] => [link, String(clicks), String(human)]),
        );
        return {
          document,
          text: document.links.length === 0 ? inWords(document) : `${inWords(document)}\n\n${links}`,
        };
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
            ["id", "address", "what became of it"],
            document.map((one): Cell[] => [String(one.id), one.address, fateOf(one)]),
            "There are none.",
          ),
        };
      })
    );
}

function exporting(group: Command, run: Run): void {
  group.command("export").description("write all recipients and what became of them to a file, as CSV")
    .argument("<campaign>", ID, id)
    .argument("<file>", "the file to write")
    .addHelpText(
      "after",
      `
Example:
  gatelink campaign export 01968f00-0000-7000-8000-000000000001 october.csv`,
    )
    .action((campaign: string, file: string) =>
      run(async (session) => {
        const api = await session.api();
        let recipients = 0;
        let after = 0;
        await writeFile(file, "\ufeff");
        for (;;) {
          const page = await api.rpc("list_campaign_recipients", {
            p_id: campaign,
            p_after: after,
            p_limit: PAGE,
          });
          const last = page.at(-1);
          if (last === undefined) break;
          const text = csv(RECIPIENT_COLUMNS, page, recipients === 0);
          await writeFile(file, text, { flag: "a" });
          recipients += page.length;
          after = last.id;
          session.progress(`${recipients} written`);
          if (page.length < PAGE) break;
        }
        const document = { file, recipients };
        return { document, text: facts(document) };
      })
    );
}
