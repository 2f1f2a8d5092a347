/** `gatelink email opens` and `gatelink email consent`: who looked at a mail, and what people allow. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import type { MailAccesses } from "../../../supabase/functions/_shared/contract/answers/tracking.ts";
import { sqlState } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id } from "../../core/values.ts";

/** What is kept of whoever is tracked in this way. */
const MODES = {
  off: "Nothing is counted from now on, also of mails that were sent before.",
  aggregate: "Opens and clicks are counted, and not kept whose they are.",
  individual: "Opens and clicks are counted with their message.",
} as const;

/** Adds the commands to the group. */
export function opens(group: Command, run: Run): void {
  group.command("opens").description("who opened a tracked mail and followed its links: people and machines")
    .argument("<message>", "the id of a mail that was sent", id)
    .addHelpText(
      "after",
      `
A verdict is human, machine or unsure, with its reasons. The rules may correct it for about a minute, people with gatelink
email correct at any time. Of a mail that is tracked in aggregate nothing is told here.

Example:
  gatelink email opens 01968f00-0000-7000-8000-000000000001`,
    )
    .action((message: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("mail_accesses", { p_message_id: message }).catch(
          (error) => {
            if (sqlState(error) !== "GL404") throw error;
            throw new CliError(
              "not_found",
              `There is no mail with the id ${message}.`,
              "Sending a mail answers its id.",
            );
          },
        );
        return { document, text: inWords(document) };
      })
    );

  group.command("correct").description("correct the verdict about an open or a click of a tracked mail")
    .argument("<message>", "the id of the mail", id)
    .argument("<access>", "open:N or click:N, as gatelink email opens shows it", access)
    .addArgument(
      new Argument("<verdict>", "rules has the rules judge it again").choices([...VERDICTS, "rules"]),
    )
    .addHelpText(
      "after",
      `
A corrected verdict stays, whatever becomes known. The figures of a campaign follow.

Example:
  gatelink email correct 01968f00-0000-7000-8000-000000000001 click:12 machine`,
    )
    .action((message: string, { kind, n }: AccessName, verdict: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("correct_access", {
          p_message_id: message,
          p_kind: kind,
          p_id: n,
          ...(verdict === "rules" ? {} : { p_verdict: verdict }),
        }).catch((error) => {
          if (sqlState(error) !== "GL404") throw error;
          throw new CliError(
            "not_found",
            `The mail ${message} has no ${kind}:${n} that is kept with it.`,
            `See them with: gatelink email opens ${message}`,
          );
        });
        return { document, text: inWords(document) };
      })
    );

  group.command("consent").description("write down how somebody's mails may be tracked")
    .argument("<person>", "an e-mail address, or the id of a contact")
    .argument("<mode>", "off, aggregate (counted, not kept who) or individual")
    .addOption(new Option("--source <word>", "how they said it: form, api, letter, …").default("team"))
    .option("--campaign <id>", "for one campaign only", id)
    .addHelpText(
      "after",
      `
Counts for mails that were sent before, too. A general off counts more than anything said of a campaign.

Examples:
  gatelink email consent casey@example.org individual --source form
  gatelink email consent casey@example.org off`,
    )
    .action((person: string, mode: string, { source, campaign }: { source: string; campaign?: string }) =>
      run(async (session) => {
        if (!isMode(mode)) {
          throw new CliError("usage", `${mode} is no way to track.`, "Give off, aggregate or individual.");
        }
        const document = await (await session.api()).rpc("set_tracking_consent", {
          p_person: person,
          p_mode: mode,
          p_source: source,
          p_campaign_id: campaign ?? null,
        }).catch((error) => {
          if (sqlState(error) === "GL404") {
            throw new CliError(
              "not_found",
              `Nobody is known as ${person}.`,
              "A first mail makes people known.",
            );
          }
          if (sqlState(error) !== "GL422") throw error;
          throw new CliError(
            "usage",
            `${source} is no source.`,
            "Give one word of small letters, such as form.",
          );
        });
        return { document, text: MODES[mode] };
      })
    );
}

const VERDICTS = ["human", "machine", "unsure"] as const;

/** An open or a click by its kind and number. */
interface AccessName {
  kind: "open" | "click";
  n: number;
}

function access(text: string): AccessName {
  const found = /^(open|click):([1-9]\d{0,14})$/.exec(text);
  if (found === null) {
    throw new InvalidArgumentError("Use open:N or click:N, as gatelink email opens shows it.");
  }
  return { kind: found[1] as AccessName["kind"], n: Number(found[2]) };
}

const isMode = (mode: string): mode is keyof typeof MODES => Object.hasOwn(MODES, mode);

function inWords({ message_id, tracked, links, opens, clicks }: MailAccesses): string {
  const urls = new Map(links.map(({ n, url }) => [n, url]));
  const people = (of: readonly { verdict: string }[]) =>
    of.filter(({ verdict }) => verdict === "human").length;
  const rows = [
    ...opens.map((open) => ({ ...open, name: `open:${open.id}`, what: "open" })),
    ...clicks.map((click) => ({
      ...click,
      name: `click:${click.id}`,
      what: click.link === 0 ? "the hidden link" : urls.get(click.link) ?? `link ${click.link}`,
    })),
  ].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return [
    facts({
      message: message_id,
      tracked,
      ...(tracked === "individual"
        ? {
          opens: `${opens.length}, of people ${people(opens)}`,
          clicks: `${clicks.length}, of people ${people(clicks)}`,
        }
        : {}),
    }),
    table(
      ["access", "time", "what", "verdict", "reasons", "program"],
      rows.map((
        { name, at, what, verdict, reasons, client, corrected_by },
      ): Cell[] => [
        name,
        time(at),
        what,
        verdictCell(verdict),
        corrected_by === null ? reasons : `corrected by ${corrected_by}`,
        client,
      ]),
      tracked === "individual"
        ? "Nobody has looked at it."
        : tracked === "aggregate"
        ? "It is counted in aggregate: nothing is known of single mails."
        : "It is not tracked.",
    ),
  ].join("\n\n");
}

const verdictCell = (verdict: string): Cell =>
  verdict === "human" ? ["green", verdict] : verdict === "unsure" ? ["yellow", verdict] : verdict;
