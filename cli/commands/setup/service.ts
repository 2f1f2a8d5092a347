/** Steps: where messages go, and the flags that let them. */
import { checkPattern } from "../../../supabase/functions/_shared/delivery/allowlist.ts";
import { CliError } from "../../core/errors.ts";
import { listDestinations, loadConfig, namesOf } from "../../core/config.ts";
import { listFlags } from "../flags/api.ts";
import type { Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

/** A service to add. */
export interface Service {
  name: string;
  url: string;
}

/**
 * Adds the first service, its host and a route that takes every message. If there is a route already, nothing is added.
 * @param service Undefined if none was named.
 */
export function service({ api }: Target, service: Service | undefined): WalkStep {
  return {
    name: "service",
    what: "add the service that gets the messages",
    async look() {
      const config = await loadConfig(api);
      const name = namesOf(config);
      const names = [...new Set(config.routes.flatMap(({ destination_ids }) => destination_ids.map(name)))];
      return names.length > 0
        ? { done: true, found: `routes lead to ${names.join(", ")}` }
        : { done: false, lacks: `${service?.url ?? "a service"} to be added, with its route` };
    },
    async act() {
      if (service === undefined) {
        throw new CliError(
          "usage",
          "No service is named.",
          "Add --service <https address that gets the messages>.",
        );
      }
      const { name, url } = service;
      let secret: string | undefined;
      if (!(await listDestinations(api)).some((one) => one.name === name)) {
        // What is no name of a host, such as an address of this machine, is for the database to refuse.
        const checked = await checkPattern(new URL(url).host);
        if (checked.ok) {
          await api.rpc("allow_host", { p_pattern: checked.pattern.text, p_purpose: "forward" });
        }
        const added = await api.rpc("add_destination", { p_name: name, p_url: url, p_options: {} });
        secret = added.secret;
      }
      await api.rpc("add_route", {
        p_destinations: [name],
        p_condition: { type: "any" },
        p_priority: 100,
        p_options: {},
      });
      return secret === undefined
        ? undefined
        : `signing secret of ${name}: ${secret}\nIt is not shown again. The service verifies each delivery with it (docs/routing.md).`;
    },
  };
}

/** What receives, routes and answers. */
const FLAGS = ["wa_router.enabled", "wa_send.enabled"] as const;

/** Turns on routing and sending, unless somebody has decided about them already. */
export function flags({ api }: Target): WalkStep {
  return {
    name: "flags",
    what: "turn on routing and sending",
    async look() {
      const rows = await listFlags(api);
      const said = FLAGS.map((key) => rows.find((row) => row.key === key));
      const missing = FLAGS.filter((_, i) => said[i] === undefined);
      return missing.length > 0 ? { done: false, lacks: `${missing.join(", ")} to be turned on` } : {
        done: true,
        found: said.map((row) => `${row!.key} is ${row!.value === "true" ? "on" : "off"}`).join(", "),
      };
    },
    async act() {
      const rows = await listFlags(api);
      for (const key of FLAGS) {
        if (rows.some((row) => row.key === key)) continue;
        await api.rpc("set_flag", {
          p_key: key,
          p_changes: { on: true, percentage: 100 },
          p_expected_version: 0,
          p_reason: "gatelink setup",
        });
      }
    },
  };
}
