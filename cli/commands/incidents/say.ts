/** `gatelink incident say`: words about an incident to the team's channels and the public, by a template or one's own. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { TEMPLATES } from "../../../supabase/functions/_shared/contract/incidents.ts";
import {
  ROLLBACK_NOTICES,
  type RollbackNotice,
  rollbackNotice,
} from "../../../supabase/functions/_shared/contract/rollback_notices.ts";
import { CliError } from "../../core/errors.ts";
import type { Run } from "../../core/session.ts";
import { reason, whole } from "../../core/values.ts";
import { readIncident } from "./api.ts";
import { ownTexts } from "./template.ts";

interface SayOptions {
  template?: RollbackNotice;
  text?: string;
  public?: boolean;
  system?: string;
  commander?: string;
  lead?: string;
  reason?: string;
  minutes?: number;
  phase?: number;
  completedAt?: string;
  dryRun?: boolean;
}

function time(text: string): string {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError("Use a time such as 2026-11-30T14:05Z.");
  return new Date(at).toISOString();
}

/** Adds the command. */
export function say(group: Command, run: Run): void {
  group.command("say").description(
    "tell the team, and with --public everybody, in the words of a template or your own",
  )
    .argument("<incident>", "its number, as incident list shows it", whole(1, 1e15))
    .addOption(new Option("--template <name>", "a notice of a rollback").choices(ROLLBACK_NOTICES))
    .option("--text <text>", "your own words instead", reason)
    .option("--public", "publish it on the status page too, without names of people")
    .option(
      "--system <name>",
      "the system, as its readers know it (default: the flag, component or title)",
      reason,
    )
    .option("--commander <name>", "who leads", reason)
    .option("--lead <name>", "who rolls back", reason)
    .option("--reason <text>", "why a rollback was planned (default: the incident's title)", reason)
    .option("--minutes <n>", "downtime, or how long a planned rollback takes", whole(0, 10_080))
    .option("--phase <n>", "which phase of a planned rollback is under way; 4 when it is over", whole(1, 4))
    .option("--completed-at <time>", "when the rollback was completed, if it was not run with gatelink", time)
    .option("--dry-run", "show the text, and tell nobody")
    .addHelpText(
      "after",
      `
It goes to every endpoint that listens for incident_updated (gatelink rollout notify list), and stays with the incident. An
emergency rollback is said to be completed if one was taken. The team's own texts: gatelink incident template.

Examples:
  gatelink incident say 7 --template emergency_rollback --system "Mail tracking" --commander Ada --public
  gatelink incident say 7 --template planned_rollback --minutes 20 --lead Grace --phase 1`,
    )
    .action((number: number, options: SayOptions) =>
      run(async (session) => {
        if ((options.template === undefined) === (options.text === undefined)) {
          throw new CliError("usage", "Use --template or --text.", "gatelink incident say --help");
        }
        const api = await session.api();
        const incident = await readIncident(api, number);
        let text: string, publicText: string | null;
        if (options.template === undefined) {
          text = options.text!;
          publicText = options.public ? text : null;
        } else {
          const template = (await ownTexts(api)).get(options.template)?.value ??
            TEMPLATES[options.template].text;
          const words = (isPublic: boolean) =>
            rollbackNotice(options.template!, template, incident, {
              ...options,
              now: new Date(),
              public: isPublic,
            });
          text = words(false);
          publicText = options.public ? words(true) : null;
        }
        if (options.dryRun) {
          return { document: { incident: number, text, public_text: publicText, told: false }, text };
        }
        await api.rpc("say_incident", { p_number: number, p_text: text, p_public_text: publicText });
        return {
          document: { incident: number, text, public_text: publicText, told: true },
          text: `${text}\n\n${
            publicText === null ? "The team is told." : "The team is told, and the status page shows it."
          }`,
        };
      })
    );
}
