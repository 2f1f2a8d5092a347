/** `gatelink destinations`: the services that receive messages. */
import type { HeadersSet, Resealed } from "../../../supabase/functions/_shared/contract/http/destinations.ts";
import { SCHEDULE } from "../../../supabase/functions/_shared/contract/retries.ts";
import { scheduleInWords } from "../../../supabase/functions/_shared/contract/words/retries.ts";
import { shownDestinationState } from "../../../supabase/functions/_shared/contract/states.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import {
  DESTINATION_FORMATS,
  type DestinationFormat,
  WHEN_TAKEN,
  type WhenTaken,
} from "../../../supabase/functions/_shared/contract/event_types.ts";
import { type Command, Option } from "commander";
import { destinationNamed, listDestinations } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { callFunction } from "../../core/functions_api.ts";
import { destinationState, facts, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { testDestination } from "./test_event.ts";
import type { FailurePolicy } from "../../../supabase/functions/_shared/delivery/retry.ts";
import {
  destinationName,
  durations,
  durationWithin,
  eventTypes,
  failurePolicy,
  orNone,
  positive,
  secret,
  whole,
} from "../../core/values.ts";

interface AddOptions {
  timeout?: number;
  rate?: number;
  burst?: number;
  retry?: number[];
  onFailure?: FailurePolicy;
  events?: string[];
  format?: DestinationFormat;
  whenTaken?: WhenTaken;
  secret?: string;
}

interface SetOptions extends Pick<AddOptions, "timeout" | "burst" | "events" | "format" | "whenTaken"> {
  url?: string;
  rate?: number | "none";
  retry?: number[] | "none";
  onFailure?: FailurePolicy | "none";
}

/** Entries of a list of events by which routes may lead to the destination. */
const MESSAGES = ["message.received", "message.*", "*"];

/** Advice for the function's refusals of a header. */
const HEADER_HINTS: Record<string, string | undefined> = {
  destination_not_found: "gatelink destinations list shows them.",
  invalid_request: "gatelink destinations set-header --help",
  config_invalid: "Set SEALING_KEYS for the functions: see docs/routing.md, Headers of your own.",
};

/** Defines the commands of the group. */
export function destinations(group: Command, run: Run): void {
  group.command("add").description("add a service; prints its signing secret, which is not shown again")
    .argument("<name>", "short name: lower-case letters, digits, - and _", destinationName)
    .argument("<url>", "where messages are posted; its host must be on the allowlist")
    .option(
      "--timeout <time>",
      "maximum wait for an answer, 100ms to 30s (default: 15s)",
      durationWithin(100, 30_000, "100ms to 30s"),
    )
    .option("--rate <n>", "maximum deliveries per second (default: no limit)", positive)
    .option("--burst <n>", "burst size within the rate (default: 10)", whole(1, 100_000))
    .option(
      "--retry <times>",
      `waits between attempts, such as 5s,1m,1h (default: the setting forward.retry_seconds, else ${
        scheduleInWords(SCHEDULE)
      })`,
      durations,
    )
    .option(
      "--on-failure <policy>",
      "effect of a status on the conversation, such as 404=aside,410=hold,else=hold: hold, aside or pause " +
        "(default: 400, 413, 415 and 422 aside, 410 pause, all others hold)",
      failurePolicy,
    )
    .option(
      "--events <types>",
      "events that it receives, such as message.received,message.failed,template.* (default: message.received)",
      eventTypes,
    )
    .addOption(
      new Option(
        "--format <form>",
        "form of the bodies: gatelink, or meta for Meta's own webhooks (default: gatelink)",
      )
        .choices([...DESTINATION_FORMATS]),
    )
    .addOption(
      new Option(
        "--when-taken <what>",
        "messages of conversations that a person has taken over: skip, or mark to get them marked (default: skip)",
      ).choices([...WHEN_TAKEN]),
    )
    .option("--secret <whsec>", "signing secret, whsec_ and base64 (default: generated)", secret)
    .addHelpText(
      "after",
      `
Examples:
  gatelink destinations add demo http://127.0.0.1:9999/hook
  gatelink destinations add orders https://hooks.example.com/whatsapp --timeout 5s --rate 20
  gatelink destinations add night https://hooks.example.com/night --retry 5s,1m,1h
  gatelink destinations add fates https://hooks.example.com/fates --events 'message.failed,template.*'
  gatelink destinations add inbox https://inbox.example.com/webhook --format meta --events 'message.*'`,
    )
    .action((name: string, url: string, options: AddOptions) =>
      run(async (session) => {
        const api = await session.api();
        const added = await api.rpc(
          "add_destination",
          {
            p_name: name,
            p_url: url,
            p_options: {
              timeout_ms: options.timeout,
              rate_per_second: options.rate,
              rate_burst: options.burst,
              retry_seconds: options.retry?.map((ms) => ms / 1000),
              failure_policy: options.onFailure,
              events: options.events,
              format: options.format,
              when_taken: options.whenTaken,
              secret: options.secret,
            },
          },
        );
        const text = facts({ name: added.name, url: added.url, secret: added.secret }) + `

Give the secret to the service: it checks each delivery's signature with it (Standard Webhooks).
It is not shown again.${
          options.events === undefined || options.events.some((type) => MESSAGES.includes(type))
            ? ` Next: gatelink routes add --to ${added.name} --when '{"type":"any"}'`
            : ""
        }`;
        return { document: added, text };
      })
    );

  group.command("set").description("change a service; waiting deliveries use the new values")
    .argument("<name>", "the destination", destinationName)
    .option("--url <url>", "where messages are posted; its host must be on the allowlist")
    .option(
      "--timeout <time>",
      "maximum wait for an answer, 100ms to 30s",
      durationWithin(100, 30_000, "100ms to 30s"),
    )
    .option("--rate <n>", "maximum deliveries per second, or none", orNone(positive))
    .option("--burst <n>", "burst size within the rate", whole(1, 100_000))
    .option(
      "--retry <times>",
      "waits between attempts, such as 5s,1m,1h, or none for the default",
      orNone(durations),
    )
    .option(
      "--on-failure <policy>",
      "effect of a status on the conversation, such as 404=aside,410=hold, or none for the default",
      orNone(failurePolicy),
    )
    .option(
      "--events <types>",
      "events that it receives, such as message.received,message.failed,template.*",
      eventTypes,
    )
    .addOption(
      new Option("--format <form>", "form of the bodies: gatelink, or meta for Meta's own webhooks")
        .choices([...DESTINATION_FORMATS]),
    )
    .addOption(
      new Option(
        "--when-taken <what>",
        "messages of conversations that a person has taken over: skip, or mark to get them marked",
      ).choices([...WHEN_TAKEN]),
    )
    .addHelpText(
      "after",
      `
Examples:
  gatelink destinations set orders --url https://hooks.example.com/v2
  gatelink destinations set orders --rate none --on-failure 404=aside,else=hold
  gatelink destinations set crm --events 'message.*,conversation.*' --when-taken mark`,
    )
    .action((name: string, options: SetOptions) =>
      run(async (session) => {
        const { timeout, url, rate, burst, retry, onFailure, events, format, whenTaken } = options;
        const changes = Object.fromEntries(
          Object.entries({
            url,
            timeout_ms: timeout,
            rate_per_second: rate === "none" ? null : rate,
            rate_burst: burst,
            retry_seconds: retry === "none" ? null : retry?.map((ms) => ms / 1000),
            failure_policy: onFailure === "none" ? {} : onFailure,
            events,
            format,
            when_taken: whenTaken,
          }).filter(([, value]) => value !== undefined),
        );
        if (Object.keys(changes).length === 0) {
          throw new CliError("usage", "Name at least one change.", "gatelink destinations set --help");
        }
        const api = await session.api();
        const { version } = await destinationNamed(api, name);
        const document = await api.rpc("set_destination", {
          p_name: name,
          p_version: version,
          p_changes: changes,
        });
        return { document, text: `${name} was changed: ${Object.keys(changes).join(", ")}.` };
      })
    );

  group.command("set-header").description(
    "send a custom header with each delivery, such as authorization; its value is read from stdin",
  )
    .argument("<name>", "the destination", destinationName)
    .argument("<header>", "its name")
    .option("--remove", "remove the header")
    .addHelpText(
      "after",
      `
The function wa-router encrypts the value with the key in SEALING_KEYS; nobody can read it again. A destination that
moves to another host loses its headers.

Examples:
  echo "Bearer $TOKEN" | gatelink destinations set-header orders authorization
  gatelink destinations set-header orders apikey --remove`,
    )
    .action((name: string, header: string, options: { remove?: boolean }) =>
      run(async (session) => {
        const { stack } = await session.api();
        const value = options.remove ? null : (await session.io.stdin()).replace(/\r?\n$/, "");
        const { body } = await callFunction<HeadersSet>(
          stack,
          "PATCH",
          `wa-router/destinations/${name}/headers`,
          {
            body: { headers: { [header]: value } },
            hintOf: (code) => HEADER_HINTS[code],
          },
        );
        return {
          document: body,
          text: `${name} gets ${body.headers.map((one) => one.name).join(", ") || "no custom headers"}.`,
        };
      })
    );

  group.command("reseal").description(
    "re-encrypt the headers of all destinations with the first key of SEALING_KEYS",
  )
    .addHelpText(
      "after",
      `
To rotate a key, put a new one first in SEALING_KEYS, reseal, then remove the old one. Exit code 1 if the key of some
headers is missing: set those headers again.

Example:
  gatelink destinations reseal`,
    )
    .action(() =>
      run(async (session) => {
        const { stack } = await session.api();
        const { body } = await callFunction<Resealed>(
          stack,
          "POST",
          "wa-router/destinations/reseal",
        );
        return {
          document: body,
          text: `${counted(body.resealed, "header")} re-encrypted with ${body.key}` +
            (body.left === 0 ? "." : `; ${body.left} could not be decrypted.`),
          failed: body.left > 0,
        };
      })
    );

  group.command("remove").description("remove a service that no route uses; its history is kept")
    .argument("<name>", "the destination", destinationName)
    .option(
      "--reason <text>",
      "drop its waiting deliveries and dead letters, for this reason, which is recorded",
    )
    .addHelpText(
      "after",
      `
Refused while routes use it, and without a reason while it has waiting or dead deliveries.

Example:
  gatelink destinations remove old-crm --reason "service was shut down in May"`,
    )
    .action((name: string, options: { reason?: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("remove_destination", {
          p_name: name,
          p_reason: options.reason ?? null,
        });
        const { dropped } = document;
        return {
          document,
          text: `${name} was removed${
            dropped > 0 ? `; ${counted(dropped, "delivery", "deliveries")} dropped` : ""
          }.`,
        };
      })
    );

  group.command("list").description("list the services and their settings")
    .addHelpText(
      "after",
      `
Example:
  gatelink destinations list`,
    )
    .action(() =>
      run(async (session) => {
        const rows = await listDestinations(await session.api());
        return {
          document: rows,
          text: table(
            ["name", "state", "url", "events", "timeout", "rate", "retry"],
            rows.map((row) => [
              row.name,
              destinationState(shownDestinationState(row)),
              row.url,
              row.events.join(", ") + (row.format === "meta" ? " (as Meta)" : ""),
              `${row.timeout_ms / 1000} s`,
              row.rate_per_second === null ? null : `${row.rate_per_second}/s, burst ${row.rate_burst}`,
              row.retry_seconds === null
                ? "default"
                : row.retry_seconds.map((seconds) => `${seconds}s`).join(","),
            ]),
            "No services yet: gatelink destinations add NAME URL",
          ),
        };
      })
    );

  group.command("test").description("send a signed test event (type gatelink.test)")
    .argument("<name>", "the destination", destinationName)
    .addHelpText(
      "after",
      `
The function wa-router sends it as a message would be: same signature, allowlist, address check and timeout, from
the same place. Exit code 1 if the service does not answer 2xx.

Example:
  gatelink destinations test demo`,
    )
    .action((name: string) => run((session) => testDestination(session, name)));

  for (
    const [verb, state, told] of [
      ["pause", "paused", "is paused and keeps its queue. To resume: gatelink destinations resume"],
      ["resume", "active", "is active, and its circuit is closed."],
    ] as const
  ) {
    group.command(verb)
      .description(
        verb === "pause"
          ? "stop deliveries to a service, and keep its queue"
          : "resume deliveries, and close the circuit",
      )
      .argument("<name>", "the destination")
      .addHelpText(
        "after",
        `
Example:
  gatelink destinations ${verb} orders`,
      )
      .action((name: string) =>
        run(async (session) => {
          const document = await (await session.api()).rpc("set_destination_state", {
            p_name: name,
            p_state: state,
          });
          return { document, text: `${name} ${told}${verb === "pause" ? ` ${name}` : ""}` };
        })
      );
  }

  group.command("rotate-secret").description(
    "create a new signing secret; both secrets sign during the overlap",
  )
    .argument("<name>", "the destination")
    .option("--overlap <hours>", "hours during which both sign", whole(0, 168), 24)
    .addHelpText(
      "after",
      `
Example:
  gatelink destinations rotate-secret orders --overlap 48`,
    )
    .action((name: string, options: { overlap: number }) =>
      run(async (session) => {
        const rotated = await (await session.api()).rpc(
          "rotate_destination_secret",
          { p_name: name, p_overlap_hours: options.overlap },
        );
        const text =
          facts({ name, secret: rotated.secret, "old secret signs until": rotated.old_secret_signs_until }) +
          "\n\nAdd the new secret to the service before then. It is not shown again.";
        return { document: rotated, text };
      })
    );
}
