/**
 * `gatelink rollout notify`: who is notified when a rollout starts, advances, waits, pages or is rolled back,
 * and of failing parts.
 */
import { type Command, Option } from "commander";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { address, destinationName } from "../../core/values.ts";
import { EVENTS } from "../../../supabase/functions/_shared/contract/words/notifications.ts";

/** The address of a webhook, validated. @throws {CliError} usage */
function webAddress(url: string): string {
  try {
    return address(url);
  } catch (error) {
    throw new CliError("usage", (error as Error).message, "gatelink rollout notify add --help");
  }
}

/** Adds the group. */
export function notifying(group: Command, run: Run): void {
  const inner = group.command("notify").description(
    "who is notified of rollouts and failures, by signed webhook, in Slack, by mail or at PagerDuty",
  );
  inner.command("add").description(
    "add an endpoint; for a webhook, prints its signing secret, which is not shown again",
  )
    .argument("<name>", "short name: lower-case letters, digits, - and _", destinationName)
    .argument(
      "<url>",
      "address for the posts; its host must be on the allowlist for forward. A mail address for --kind email, an integration key for --kind pagerduty",
    )
    .addOption(
      new Option(
        "--kind <kind>",
        'webhook: a signed JSON event; slack: {"text"}, as Slack and Mattermost take it; email: a mail, from the default identity; pagerduty: incidents at a service (Events API v2)',
      )
        .choices(["webhook", "slack", "email", "pagerduty"]).default("webhook"),
    )
    .addOption(
      new Option(
        "--events <events...>",
        "events to send (default: all but paused and resumed; for PagerDuty those that open, acknowledge or resolve)",
      ).choices(
        EVENTS,
      ),
    )
    .addHelpText(
      "after",
      `
Examples:
  gatelink rollout notify add on-call https://hooks.example.com/rollouts
  gatelink rollout notify add incidents https://hooks.slack.com/services/T0/B0/X --kind slack --events paged rolled_back
  gatelink rollout notify add team team@example.com --kind email
  gatelink rollout notify add pages INTEGRATION_KEY --kind pagerduty`,
    )
    .action((name: string, url: string, options: { kind: string; events?: string[] }) =>
      run(async (session) => {
        const endpoint = await (await session.api()).rpc("add_notification_endpoint", {
          p_name: name,
          p_kind: options.kind,
          p_url: options.kind === "email" || options.kind === "pagerduty" ? url : webAddress(url),
          ...(options.events === undefined ? {} : { p_events: options.events }),
        });
        return {
          document: endpoint,
          text: facts({
            name: endpoint.name,
            host: endpoint.host,
            events: endpoint.events.join(", "),
            ...(endpoint.secret === undefined ? {} : { secret: endpoint.secret }),
          }),
        };
      })
    );
  inner.command("list").description("list the endpoints")
    .addHelpText(
      "after",
      `
Example:
  gatelink rollout notify list`,
    )
    .action(() =>
      run(async (session) => {
        const rows = await (await session.api()).rows((client) =>
          client.from("notification_endpoints").select("id,name,kind,host,events,state,created_at").order(
            "name",
          )
        );
        return {
          document: rows,
          text: table(
            ["name", "kind", "state", "host", "events", "since"],
            rows.map((row): Cell[] => [
              row.name,
              row.kind,
              [row.state === "active" ? "green" : "yellow", row.state],
              row.host,
              row.events.join(", "),
              time(row.created_at),
            ]),
            "No endpoints yet: gatelink rollout notify add NAME URL",
          ),
        };
      })
    );
  for (const [verb, state] of [["pause", "paused"], ["resume", "active"]] as const) {
    inner.command(verb)
      .description(
        verb === "pause"
          ? "stop notifications for a while; missed ones are not sent later"
          : "resume notifications",
      )
      .argument("<name>", "as it was added", destinationName)
      .addHelpText(
        "after",
        `
Example:
  gatelink rollout notify ${verb} on-call`,
      )
      .action((name: string) =>
        run(async (session) => {
          const endpoint = await (await session.api()).rpc("set_notification_state", {
            p_name: name,
            p_state: state,
          });
          return { document: endpoint, text: `${name} is ${state}.` };
        })
      );
  }
  inner.command("test").description("send a test to an endpoint, whatever events it wants")
    .argument("<name>", "as it was added", destinationName)
    .addHelpText(
      "after",
      `
At PagerDuty a test opens an incident and resolves it at once.

Example:
  gatelink rollout notify test on-call`,
    )
    .action((name: string) =>
      run(async (session) => {
        const test = await (await session.api()).rpc("test_notification_endpoint", { p_name: name });
        return { document: test, text: `A test of ${name} is sent within 30 seconds.` };
      })
    );
  inner.command("remove").description("remove an endpoint and its queued notifications")
    .argument("<name>", "as it was added", destinationName)
    .addHelpText(
      "after",
      `
Example:
  gatelink rollout notify remove on-call`,
    )
    .action((name: string) =>
      run(async (session) => {
        if (!await (await session.api()).rpc("remove_notification_endpoint", { p_name: name })) {
          throw new CliError(
            "not_found",
            `There is no endpoint named ${name}.`,
            "gatelink rollout notify list",
          );
        }
        return { document: { name, removed: true }, text: `${name} was removed.` };
      })
    );
}
