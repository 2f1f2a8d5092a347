/**
 * Health of this installation, for deployment checks, load balancers and people.
 *
 * `/health` answers without a key: it names versions, switches and variables, never a variable's value.
 * `/health/detailed` shows the status of each part, for secret keys.
 *
 * @module
 */
import { configFaults, env, neededVariables, type VariableName } from "../_shared/config/env.ts";
import { killSwitches } from "../_shared/config/kill_switch.ts";
import type { Result } from "../_shared/contract/sql.ts";
import { cached } from "../_shared/db/cache.ts";
import { DbError, type Rpc, rpc } from "../_shared/db/client.ts";
import { type Config, configAgeMs, configError, loadConfig } from "../_shared/db/config.ts";
import { MIGRATIONS, SCHEMA_VERSION } from "../_shared/db/schema.ts";
import { Problem } from "../_shared/http/problem.ts";
import { anyOrigin } from "../_shared/http/cors.ts";
import type { Route } from "../_shared/http/routes.ts";
import type { HealthPart } from "../_shared/contract/answers/operations.ts";
import { misreadLimits } from "../_shared/contract/limits.ts";
import { APPS_SETTING, appsFault } from "../_shared/links/model/apps.ts";
import { healthInWords } from "../_shared/contract/words/health.ts";
import type {
  ConfigurationRead,
  Health,
  HealthDetailed,
  PartBriefly,
} from "../_shared/contract/http/operation.ts";
import { compileRoutes } from "../_shared/routing/routes.ts";
import { judge, misfit, missing, worst } from "./components.ts";

/** Each address and method, and who may call it. */
export const ROUTES = [
  { method: "GET", path: "/", auth: "none", handler: "health" },
  { method: "GET", path: "/detailed", auth: "secret", handler: "detailed" },
  { method: "GET", path: "/plain", auth: "none", handler: "plain" },
  { method: "GET", path: "/plain/detailed", auth: "none", handler: "plainDetailed" },
  { method: "GET", path: "/status", auth: "none", handler: "status" },
] as const satisfies readonly Route[];

/** The variables that everything needs. Each of the others is needed by one function. */
const VITAL: readonly VariableName[] = ["SUPABASE_URL", "SUPABASE_SECRET_KEYS"];

/**
 * Handler of `GET /functions/v1/health`.
 *
 * - 200
 *   `{"status":"ok"|"degraded","version","environment","kill_switches":{NAME:bool},"config":[{variable,fault,purpose}],"database":{"needs","has","breaks","missing"},"configuration":{"status","code"?,"why"},"clock":{"status","why"},"senders":{"status","why"}}`.
 *   It is degraded if a variable of some function is missing, a kill switch stops something, the
 *   configuration or a part of it cannot be read, the clock does not run or its calls do not arrive, or an
 *   account fault (a revoked token) holds senders. Of Gatelink's own migrations, `needs` is the newest that
 *   this code was written for, `has` the newest in the database (null if there is no record), `missing` those
 *   that are not recorded, and `breaks` the newest that older code must not run on (null if there is none).
 * - 503 `database_unavailable`; `database_read_only` if it accepts no writes, because it is full or
 *   read-only; `schema_outdated` if migrations are missing; `schema_too_new` if one of them breaks this code.
 *   500 `config_invalid` if the database's URL or key is missing or refused. The problem has the same members
 *   except `status`.
 *
 * Any page may read it, because it is public: the admin panel does, from any origin. Each process asks the
 * database at most once a second, and writes to it at most once in ten, however many requests there are.
 */
export function health(
  call: Rpc = rpc,
  config: ConfigSource = { loadConfig, configError },
): () => Promise<Response> {
  const schema = cached<Result<"schema_state"> | { problem: unknown }>({
    ttlMs: 1000,
    load: () =>
      call("schema_state", {}, { timeoutMs: 2000 })
        .catch((problem: unknown) => ({ problem })),
  });

  async function answer(): Promise<Response> {
    const faults = configFaults(...neededVariables());
    const switches = killSwitches();
    const about = {
      version: env("GATELINK_VERSION").GATELINK_VERSION,
      environment: env("DEPLOY_ENVIRONMENT").DEPLOY_ENVIRONMENT,
      kill_switches: switches,
      config: faults,
    };
    if (faults.some(({ variable }) => VITAL.includes(variable))) {
      throw new Problem("config_invalid", { extensions: about });
    }
    const found = await schema.get();
    if ("problem" in found) throw unavailable(found.problem, about);
    const database = {
      needs: SCHEMA_VERSION,
      has: found.has,
      breaks: found.breaks,
      missing: missing(found, MIGRATIONS),
    };
    const fault = misfit(found, MIGRATIONS);
    if (fault !== undefined) throw new Problem(fault, { extensions: { ...about, database } });
    const parts = { configuration: await readable(config), ...briefly([found.clock, found.senders]) };
    const well = faults.length === 0 && Object.values(switches).every((runs) => runs) &&
      Object.values(parts).every(({ status }) => status === "healthy");
    const body: Health = { status: well ? "ok" : "degraded", ...about, database, ...parts };
    return Response.json(body, {
      headers: { "cache-control": "no-store" },
    });
  }

  return () => anyOrigin(answer);
}

/** Tells {@linkcode health} whether the configuration can be read. */
export interface ConfigSource {
  loadConfig(): Promise<Pick<Config, "unreadable">>;
  /** Why the last attempt failed; undefined if it succeeded. */
  configError(): string | undefined;
}

/** Whether the configuration can be read, for everybody; health/detailed names the items that cannot. */
async function readable(
  { loadConfig, configError }: ConfigSource,
): Promise<ConfigurationRead> {
  const config = await loadConfig().catch(() => undefined);
  const error = configError();
  if (config === undefined) {
    const why = `none could be read, so every flag is off and links lead nowhere: ${error ?? "see the log"}`;
    return { status: "down", code: "config_unreadable", why };
  }
  if (error !== undefined) {
    return { status: "degraded", code: "config_stale", why: `the last known one is used: ${error}` };
  }
  if (config.unreadable.length > 0) {
    const kinds = [...new Set(config.unreadable.map(({ kind }) => kind))].join(", ");
    const why = `${config.unreadable.length} cannot be read and left out (${kinds}); ` +
      "GET /functions/v1/health/detailed names each, and what to do";
    return { status: "degraded", code: "config_item_unreadable", why };
  }
  return { status: "healthy", why: "can be read" };
}

/** Parts by name, for everybody: who reads it need not know the ids of senders. */
function briefly(parts: (HealthPart | undefined)[]): Partial<Record<"clock" | "senders", PartBriefly>> {
  const known = parts.filter((part) => part !== undefined);
  return Object.fromEntries(
    healthInWords(known).map(({ component, status, why }, i) => [
      component,
      { status, why: known[i].because === "held" ? "a fault of the account holds it" : why },
    ]),
  );
}

/** Dependencies of {@linkcode detailed}. */
export interface DetailedDeps {
  call: Rpc;
  /** Updates this process's copy of the configuration, as any request would. */
  loadConfig(): Promise<Pick<Config, "routes" | "settings" | "unreadable">>;
  configAgeMs(): number | undefined;
  /** Why the last attempt to read the configuration failed; undefined if it succeeded. */
  configError(): string | undefined;
  /** Milliseconds of a monotonic clock. */
  now(): number;
}

const REAL: DetailedDeps = { call: rpc, loadConfig, configAgeMs, configError, now: () => performance.now() };

/**
 * Handler of `GET /functions/v1/health/detailed`, for secret keys.
 *
 * - 200 `{"status","at","version","environment","kill_switches","components":[{component,status,why,…}]}`:
 *   each part is healthy, degraded or down; `status` is the worst of them. A part that is down is no reason
 *   to redirect traffic while the rest works: accepted messages wait in the database.
 * - 503 if traffic should be redirected: `database_unavailable`, `database_read_only`, `schema_outdated` if
 *   migrations are missing, `schema_too_new` if one of them breaks this code. The problem has the same
 *   members except `status` and `at`.
 */
export function detailed(
  { call, loadConfig, configAgeMs, configError, now }: DetailedDeps = REAL,
): () => Promise<Response> {
  return async () => {
    const began = now();
    const [found, written, config] = await Promise.all([
      call("health", {}, { timeoutMs: 5000 }).then(
        (answer) => ({
          found: { ...answer, components: healthInWords(answer.components) },
          cause: undefined,
          latencyMs: now() - began,
        }),
        (cause: unknown) => ({ found: undefined, cause, latencyMs: now() - began }),
      ),
      call("schema_state", {}, { timeoutMs: 5000 }).then(() => undefined, (cause: unknown) => cause),
      // Without a configuration its age tells.
      loadConfig().then(unused).catch(() => ({ unusable: [], misread: [], unreadable: [] })),
    ]);
    const switches = killSwitches();
    const readOnly = isReadOnly(written);
    const about = {
      version: env("GATELINK_VERSION").GATELINK_VERSION,
      environment: env("DEPLOY_ENVIRONMENT").DEPLOY_ENVIRONMENT,
      kill_switches: switches,
      components: judge({
        ...found,
        readOnly,
        needs: MIGRATIONS,
        cacheMs: configAgeMs(),
        configError: configError(),
        faults: configFaults(...neededVariables()),
        switches,
        ...config,
      }),
    };
    if (readOnly) throw unavailable(written, about);
    if (found.found === undefined) throw unavailable(found.cause, about);
    const { at } = found.found;
    const fault = misfit(found.found, MIGRATIONS);
    if (fault !== undefined) throw new Problem(fault, { extensions: about });
    const status = worst(about.components.map((component) => component.status));
    const body: HealthDetailed = { status, at, ...about };
    return Response.json(body, { headers: { "cache-control": "no-store" } });
  };
}

/** The parts of the configuration that are not used, and why. */
async function unused({ routes, settings, unreadable }: Pick<Config, "routes" | "settings" | "unreadable">) {
  return {
    unusable: await unusableRoutes(routes),
    misread: [...misreadLimits(settings), ...misreadApps(settings)],
    unreadable,
  };
}

/** Apps that were listed wrongly before the database refused that. */
function misreadApps(settings: Config["settings"]): { key: string; why: string }[] {
  return settings.flatMap(({ key, value }) => {
    const fault = key === APPS_SETTING ? appsFault(value) : undefined;
    return fault === undefined ? [] : [{ key, why: `is wrong: ${fault}` }];
  });
}

/** Checks what the database cannot: whether an expression is valid RE2, and conditions written by hand. */
async function unusableRoutes(routes: Config["routes"]): Promise<{ name: string; why: string }[]> {
  return (await compileRoutes(routes))
    .filter(({ active, test }) => active && test === undefined)
    .map(({ name, description }) => ({ name, why: description }));
}

/**
 * read_only_sql_transaction, and disk_full: Supabase makes a full database read-only; disk_full comes first.
 */
const READ_ONLY = /^(25006|53100)$/;

function isReadOnly(problem: unknown): boolean {
  return problem instanceof Problem && problem.cause instanceof DbError && READ_ONLY.test(problem.cause.code);
}

/** Why the database did not answer, as far as an operator can act on the difference. */
function unavailable(cause: unknown, about: Record<string, unknown>): Problem {
  if (cause instanceof Problem && cause.code === "schema_outdated") {
    const database = { needs: SCHEMA_VERSION, has: null, breaks: null, missing: MIGRATIONS };
    return new Problem("schema_outdated", { extensions: { ...about, database }, cause });
  }
  if (cause instanceof DbError && (cause.status === 401 || cause.status === 403)) {
    const fault = {
      variable: "SUPABASE_SECRET_KEYS",
      fault: "the Data API refuses it",
      purpose: "call the Data API",
    };
    return new Problem("config_invalid", { extensions: { ...about, config: [fault] }, cause });
  }
  if (isReadOnly(cause)) return new Problem("database_read_only", { extensions: about, cause });
  return new Problem("database_unavailable", { extensions: about, cause });
}
