/** `gatelink links`: commands for links that open a chat, an app or a page. */
import type { Command } from "commander";
import { FIELDS } from "../../../supabase/functions/_shared/contract/link_fields.ts";
import type { Link, LinkStats } from "../../../supabase/functions/_shared/contract/links.ts";
import { factsOf, textOf } from "../../../supabase/functions/_shared/contract/words/links.ts";
import { doctor } from "./doctor.ts";
import { exporting } from "./export.ts";
import { importing } from "./import.ts";
import { adding } from "./add.ts";
import { linkNamed, linksApi } from "./api.ts";
import { describeLink, describeTarget, describeWhen } from "./describe.ts";
import { filtered, filterOf, type FilterOptions } from "./filter.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { day, linkCode, whole } from "../../core/values.ts";

/** Fields that have a column in lists. */
const LISTED = FIELDS.filter(({ listed }) => listed);

/** Defines the commands of the group. */
export function links(group: Command, run: Run): void {
  adding(group, run);
  listing(group, run);
  showing(group, run);
  figures(group, run);
  switching(group, run);
  restoring(group, run);
  importing(group, run);
  exporting(group, run);
  doctor(group, run);
}

function listing(group: Command, run: Run): void {
  filtered(group.command("list").description("list the links, newest first"))
    .option("--limit <n>", "show at most N", whole(1, 1000), 50)
    .addHelpText(
      "after",
      `
Examples:
  gatelink links list
  gatelink links list --tag poster --limit 200`,
    )
    .action((options: FilterOptions & { limit: number }) =>
      run(async (session) => {
        const api = await linksApi(session);
        let found: Link[] = [];
        for await (const page of api.pages(filterOf(options), Math.min(options.limit + 1, 1000))) {
          found = found.concat(page);
          if (found.length > options.limit) break;
        }
        const shown = found.slice(0, options.limit), more = found.length > shown.length;
        return {
          document: { links: shown, more },
          text: table(
            ["link", "goes to", "state", ...LISTED.map(({ name }) => name), "made"],
            shown.map((link) => [
              link.url,
              brief(describeLink(link)),
              stateOf(link),
              ...LISTED.map((field) => link[field.name] && textOf(field, link[field.name])),
              time(link.created_at),
            ]),
            "No links yet: gatelink links add https://example.com/",
          ) +
            (more ? `\nThere are more: --limit ${Math.min(options.limit * 10, 1000)}, or links export` : ""),
        };
      })
    );
}

/** Maximum length of a target in a list: a text for a chat can be long. `links show` prints it in full. */
const BRIEF = 80;

function brief(text: string): string {
  const signs = [...text.replace(/\s+/g, " ")];
  return signs.length <= BRIEF ? text : `${signs.slice(0, BRIEF - 1).join("")}…`;
}

function showing(group: Command, run: Run): void {
  group.command("show").description("show all details of a link")
    .argument("<code>", "its code, or its address", linkCode)
    .addHelpText(
      "after",
      `
Examples:
  gatelink links show spring
  gatelink links show https://go.example.com/spring`,
    )
    .action((code: string) =>
      run(async (session) => {
        const link = await linkNamed(await linksApi(session), code);
        const { targets = [] } = link;
        const text = facts(known({
          link: link.url,
          "QR code": `${link.qr_url}?src=qr (or .png)`,
          "goes to": describeLink(link),
          state: stateOf(link),
          tags: link.tags?.join(", "),
          password: link.password ? "yes" : null,
          ...Object.fromEntries(
            factsOf(link).map((
              { label, at, text },
            ) => [label.toLowerCase(), at === undefined ? text : time(at)]),
          ),
          made: `${time(link.created_at)} by ${link.created_by}`,
          changed: link.version > 1 ? `${time(link.updated_at)} by ${link.updated_by}` : null,
        }));
        const rules = targets.map((
          target,
          index,
        ) => [index, describeWhen(target.when), describeTarget(target)]);
        return {
          document: link,
          text: rules.length === 0
            ? text
            : `${text}\n\n${table(["rule", "when", "goes to"], rules)}\nThe first match decides.`,
        };
      })
    );
}

function figures(group: Command, run: Run): void {
  group.command("stats").description("show a link's clicks and the conversations that it started")
    .argument("<code>", "its code, or its address", linkCode)
    .option("--days <n>", "the last N days, including today", whole(1, 3660), 30)
    .option("--from <day>", "or from this day on", day)
    .option("--to <day>", "up to this day (default: today)", day)
    .option("--tz <zone>", "days of this time zone, as far back as clicks are kept (default: the team's)")
    .addHelpText(
      "after",
      `
Clicks count people only. Bots, previews of messengers and prefetching browsers are counted separately and consume no
uses. So are clicks of your own (the settings deeplinks.own_networks and deeplinks.own_key). Days are those of the setting team.zone.

Examples:
  gatelink links stats spring
  gatelink links stats spring --tz America/New_York
  gatelink links stats spring --from 2026-11-01 --to 2026-11-30 --json`,
    )
    .action((code: string, options: { days: number; from?: string; to?: string; tz?: string }) =>
      run(async (session) => {
        const { from, to, days, tz } = options;
        const stats = await (await linksApi(session)).stats(
          code,
          from === undefined ? { to, last: days, tz } : { from, to, tz },
        );
        return { document: stats, text: statsText(stats) };
      })
    );
}

function statsText({ clicks, attributions, ...stats }: LinkStats): string {
  const groups: [string, Record<string, number>][] = [
    ["platforms", stats.platforms],
    ["countries", stats.countries],
    ["referrers", stats.referrers],
    ["targets", stats.targets],
    ["rules", Object.keys(stats.rules).some((rule) => /^\d/.test(rule)) ? stats.rules : {}],
    ["sources", stats.sources.qr === undefined ? {} : stats.sources],
  ];
  const top = (counts: Record<string, number>) =>
    Object.entries(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, 8)
      .map(([name, n]) => `${name === "" ? "unknown" : name} ${n}`).join(", ");
  const parts = [
    facts(known({
      link: stats.code,
      days: `${stats.from} to ${stats.to} (${stats.zone})`,
      clicks: clicks.human,
      visitors: stats.visitors,
      bots: clicks.bot,
      previews: clicks.preview,
      prefetches: clicks.prefetch,
      own: clicks.own === 0 ? null : clicks.own,
      conversations: stats.conversations,
      messages: attributions.total === 0
        ? null
        : `${attributions.total} (${
          top(attributions.by_confidence)
        }), first touch ${attributions.first_touch}`,
      uses: stats.max_uses === null ? null : `${stats.uses} of ${stats.max_uses}`,
      ...Object.fromEntries(groups.map(([name, counts]) => [name, top(counts)])),
    })),
  ];
  if (stats.days.length > 1) {
    parts.push(table(
      ["day", "clicks", "visitors", "bots", "previews"],
      stats.days.map((day) => [day.day, day.human, day.visitors, day.bot, day.preview]),
    ));
  }
  return parts.join("\n\n");
}

function switching(group: Command, run: Run): void {
  for (
    const [verb, state, description, told] of [
      [
        "disable",
        "disabled",
        "turn a link off; visits get its expired_url, or an error",
        "is off within 5 seconds. To turn it on again: gatelink links enable",
      ],
      ["enable", "active", "turn a link on again", "is on again."],
    ] as const
  ) {
    group.command(verb).description(description)
      .argument("<code>", "its code, or its address", linkCode)
      .addHelpText(
        "after",
        `
Example:
  gatelink links ${verb} spring`,
      )
      .action((code: string) =>
        run(async (session) => {
          const api = await linksApi(session);
          const link = await api.change((await linkNamed(api, code)).code, { state });
          return { document: link, text: `${link.url} ${told}${verb === "disable" ? ` ${link.code}` : ""}` };
        })
      );
  }
}

function restoring(group: Command, run: Run): void {
  group.command("restore").description("bring a deleted link back, with its password and figures")
    .argument("<code>", "its code, or its address", linkCode)
    .addHelpText(
      "after",
      `
Examples:
  gatelink links list --state deleted
  gatelink links restore spring`,
    )
    .action((code: string) =>
      run(async (session) => {
        const api = await linksApi(session);
        for await (const [found] of api.pages({ code, state: "deleted" }, 1)) {
          if (found === undefined) break;
          const link = await api.change(code, { state: "active" });
          return { document: link, text: `${link.url} is back.` };
        }
        throw new CliError(
          "not_found",
          `There is no deleted link ${code}.`,
          "gatelink links list --state deleted shows them.",
        );
      })
    );
}

/** Removes empty values. */
function known(values: Record<string, Cell>): Record<string, Cell> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== ""),
  );
}

function stateOf(link: Link): Cell {
  if (link.state !== "active") return ["red", link.state];
  const now = Date.now();
  if (link.expires_at !== undefined && Date.parse(link.expires_at) <= now) return ["yellow", "expired"];
  if (link.starts_at !== undefined && Date.parse(link.starts_at) > now) return ["yellow", "not started"];
  if (link.max_uses !== undefined && link.uses >= link.max_uses) return ["yellow", "used up"];
  return ["green", "active"];
}
