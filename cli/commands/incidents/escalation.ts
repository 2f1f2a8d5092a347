/** `gatelink incident escalation`: who is called when nobody acknowledges. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { SEVERITIES, type Severity } from "../../../supabase/functions/_shared/contract/incidents.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, table } from "../../core/output.ts";
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
    .addHelpText(
      "after",
      `
After the last step the same is called again, every 30 minutes of P0 and every hour of P1, until somebody acknowledges. Within
24 hours of a launch the first step is taken at once.

Examples:
  gatelink incident escalation
  gatelink incident escalation --severity P0 --steps "5=engineering lead@on-call" 15=CTO@management`,
    )
    .action((options: { severity?: Severity; steps?: ReturnType<typeof step>[] }) =>
      run(async (session) => {
        const api = await session.api();
        if (options.steps !== undefined) {
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
        return {
          document,
          text: table(
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
