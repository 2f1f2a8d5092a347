/** `gatelink incident escalation`: who is called when nobody acknowledges. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { SEVERITIES, type Severity } from "../../../supabase/functions/_shared/contract/incidents.ts";
import { ESCALATION_POLICIES, policyOf } from "../../../supabase/functions/_shared/contract/escalation.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, table } from "../../core/output.ts";
import type { Api } from "../../core/api.ts";
import type { Run } from "../../core/session.ts";
import { several } from "../../core/values.ts";

/** `15=CTO` or `15=CTO@on-call`. */
function step(text: string): { after_minutes: number; role: string; endpoint?: string } {
  const match = /^(\d{1,5})=([^@]{1,60})(?:@([a-z0-9][a-z0-9_-]{0,62}))?$/.exec(text.trim());
  if (match === null) {
    throw new InvalidArgumentError("It is minutes=role or minutes=role@endpoint, like 15=CTO@on-call.");
  }
  const [, minutes, role, endpoint] = match;
  return {
    after_minutes: Number(minutes),
    role: role.trim(),
    ...(endpoint === undefined ? {} : { endpoint }),
  };
}

/** `management=on-call`: where a role of a policy is told. */
function place(text: string): { role: string; endpoint: string } {
  const match = /^([^=@]{1,60})=([a-z0-9][a-z0-9_-]{0,62})$/.exec(text.trim());
  if (match === null) throw new InvalidArgumentError("It is role=endpoint, like management=on-call.");
  return { role: match[1].trim(), endpoint: match[2] };
}

/** Sets the steps of each severity to those of a policy. @throws {CliError} usage for a role that it does not have */
async function follow(api: Api, name: string, places: readonly ReturnType<typeof place>[]): Promise<void> {
  const { steps } = ESCALATION_POLICIES[name];
  const roles = new Set(Object.values(steps).flat().map(({ role }) => role));
  const unknown = places.find(({ role }) => !roles.has(role));
  if (unknown !== undefined) {
    throw new CliError(
      "usage",
      `${name} does not call ${unknown.role}.`,
      `It calls ${[...roles].join(", ")}.`,
    );
  }
  for (const { severity } of SEVERITIES) {
    await api.rpc("set_escalation", {
      p_severity: severity,
      p_steps: steps[severity].map((one) => {
        const endpoint = places.find(({ role }) => role === one.role)?.endpoint;
        return endpoint === undefined ? one : { ...one, endpoint };
      }),
    });
  }
}

interface EscalationOptions {
  severity?: Severity;
  steps?: ReturnType<typeof step>[];
  policy?: string;
  to?: ReturnType<typeof place>[];
}

/** Adds the command. */
export function escalation(group: Command, run: Run): void {
  group.command("escalation").description("show or set who is called when nobody acknowledges in time")
    .addOption(
      new Option("--severity <severity>", "of which severity").choices(
        SEVERITIES.map(({ severity }) => severity),
      ),
    )
    .option(
      "--steps <steps...>",
      "all steps of that severity anew: minutes=role@endpoint; without an endpoint all are told who listen for incident_escalated",
      several(step),
    )
    .addOption(
      new Option("--policy <name>", "all steps of every severity anew, as in this policy").choices(
        Object.keys(ESCALATION_POLICIES),
      ),
    )
    .option("--to <places...>", "where roles of the policy are told: role=endpoint", several(place))
    .addHelpText(
      "after",
      `
Policies:
${Object.entries(ESCALATION_POLICIES).map(([name, { about }]) => `  ${name.padEnd(13)}${about}`).join("\n")}

After the last step the same is called again, every 30 minutes of P0 and every hour of P1, until somebody acknowledges. Within
24 hours of a launch the first step is taken at once.

Examples:
  gatelink incident escalation
  gatelink incident escalation --severity P0 --steps "5=engineering lead@on-call" 15=CTO@management
  gatelink incident escalation --policy four_levels --to "engineering team=on-call" executives=board`,
    )
    .action((options: EscalationOptions) =>
      run(async (session) => {
        const api = await session.api();
        if (options.policy !== undefined) {
          if (options.steps !== undefined || options.severity !== undefined) {
            throw new CliError(
              "usage",
              "A policy sets the steps of every severity.",
              "Use --policy without --severity and --steps.",
            );
          }
          await follow(api, options.policy, options.to ?? []);
        } else if (options.to !== undefined) {
          throw new CliError("usage", "--to needs --policy.", "gatelink incident escalation --help");
        } else if (options.steps !== undefined) {
          if (options.severity === undefined) {
            throw new CliError(
              "usage",
              "--steps needs --severity.",
              "gatelink incident escalation --severity P0 --steps 5=lead 15=CTO",
            );
          }
          await api.rpc("set_escalation", { p_severity: options.severity, p_steps: options.steps });
        }
        const rows = await api.rows((client) => {
          const asked = client.from("escalation_steps")
            .select("severity,after_minutes,role,notification_endpoints(name)")
            .order("severity").order("after_minutes");
          return options.severity === undefined ? asked : asked.eq("severity", options.severity);
        });
        const document = rows.map(({ notification_endpoints, ...row }) => ({
          ...row,
          endpoint: notification_endpoints?.name ?? null,
        }));
        const name = options.severity === undefined ? policyOf(document) : undefined;
        return {
          document,
          text: (name === undefined ? "" : `Policy ${name}\n\n`) + table(
            ["severity", "after", "who", "where"],
            document.map((row): Cell[] => [
              row.severity,
              `${row.after_minutes} min`,
              row.role,
              row.endpoint ?? "all who listen for incident_escalated",
            ]),
            "Nobody is called.",
          ),
        };
      })
    );
}
