/** `gatelink incident template`: shows texts of incidents filled in, or changes them. */
import type { Command } from "commander";
import {
  fillTemplate,
  templateFaults,
  TEMPLATES,
  templateValues,
} from "../../../supabase/functions/_shared/contract/incidents.ts";
import {
  fromBrackets,
  type RollbackNotice,
  rollbackNotice,
} from "../../../supabase/functions/_shared/contract/rollback_notices.ts";
import type { Api } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { suggest } from "../../core/suggest.ts";
import { reason, whole } from "../../core/values.ts";
import { readIncident } from "./api.ts";

const KEY = "incident_template.";

interface Setting {
  key: string;
  value: string;
  version: number;
}

/** The team's own texts by template. */
export async function ownTexts(api: Api): Promise<Map<string, Setting>> {
  const rows = await api.rows((client) =>
    client.from("settings").select("key,value,version").like("key", `${KEY}%`)
  );
  return new Map(rows.map((row) => [row.key.slice(KEY.length), row]));
}

/** Adds the command. */
export function template(group: Command, run: Run): void {
  group.command("template").description(
    "a text for the channel, the status page or people, filled in; or changes it",
  )
    .argument("[name]", "which; without it all are listed")
    .option("--incident <number>", "fill it in for this incident", whole(1, 1e15))
    .option("--text <text>", "what stands for {{text}}", reason)
    .option("--set <text>", "make this the team's text", reason)
    .addHelpText(
      "after",
      `
Texts may name {{title}}, {{severity}} and others in two braces; one that does not exist is refused when the text is written.
Automatic messages use the same texts. The two notices of a rollback also take the placeholders of plans, such as [TIMESTAMP];
gatelink incident say sends them.

Examples:
  gatelink incident template
  gatelink incident template affected_users --incident 7
  gatelink incident template status_resolved --set "All is well again. Thank you for your patience."`,
    )
    .action((name: string | undefined, options: { incident?: number; text?: string; set?: string }) =>
      run(async (session) => {
        const api = await session.api();
        const own = await ownTexts(api);
        if (name === undefined) {
          const all = Object.entries(TEMPLATES).map(([name, { about, audience, text }]) => ({
            name,
            about,
            audience,
            own: own.has(name),
            text: own.get(name)?.value ?? text,
          }));
          return {
            document: all,
            text: table(
              ["name", "for", "whose", "about"],
              all.map((one): Cell[] => [
                one.name,
                one.audience,
                one.own ? "the team's" : "usual",
                one.about,
              ]),
            ),
          };
        }
        if (TEMPLATES[name] === undefined) {
          const alike = suggest(name, Object.keys(TEMPLATES));
          throw new CliError(
            "not_found",
            `There is no template ${name}.`,
            alike.length > 0
              ? `Do you mean ${alike.join(" or ")}?`
              : "gatelink incident template lists them.",
          );
        }
        if (options.set !== undefined) {
          const set = TEMPLATES[name].more === undefined ? options.set : fromBrackets(options.set);
          const faults = templateFaults(name, set);
          if (faults.length > 0) {
            throw new CliError(
              "invalid",
              `The text cannot be used: ${faults.join("; ")}.`,
              `gatelink incident template ${name} shows the text that is used now.`,
            );
          }
          const document = await api.rpc("set_setting", {
            p_key: KEY + name,
            p_value: set,
            p_metadata: {},
            p_expected_version: own.get(name)?.version ?? 0,
          });
          return { document, text: `${name} is the team's own text now.` };
        }
        const text = own.get(name)?.value ?? TEMPLATES[name].text;
        if (options.incident === undefined) return { document: { name, text }, text };
        const incident = await readIncident(api, options.incident);
        const filled = TEMPLATES[name].more === undefined
          ? fillTemplate(text, templateValues(incident, { text: options.text }))
          : rollbackNotice(name as RollbackNotice, text, incident, { now: new Date(), public: false });
        return { document: { name, incident: options.incident, text: filled }, text: filled };
      })
    );
}
