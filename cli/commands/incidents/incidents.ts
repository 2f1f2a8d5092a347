/** `gatelink incident`: incidents, who handles them, and their public updates. */
import { type Command, Option } from "commander";
import {
  KINDS,
  recommended,
  runbooksOf,
  SEVERITIES,
  STATUSES,
} from "../../../supabase/functions/_shared/contract/incidents.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, reason, whole } from "../../core/values.ts";
import { flagKey } from "../flags/api.ts";
import { inWords, readIncident, severityCell, updateInWords } from "./api.ts";
import { escalation } from "./escalation.ts";
import { postmortem } from "./postmortem.ts";
import { say } from "./say.ts";
import { template } from "./template.ts";

const NUMBER = "its number, as incident list shows it";
const number = whole(1, 1e15);
const kindOption = () =>
  new Option("--kind <kind>", "line of the decision matrix").choices(KINDS.map(({ kind }) => kind));
const severityOption = () =>
  new Option("--severity <severity>", "how severe it is (default: what the matrix says of its kind)").choices(
    SEVERITIES.map(({ severity }) => severity),
  );

/** Defines the commands of the group. */
export function incidents(group: Command, run: Run): void {
  opening(group, run);
  reading(group, run);
  changing(group, run);
  say(group, run);
  postmortem(group, run);
  template(group, run);
  escalation(group, run);
}

interface OpenOptions {
  kind?: string;
  severity?: string;
  flag?: string;
  component?: string;
  public?: boolean;
  note?: string;
  say?: string;
}

function opening(group: Command, run: Run): void {
  group.command("open").description(
    "open an incident; a severe one takes the rollout of its flag back, and stops launches",
  )
    .argument("<title>", "what is wrong, in a line; everybody reads it where the incident is public", reason)
    .addOption(kindOption().default("other"))
    .addOption(severityOption())
    .option("--flag <flag>", "the feature that is concerned; .enabled may be left out", flagKey)
    .option("--component <part>", "the part that is concerned, as health names it")
    .option("--public", "show it on the status page")
    .option("--note <text>", "for the team", reason)
    .option("--say <text>", "for the status page (default: the template of the status)", reason)
    .addHelpText(
      "after",
      `
Kinds, and what the decision matrix says of them:
${
        KINDS.map(({ kind, issue, severity, wayBack, instead, within }) =>
          `  ${kind.padEnd(13)}${severity}  ${issue}: ${
            wayBack.length > 0 ? `rollback ${wayBack.join(", then ")}` : instead
          }, ${within}\n${" ".repeat(19)}${runbooksOf(kind).join(", ")}`
        ).join("\n")
      }

Examples:
  gatelink incident open "Checkout fails" --kind error_rate --flag checkout
  gatelink incident open "Replies come late" --kind performance --public --say "We are looking into it."`,
    )
    .action((title: string, options: OpenOptions) =>
      run(async (session) => {
        const incident = await (await session.api()).rpc("open_incident", {
          p_title: title,
          p_kind: options.kind,
          p_severity: options.severity ?? null,
          p_flag_key: options.flag ?? null,
          p_component: options.component ?? null,
          p_public: options.public ?? options.say !== undefined,
          p_note: options.note ?? null,
          p_public_text: options.say ?? null,
        });
        const taken = incident.rollout_id === null
          ? ""
          : `\nIts rollout was rolled back: ${incident.flag_key} is off.`;
        return { document: incident, text: `${inWords(incident)}${taken}` };
      })
    );
}

function reading(group: Command, run: Run): void {
  group.command("list").description("incidents: open ones first, the most severe on top")
    .option("--open", "only those that are open")
    .option("--limit <n>", "show at most N", whole(1, 500), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink incident list --open`,
    )
    .action(({ open, limit }: { open?: boolean; limit: number }) =>
      run(async (session) => {
        const rows = await (await session.api()).rpc("list_incidents", {
          p_open: open ? true : null,
          p_limit: limit,
        });
        return {
          document: rows,
          text: table(
            ["incident", "severity", "status", "in hand", "concerns", "opened", "title"],
            rows.map((row): Cell[] => [
              row.number,
              severityCell(row.severity),
              row.status,
              row.acknowledged_at === null && row.status !== "resolved" ? ["red", "nobody"] : "yes",
              row.flag_key ?? row.component,
              time(row.opened_at),
              row.title,
            ]),
            open ? "No open incidents." : "No incidents yet.",
          ),
        };
      })
    );

  group.command("show").description("one incident: what it is, what to do now, what happened")
    .argument("<incident>", NUMBER, number)
    .addHelpText(
      "after",
      `
Example:
  gatelink incident show 7`,
    )
    .action((incident: number) =>
      run(async (session) => {
        const story = await readIncident(await session.api(), incident);
        const history = table(
          ["at", "what", "status", "for", "who", "words"],
          story.updates.map((update): Cell[] => [
            time(update.at),
            update.kind,
            update.status,
            update.public ? ["yellow", "everybody"] : "the team",
            update.actor,
            updateInWords(update),
          ]),
        );
        return { document: story, text: `${inWords(story)}\n\n${history}` };
      })
    );
}

interface UpdateOptions extends Omit<OpenOptions, "public"> {
  status?: string;
  title?: string;
  public?: boolean;
  rollback?: string;
  version?: number;
}

function changing(group: Command, run: Run): void {
  group.command("acknowledge").alias("ack").description("take it in hand: nobody else is called")
    .argument("<incident>", NUMBER, number)
    .addHelpText(
      "after",
      `
Whoever was first stays; once more changes nothing.

Example:
  gatelink incident acknowledge 7`,
    )
    .action((incident: number) =>
      run(async (session) => {
        const row = await (await session.api()).rpc("acknowledge_incident", { p_number: incident });
        return {
          document: row,
          text: `Incident ${incident} was acknowledged at ${time(row.acknowledged_at)}.\nWhat to do: ${
            recommended(row)
          }`,
        };
      })
    );

  group.command("update").description("change its details, add a note, or publish an update")
    .argument("<incident>", NUMBER, number)
    .addOption(
      new Option("--status <status>", "how far it is; a resolved one is opened again").choices(
        STATUSES.filter((status) => status !== "resolved"),
      ),
    )
    .addOption(severityOption())
    .addOption(kindOption())
    .option("--title <title>", "what is wrong, in a line", reason)
    .option("--flag <flag>", "the feature that is concerned", flagKey)
    .option("--component <part>", "the part that is concerned")
    .option("--public", "show it on the status page")
    .option("--no-public", "take it off the status page")
    .option("--rollback <id>", "the rollback that was run, by its id in rollback_events", id)
    .option("--note <text>", "for the team", reason)
    .option("--say <text>", "for the status page", reason)
    .option("--version <n>", "only if it still is at this version", whole(1, 1e15))
    .addHelpText(
      "after",
      `
One that becomes severe takes the rollout of its flag back.

Examples:
  gatelink incident update 7 --status identified --note "the disk of the database is full"
  gatelink incident update 7 --say "Messages are delivered again; what waited follows within the hour."`,
    )
    .action((incident: number, options: UpdateOptions) =>
      run(async (session) => {
        const changes = Object.fromEntries(
          Object.entries({
            title: options.title,
            kind: options.kind,
            severity: options.severity,
            status: options.status,
            flag_key: options.flag,
            component: options.component,
            public: options.public,
            rollback_id: options.rollback,
          }).filter(([, value]) => value !== undefined),
        );
        if (Object.keys(changes).length === 0 && options.note === undefined && options.say === undefined) {
          throw new CliError("usage", "There is nothing to change.", "gatelink incident update --help");
        }
        const api = await session.api();
        const version = options.version ?? (await readIncident(api, incident)).version;
        const row = await api.rpc("update_incident", {
          p_number: incident,
          p_expected_version: version,
          p_changes: changes,
          p_note: options.note ?? null,
          p_public_text: options.say ?? null,
        });
        return { document: row, text: inWords(row) };
      })
    );

  group.command("resolve").description("close it")
    .argument("<incident>", NUMBER, number)
    .option("--note <text>", "for the team: what it was", reason)
    .option("--say <text>", "for the status page (default: the template of the status)", reason)
    .option("--version <n>", "only if it still is at this version", whole(1, 1e15))
    .addHelpText(
      "after",
      `
Example:
  gatelink incident resolve 7 --note "the flag is off; a fix follows tomorrow"`,
    )
    .action((incident: number, options: { note?: string; say?: string; version?: number }) =>
      run(async (session) => {
        const api = await session.api();
        const row = await api.rpc("resolve_incident", {
          p_number: incident,
          p_expected_version: options.version ?? (await readIncident(api, incident)).version,
          p_note: options.note ?? null,
          p_public_text: options.say ?? null,
        });
        return {
          document: row,
          text:
            `Incident ${incident} is resolved.\nHold a blameless review within a week: gatelink incident postmortem ${incident}`,
        };
      })
    );
}
