/** The text of an announcement: given, or a template of the team filled in. */
import {
  fillTemplate,
  TEMPLATES,
  templateValues,
} from "../../../supabase/functions/_shared/contract/incidents.ts";
import type { Api } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { readIncident } from "../incidents/api.ts";

/** Templates that people who use the team's services read. */
export const WORDS = ["announcement_beta", "announcement_all", "affected_users"];

/**
 * A template with its values filled in.
 * @param flag The feature that it is about; its name without .enabled stands for {{flag}}.
 * @param text What stands for {{text}}.
 */
export async function filledIn(
  api: Api,
  name: string,
  { flag, incident, text }: { flag?: string; incident?: number; text?: string },
): Promise<string> {
  const [own] = await api.rows((client) =>
    client.from("settings").select("value").eq("key", `incident_template.${name}`)
  );
  const template = own?.value ?? TEMPLATES[name].text;
  if (incident !== undefined) {
    return fillTemplate(template, templateValues(await readIncident(api, incident), { text }));
  }
  if (/\{\{(title|opened_at|status|severity|number)\}\}/.test(template)) {
    throw new CliError(
      "usage",
      `The template ${name} is about an incident.`,
      "Name it with --incident, or give the words with --text.",
    );
  }
  if (flag === undefined && template.includes("{{flag}}")) {
    throw new CliError("usage", `The template ${name} names a feature.`, "Say which with --about FLAG.");
  }
  return fillTemplate(template, { flag: (flag ?? "").replace(/\.enabled$/, ""), text: text ?? "" });
}
