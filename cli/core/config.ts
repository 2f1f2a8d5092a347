/** The configuration of a stack: as its functions read it, and the destinations with all that people set. */
import type { DestinationState } from "../../supabase/functions/_shared/contract/states.ts";
import type { FailurePolicy } from "../../supabase/functions/_shared/delivery/retry.ts";
import type { Setting } from "../../supabase/functions/_shared/flags/evaluate.ts";
import {
  type CompiledRoute,
  compileRoutes,
  type RouteRow,
  stoppedOf,
} from "../../supabase/functions/_shared/routing/routes.ts";
import type { Api } from "./api.ts";
import { CliError } from "./errors.ts";

/** What `load_config` gives. */
export interface Config {
  revision: number;
  settings: Setting[];
  routes: RouteRow[];
  destinations: {
    id: string;
    name: string;
    url: string;
    state: DestinationState;
    circuit_open: boolean;
  }[];
  allowlist: { pattern: string; purpose: "forward" | "redirect" }[];
  /** Named lists of targeting ids. */
  segments: Record<string, string[]>;
}

/** Reads the configuration in one snapshot. */
export function loadConfig(api: Api): Promise<Config> {
  return api.rpc("load_config");
}

/** The routes as the router asks them: in its order, stopped destinations passed over. */
export function routesOf(config: Config): Promise<CompiledRoute[]> {
  return compileRoutes(config.routes, ...stoppedOf(config.destinations));
}

/** The names of the destinations, by id. */
export function namesOf(config: Config): (id: string) => string {
  const names = new Map(config.destinations.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
}

/** A row of the table `destinations`. */
export interface Destination {
  id: string;
  name: string;
  url: string;
  state: DestinationState;
  timeout_ms: number;
  rate_per_second: number | null;
  rate_burst: number;
  retry_seconds: number[] | null;
  failure_policy: FailurePolicy;
  circuit_open_until: string | null;
  version: number;
}

/** All destinations, by name. */
export function listDestinations(api: Api): Promise<Destination[]> {
  return api.rows((client) =>
    client.from("destinations")
      .select(
        "id,name,url,state,timeout_ms,rate_per_second,rate_burst,retry_seconds,failure_policy,circuit_open_until,version",
      )
      .is("removed_at", null)
      .order("name")
  );
}

/** The destination of a name. @throws {CliError} not_found */
export async function destinationNamed(api: Api, name: string): Promise<Destination> {
  const found = (await listDestinations(api)).find((destination) => destination.name === name);
  if (found) return found;
  throw new CliError(
    "not_found",
    `There is no destination named ${name}.`,
    "gatelink destinations list shows them.",
  );
}
