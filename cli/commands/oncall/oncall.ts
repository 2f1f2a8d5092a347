/** `gatelink oncall`: who is on call, rotas, schedules of providers, and a check of them. */
import { type Command, Option } from "commander";
import type { OnCallPersonDraft } from "../../../supabase/functions/_shared/contract/arguments.ts";
import type {
  OnCallNow,
  OnCallSchedule,
} from "../../../supabase/functions/_shared/contract/answers/oncall.ts";
import type { OnCallCheck } from "../../../supabase/functions/_shared/contract/http/oncall.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, facts, paint, table, time } from "../../core/output.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { destinationName } from "../../core/values.ts";
import { LEVEL_COLOURS } from "../telegram/findings.ts";
import { findingsOf } from "./findings.ts";
import {
  addressParts,
  clockSpan,
  clockTime,
  day,
  dayNames,
  identifier,
  moment,
  person,
  turn,
  weekdays,
} from "./values.ts";

/** Defines the commands of the group. */
export function oncall(group: Command, run: Run): void {
  who(group, run);
  list(group, run);
  add(group, run);
  override(group, run);
  remove(group, run);
  someone(group, run);
  doctor(group, run);
}

function who(group: Command, run: Run): void {
  group.command("who").description("who is on call now, or by a rota at another time")
    .argument("[schedule]", "a schedule (default: all)")
    .option("--at <time>", "another time, with its offset; of rotas alone", moment)
    .addHelpText(
      "after",
      "\nExamples:\n  gatelink oncall who\n  gatelink oncall who infra --at 2026-12-24T18:00:00+01:00",
    )
    .action((schedule: string | undefined, { at }: { at?: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("who_is_on_call", {
          ...(schedule === undefined ? {} : { p_schedule: schedule }),
          ...(at === undefined ? {} : { p_at: at }),
        });
        return {
          document,
          text: table(
            ["schedule", "on call", "Telegram", "until", "said"],
            document.map((one): Cell[] => [
              one.schedule,
              namesOf(one),
              one.people.map(({ telegram_id }) => telegram_id === null ? "not linked" : "linked").join(", "),
              one.until === null ? null : time(one.until),
              saidOf(one),
            ]),
            "No schedules yet: gatelink oncall add --help",
          ),
        };
      })
    );
}

function namesOf({ people, known }: OnCallNow): Cell {
  if (!known) return ["yellow", "not known"];
  return people.length === 0 ? ["yellow", "nobody"] : people.map(({ name }) => name).join(", ");
}

function saidOf({ source, at, is_stale, fault }: OnCallNow): Cell {
  if (source === "rota") return "by the rota";
  const why = fault === null ? "" : `: ${fault}`;
  if (at === null) return ["red", `${source} has never answered${why}`];
  return is_stale ? ["yellow", `by ${source} at ${time(at)}${why}`] : `by ${source} at ${time(at)}`;
}

function list(group: Command, run: Run): void {
  group.command("list").description("schedules with their layers, overrides and the next two weeks")
    .addHelpText("after", "\nExample:\n  gatelink oncall list")
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("list_oncall", {});
        return {
          document,
          text: document.length === 0
            ? "No schedules yet: gatelink oncall add --help"
            : document.map(shownSchedule).join("\n\n"),
        };
      })
    );
}

function shownSchedule(one: OnCallSchedule): string {
  const only = [
    one.scopes === null ? [] : [`scopes ${one.scopes.join(", ")}`],
    one.types === null ? [] : [`types ${one.types.join(", ")}`],
  ].flat();
  return [
    paint("bold", one.name),
    facts({
      source: one.external_id === null ? `rota, ${one.zone}` : `${one.source} ${one.external_id}`,
      chat: one.destination,
      ...(only.length === 0 ? {} : { only: only.join("; ") }),
      ...(one.opens_incidents ? { incidents: "each card opens one" } : {}),
      owner: one.owner,
    }),
    ...(one.layers.length === 0 ? [] : [table(
      ["layer", "turns of", "people", "in force"],
      one.layers.map((layer): Cell[] => [
        layer.id,
        `${
          layer.every === 1 ? layer.unit : `${layer.every} ${layer.unit}s`
        }, ${layer.handover}, since ${layer.starts_on}`,
        layer.people.join(", "),
        [layer.days === null ? "every day" : dayNames(layer.days)].concat(
          layer.from === null ? [] : [`${layer.from}-${layer.until}`],
        ).join(" "),
      ]),
    )]),
    ...(one.overrides.length === 0 ? [] : [table(
      ["override", "person", "from", "until"],
      one.overrides.map(({ id, person, from, until }) => [id, person, time(from), time(until)]),
    )]),
    ...(one.shifts.length === 0 ? [] : [table(
      ["on call", "from", "until"],
      one.shifts.map((
        { person, from, until },
      ): Cell[] => [person ?? ["yellow", "nobody"], time(from), time(until)]),
    )]),
  ].join("\n");
}

interface AddOptions {
  source?: "pagerduty" | "opsgenie" | "jsm";
  id?: string;
  people?: OnCallPersonDraft[];
  every: { unit: "day" | "week"; every: number };
  from?: string;
  at: string;
  days?: number[];
  hours?: { from: string; until: string };
  zone?: string;
  chat?: string;
  scopes?: string[];
  types?: string[];
  incidents?: true;
  owner?: string;
}

function add(group: Command, run: Run): void {
  group.command("add").description(
    "add a schedule, a rota of your own or one that a provider keeps, or change it",
  )
    .argument("<name>", "short name: lower-case letters, digits, - and _", destinationName)
    .option(
      "--people <people...>",
      'who takes turns: addresses, "Name <address>" or names',
      (text, before: OnCallPersonDraft[] = []) => [...before, person(text)],
    )
    .option("--every <turn>", 'how long a turn lasts: day, week, "2 weeks"', turn, turn("week"))
    .option("--at <time>", "when turns change, by the clock on the wall", clockTime, "09:00")
    .option("--from <day>", "day of the first turn (default: the present turn)", day)
    .option("--days <days>", "only on these days, such as mon-fri", weekdays)
    .option("--hours <times>", "only at these times, such as 18:00-08:00", clockSpan)
    .option("--zone <zone>", "IANA time zone of a rota (default: UTC)")
    .addOption(
      new Option("--source <provider>", "who keeps the schedule, if not you").choices([
        "pagerduty",
        "opsgenie",
        "jsm",
      ]),
    )
    .option("--id <id>", "the provider's id of the schedule; of an escalation policy at PagerDuty: policy:ID")
    .option("--chat <destination>", "the chat whose cards mention who is on call")
    .option("--scopes <scopes>", "only cards of mails to addresses of these scopes", addressParts)
    .option("--types <types>", "only cards of mails to addresses of these types, such as alert", addressParts)
    .option("--incidents", "each card opens an incident at the provider, and both follow each other")
    .option("--owner <address>", "the member of the team who is told of gaps")
    .addHelpText(
      "after",
      `
For a rota that exists, --people adds a layer, which comes before the others while it is in force. --zone, --chat, --scopes,
--types, --incidents and --owner change what a schedule has.

Examples:
  gatelink oncall add infra --people ana@example.com ben@example.com --zone Europe/Berlin --chat alerts --owner ana@example.com
  gatelink oncall add infra --people "Cleo <cleo@example.com>" --every day --days sat,sun
  gatelink oncall add payments --source pagerduty --id PSCH001 --chat alerts --scopes payments --incidents`,
    )
    .action((name: string, options: AddOptions) =>
      run(async (session) => {
        const { source, id, people, every, from, at, days, hours, chat, ...rest } = options;
        if ((source === undefined) !== (id === undefined)) {
          throw new CliError("usage", "--source and --id go together.", "gatelink oncall add --help");
        }
        const { zone, scopes, types, incidents, owner } = rest;
        const document = await (await session.api()).rpc("add_oncall", {
          p_schedule: {
            name,
            ...(source === undefined ? {} : { source, external_id: id }),
            ...(zone === undefined ? {} : { zone }),
            ...(chat === undefined ? {} : { destination: chat }),
            ...(scopes === undefined ? {} : { scopes }),
            ...(types === undefined ? {} : { types }),
            ...(incidents === undefined ? {} : { opens_incidents: true }),
            ...(owner === undefined ? {} : { owner }),
            ...(people === undefined ? {} : {
              layer: {
                people,
                ...every,
                handover: at,
                ...(from === undefined ? {} : { starts_on: from }),
                ...(days === undefined ? {} : { days }),
                ...hours,
              },
            }),
          },
        });
        return {
          document,
          text: `${facts({ name: document.name, source: document.source, layers: document.layers })}

Next: ${
            document.source === "rota" && document.layers === 0
              ? `gatelink oncall add ${document.name} --people ana@example.com ben@example.com`
              : `gatelink oncall who ${document.name}`
          }`,
        };
      })
    );
}

function override(group: Command, run: Run): void {
  group.command("override").description("somebody takes over for a while, whatever the rota says")
    .argument("<schedule>", "the schedule")
    .argument("<person>", 'an address, "Name <address>" or a name', person)
    .requiredOption("--until <time>", "until when, with its offset", moment)
    .option("--from <time>", "from when (default: now)", moment)
    .addHelpText(
      "after",
      "\nExample:\n  gatelink oncall override infra ben@example.com --from 2026-12-24T18:00:00+01:00 --until 2026-12-25T09:00:00+01:00",
    )
    .action((
      schedule: string,
      someone: OnCallPersonDraft,
      { from, until }: { from?: string; until: string },
    ) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("override_oncall", {
          p_schedule: schedule,
          p_person: someone,
          p_from: from ?? new Date().toISOString(),
          p_until: until,
        });
        return {
          document,
          text: `${document.person} is on call for ${document.schedule} from ${time(document.from)} until ${
            time(document.until)
          }`,
        };
      })
    );
}

function remove(group: Command, run: Run): void {
  group.command("remove").description("remove a schedule, or a layer or override of it")
    .argument("<schedule>", "the schedule")
    .argument("[id]", "a layer or an override, as gatelink oncall list shows it", identifier)
    .addHelpText("after", "\nExample:\n  gatelink oncall remove infra")
    .action((schedule: string, id: string | undefined) =>
      run(async (session) => {
        const removed = await (await session.api()).rpc("remove_oncall", {
          p_schedule: schedule,
          ...(id === undefined ? {} : { p_id: id }),
        });
        return { document: { schedule, removed }, text: `The ${removed} is removed.` };
      })
    );
}

function someone(group: Command, run: Run): void {
  group.command("person").description("keep or forget a person who can be on call")
    .argument("<person>", 'an address, "Name <address>" or a name', person)
    .option("--atlassian <id>", "account id at Atlassian, which Jira Service Management names")
    .option(
      "--remove",
      "forget the person: out of all rotas, with their overrides; the others share the turns anew",
    )
    .addHelpText(
      "after",
      `
Examples:
  gatelink oncall person "Ana <ana@example.com>" --atlassian 5b00000000000000000000aa
  gatelink oncall person ana@example.com --remove`,
    )
    .action((given: OnCallPersonDraft, { atlassian, remove }: { atlassian?: string; remove?: boolean }) =>
      run(async (session) => {
        if (remove) {
          if (atlassian !== undefined) {
            throw new CliError(
              "usage",
              "--remove and --atlassian do not go together.",
              "gatelink oncall person --help",
            );
          }
          const removed = await (await session.api()).rpc("remove_oncall_person", { p_person: given });
          return {
            document: removed,
            text: `${removed.name} can no longer be on call (layers changed: ${removed.layers}).`,
          };
        }
        const document = await (await session.api()).rpc("set_oncall_person", {
          p_person: { ...given, ...(atlassian === undefined ? {} : { atlassian_id: atlassian }) },
        });
        return {
          document,
          text: facts({ name: document.name, email: document.email, atlassian: document.atlassian_id }),
        };
      })
    );
}

function doctor(group: Command, run: Run): void {
  group.command("doctor").description("check the switch, the providers, and whether who is on call is linked")
    .addHelpText("after", "\nExit code 1 if there is a problem.\n\nExample:\n  gatelink oncall doctor")
    .action(() => run((session) => examine(session)));
}

async function examine(session: Session): Promise<Result> {
  const api = await session.api();
  const [{ body: check }, schedules, now, flags] = await Promise.all([
    callFunction<OnCallCheck>(api.stack, "GET", "oncall-webhook/check"),
    api.rpc("list_oncall", {}),
    api.rpc("who_is_on_call", {}),
    api.rpc("list_flags", { p_filter: { search: "dynamic_routing" } }),
  ]);
  const isOn = flags.some(({ key, value }) => key === "dynamic_routing.enabled" && value === "true");
  const findings = findingsOf({ check, schedules, now, isOn });
  const advice = findings.flatMap(({ about, advice }) => advice === undefined ? [] : [`${about}: ${advice}`]);
  return {
    document: { findings },
    text: [
      table(
        ["", "about", "found"],
        findings.map(({ level, about, what }): Cell[] => [[LEVEL_COLOURS[level], level], about, what]),
      ),
      ...(advice.length === 0 ? [] : [advice.join("\n")]),
    ].join("\n\n"),
    failed: findings.some(({ level }) => level === "problem"),
  };
}
