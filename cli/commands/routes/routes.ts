/** `gatelink routes`: rules that assign messages to services. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { compile } from "../../../supabase/functions/_shared/routing/compile.ts";
import {
  type Condition,
  ConditionError,
  type ConditionType,
  isForMailAlone,
  parseCondition,
  ROUTED_MAIL_KINDS,
  TEXT_MATCHES,
} from "../../../supabase/functions/_shared/contract/routing/condition.ts";
import { ROUTE_MODES, type RouteMode } from "../../../supabase/functions/_shared/contract/states.ts";
import type { Api } from "../../core/api.ts";
import { loadConfig, namesOf, routesOf } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { unknownFlag } from "../flags/api.ts";
import { explainMessage, explainTry } from "./explain.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Result, Run } from "../../core/session.ts";
import { durationWithin, isId, json, several, whole } from "../../core/values.ts";

interface AddOptions {
  to: string[];
  when: unknown;
  priority: number;
  name?: string;
  mode: RouteMode;
  flag?: string;
  sticky?: number;
  channels?: string[];
}

/** An example of each type, and an explanation for its line. */
const CONDITIONS: Record<ConditionType, [example: object, about?: string]> = {
  any: [{}, 'every message; with "of":[…], one of these conditions must match'],
  all: [{ of: [{ type: "link_token", present: true }, { type: "choice", ids: ["buy"] }] }],
  not: [{ of: { type: "message_type", in: ["text"] } }],
  default: [{}, "every message that no other route takes, whatever its priority"],
  channel: [{ in: ["whatsapp"] }, "one of the channels in --channels"],
  message_type: [{ in: ["image", "video"] }],
  text: [
    { match: "keywords", values: ["order"], case_sensitive: false },
    `${TEXT_MATCHES.slice(0, -1).join(", ")} or ${TEXT_MATCHES.at(-1)} (RE2)`,
  ],
  choice: [{ ids: ["buy"] }, "id of a button or list row, or a quick reply's payload"],
  referral: [{ source_type: "ad", source_id: "120211", ctwa: true }, "from an ad or post"],
  link_token: [{ present: true }, "came through one of your links"],
  link: [
    { tags: ["poster"], campaigns: ["spring"] },
    'came through such a link; or "codes":["spring-24"]',
  ],
  number: [{ ids: ["106540352242922"] }, "business numbers by phone_number_id"],
  contacts: [{ phones: ["+16505551234"] }, 'or "ids":[…] of contacts'],
  group: [{ ids: ["Y2FwaV9ncm91cDox"] }, "written in one of these groups; without ids in any"],
  flow: [
    { tokens: ["booking"], field: "table", values: ["terrace"] },
    "answers of a Flow; all members are optional, field and values go together",
  ],
  email: [
    { kinds: ["reply"], verified: true, identities: ["alex@example.com"], subjects: ["invoice"] },
    `${ROUTED_MAIL_KINDS.join(", ")}; all members are optional`,
  ],
  address: [{ domains: ["shop"], scopes: ["payments"], types: ["alert"] }, "mails to domain.scope.type@…"],
  time: [
    { days: ["mon", "fri"], from: "09:00", to: "17:00", zone: "Europe/Berlin" },
    "spans midnight if to is before from",
  ],
};

/** The lines for the help. */
const conditionLines = Object.entries(CONDITIONS).map(([type, [members, about]]) =>
  `  ${[JSON.stringify({ type, ...members }), ...(about === undefined ? [] : [about])].join("  ")}`
);

/** Defines the commands of the group. */
export function routes(group: Command, run: Run): void {
  group.command("add").description("add a route; the first route that matches takes a message")
    .requiredOption("--to <destination>", "a destination's name; repeatable", several((name) => name))
    .requiredOption("--when <json>", "condition, see the examples", json)
    .option("--priority <n>", "lower numbers come first", whole(-1_000_000, 1_000_000), 100)
    .option("--name <name>", "name of the route (default: made from the destinations)")
    .addOption(
      new Option("--mode <mode>", "first: to the first destination that is not paused; all: to each of them")
        .choices(ROUTE_MODES).default("first"),
    )
    .option("--flag <key>", "the route only applies to contacts for whom this flag is on")
    .option(
      "--sticky <time>",
      "how long the conversation stays with this route after each match, such as 30m",
      durationWithin(60_000, 30 * 86_400_000, "1m to 30d"),
    )
    .option(
      "--channels <names>",
      "channels that it takes messages from, such as whatsapp,sms (default: whatsapp; email for a condition that only a mail can meet)",
      channels,
    )
    .addHelpText(
      "after",
      `
Conditions:
${conditionLines.join("\n")}

Examples:
  gatelink routes add --to demo --when '{"type":"any"}'
  gatelink routes add --to orders --when '{"type":"text","match":"keywords","values":["order","invoice"]}' --priority 10
  gatelink routes add --to night --sticky 30m \\
    --when '{"type":"time","days":["sat","sun"],"zone":"Europe/Berlin"}'
  gatelink routes add --to crm --to archive --mode all --flag crm.enabled --when '{"type":"default"}'
  gatelink routes add --to desk --when '{"type":"email","kinds":["new_mail"]}'`,
    )
    .action((options: AddOptions) =>
      run(async (session) => {
        const condition = await checked(options.when);
        const channels = options.channels ?? (isForMailAlone(condition) ? ["email"] : undefined);
        if (channels !== undefined && !channels.includes("email") && isForMailAlone(condition)) {
          throw new CliError(
            "usage",
            "Only a mail can meet this condition, and the route takes none.",
            "Add email to --channels, or leave it out.",
          );
        }
        const api = await session.api();
        const route = await api.rpc("add_route", {
          p_destinations: [...new Set(options.to)],
          p_condition: condition,
          p_priority: options.priority,
          p_options: {
            name: options.name,
            mode: options.mode,
            flag_key: options.flag,
            sticky_minutes: options.sticky === undefined ? undefined : Math.ceil(options.sticky / 60_000),
            channels,
          },
        }).catch((error) => {
          if (!(error instanceof CliError) || error.code !== "conflict") throw error;
          throw new CliError(
            "conflict",
            `A route named ${options.name} exists already.`,
            "Choose another --name.",
          );
        });
        return {
          document: route,
          text: facts({
            route: route.name,
            id: route.id,
            to: route.destinations.join(", "),
            priority: route.priority,
          }) +
            `\n\nIt takes effect within 5 seconds. Try it: gatelink routes explain --try '{"text":"hello"}'` +
            await unknownFlag(api, options.flag),
        };
      })
    );

  group.command("list").description("list the routes in their order of evaluation")
    .addHelpText(
      "after",
      `
Example:
  gatelink routes list`,
    )
    .action(() => run(async (session) => await list(await session.api())));

  group.command("remove").description("remove a route; its decisions are kept")
    .argument("<route>", "its name or id")
    .addHelpText(
      "after",
      `
Example:
  gatelink routes remove orders-1f3a`,
    )
    .action((route: string) =>
      run(async (session) => {
        const api = await session.api();
        const { routes } = await loadConfig(api);
        const found = routes.find((row) =>
          row.name === route || (isId(route) && row.id === route.toLowerCase())
        );
        if (!found || !await api.rpc("remove_route", { p_id: found.id })) {
          throw new CliError("not_found", `There is no route ${route}.`, "gatelink routes list shows them.");
        }
        return {
          document: { id: found.id, name: found.name, removed: true },
          text: `Route ${found.name} was removed.`,
        };
      })
    );

  group.command("explain").description("explain the routing of a message, or of a hypothetical one")
    .argument("[message]", "a message, by Gatelink's id or WhatsApp's (wamid…)")
    .option(
      "--try <json>",
      "a hypothetical message: channel, type, text, choice, number, from, contact, referral, mail, token, link (a code), at",
      json,
    )
    .addHelpText(
      "after",
      `
Contacts are shown as their last four digits.

Examples:
  gatelink routes explain 01968f00-0000-7000-8000-000000000001
  gatelink routes explain wamid.HBgLMTY0NjcwNDM1OTUVAgASGBQ
  gatelink routes explain --try '{"type":"text","text":"hello"}'
  gatelink routes explain --try '{"text":"hello","link":"demo"}'
  gatelink routes explain --try '{"text":"hello","from":"16505551234","at":"2026-11-21T22:00:00Z"}'
  gatelink routes explain --try '{"channel":"email","mail":{"kind":"reply","verified":true,"subject":"Invoice 7"}}'`,
    )
    .action((message: string | undefined, options: { try?: unknown }) =>
      run(async (session) => {
        if ((message === undefined) === (options.try === undefined)) {
          throw new CliError(
            "usage",
            "Give a message's id, or --try with a message.",
            "gatelink routes explain --help",
          );
        }
        const api = await session.api();
        return message === undefined
          ? await explainTry(api, options.try)
          : await explainMessage(api, message);
      })
    );
}

/** Names of channels, separated by commas. */
function channels(text: string): string[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()).filter((name) => name !== ""))];
  if (names.length === 0 || names.some((name) => !/^[a-z][a-z0-9_]{0,31}$/.test(name))) {
    throw new InvalidArgumentError("Use a list of channels, such as whatsapp,sms.");
  }
  return names;
}

async function checked(when: unknown): Promise<Condition> {
  try {
    const condition = parseCondition(when);
    await compile(condition);
    return condition;
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    throw new CliError(
      "usage",
      `--when is invalid: ${error.message}`,
      "gatelink routes add --help has examples.",
    );
  }
}

async function list(api: Api): Promise<Result> {
  const config = await loadConfig(api);
  const nameOf = namesOf(config);
  const rows = new Map(config.routes.map((row) => [row.id, row]));
  const listed = (await routesOf(config)).map(({ id, description, test }) => {
    const { destination_ids, ...row } = rows.get(id)!;
    return { ...row, description, valid: test !== undefined, destinations: destination_ids.map(nameOf) };
  });
  // A column of its own only where a route is for more than WhatsApp.
  const channelsOf = ({ channels }: { channels?: readonly string[] }) =>
    channels === undefined || channels.join() === "whatsapp" ? null : channels.join(", ");
  const named = listed.some((route) => channelsOf(route) !== null);
  return {
    document: listed,
    text: table(
      ["route", "priority", "when", ...(named ? ["channels"] : []), "to", "flag", "sticky", "id"],
      listed.map((route): Cell[] => [
        route.active === false ? ["dim", `${route.name} (inactive)`] : route.name,
        route.priority,
        route.valid ? route.description : ["red", `invalid: ${route.description}`],
        ...(named ? [channelsOf(route)] : []),
        route.destinations.length > 1
          ? `${route.mode} of ${route.destinations.join(", ")}`
          : route.destinations.join(", "),
        route.flag_key,
        route.sticky_minutes ? `${route.sticky_minutes} min` : null,
        route.id,
      ]),
      `No routes yet, so no message is delivered: gatelink routes add --to NAME --when '{"type":"any"}'`,
    ),
  };
}
