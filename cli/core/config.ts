/** The configuration of a stack: as its functions read it, and the destinations with their settings. */
import {
  type CompiledRoute,
  compileRoutes,
  stoppedOf,
} from "../../supabase/functions/_shared/routing/routes.ts";
import type { Result } from "../../supabase/functions/_shared/contract/sql.ts";
import type { Api } from "./api.ts";
import { CliError } from "./errors.ts";

/** The configuration of a stack. */
export type Config = Exclude<Result<"load_config">, { unchanged: true }>;

/** Reads the configuration in one snapshot. */
export async function loadConfig(api: Api): Promise<Config> {
  const config = await api.rpc("load_config", {});
  // It is unchanged only for who has a revision already.
  if ("unchanged" in config) throw new CliError("refused", "The database gave no configuration.");
  return config;
}

/** The routes in the router's order, compiled with the stopped destinations. */
export function routesOf(config: Config): Promise<CompiledRoute[]> {
  return compileRoutes(config.routes, ...stoppedOf(config.destinations));
}

/** The names of the destinations, by id. */
export function namesOf(config: Config): (id: string) => string {
  const names = new Map(config.destinations.map(({ id, name }) => [id, name]));
  return (id) => names.get(id) ?? id;
}

const COLUMNS =
  "id,name,url,state,timeout_ms,rate_per_second,rate_burst,retry_seconds,failure_policy,events,format,when_taken,circuit_open_until,version";

/** A destination's settings and state. */
export type Destination = Awaited<ReturnType<typeof listDestinations>>[number];

/** All destinations, sorted by name. */
export function listDestinations(api: Api) {
  return api.rows((client) =>
    client.from("destinations")
      .select(COLUMNS)
      .is("removed_at", null)
      .order("name")
  );
}

/** The destination with this name. @throws {CliError} not_found */
export async function destinationNamed(api: Api, name: string): Promise<Destination> {
  const found = (await listDestinations(api)).find((destination) => destination.name === name);
  if (found) return found;
  throw new CliError(
    "not_found",
    `There is no destination named ${name}.`,
    "gatelink destinations list shows them.",
  );
}
