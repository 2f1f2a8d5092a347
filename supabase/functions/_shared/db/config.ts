/**
 * The configuration in memory: settings (including flags), routes, destinations and allowlist, loaded
 * together by one call.
 *
 * Failure policy: while the database is unavailable, the last known configuration is used, however old.
 * Without one the call fails (`database_unavailable`) and each gate uses its own default, which is closed. If
 * the database refuses this code as too old, nothing cached is used, because its meaning may have changed. An
 * item that cannot be read is left out, logged and reported by health: a flag that is left out is off, a
 * segment has no members, an allowlist entry or destination is not used, a route does not match.
 *
 * @module
 */
import { z } from "zod";
import { ROUTE_MODES } from "../contract/states.ts";
import { log } from "../log/log.ts";
import { type Cached, cached } from "./cache.ts";
import { DbError, isRefusedAsTooOld, type Rpc, rpc } from "./client.ts";
import { Problem } from "../http/problem.ts";
import { count } from "./counters.ts";

const setting = z.object({
  key: z.string(),
  value: z.string(),
  metadata: z.record(z.string(), z.unknown()).nullish().transform((metadata) => metadata ?? {}),
  version: z.number(),
});

const route = z.object({
  id: z.string(),
  name: z.string(),
  priority: z.number(),
  condition: z.unknown(),
  mode: z.enum(ROUTE_MODES),
  destination_ids: z.array(z.string()),
  flag_key: z.string().nullish(),
  sticky_minutes: z.number().nullish(),
  active: z.boolean().optional(),
  channels: z.array(z.string()).optional(),
});

const destination = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  state: z.string(),
  circuit_open: z.boolean().default(false),
  when_taken: z.string().default("skip"),
});

const allowed = z.object({ pattern: z.string(), purpose: z.string() });

const segment = z.array(z.string());

/** A row of `settings`. A flag is on when its value is exactly "true". */
export type Setting = z.output<typeof setting>;
/** A row of `routes` with its destinations; the condition is checked by `routing`. */
export type Route = z.output<typeof route>;
/** A row of `destinations`, without its secrets. */
export type Destination = z.output<typeof destination>;
/** A row of `destination_allowlist`: a host that may be called for a purpose. */
export type AllowedHost = z.output<typeof allowed>;

/** A part of the configuration that could not be read and is left out. */
export interface Unreadable {
  readonly kind: "setting" | "segment" | "route" | "destination" | "allowlist entry";
  /** Its key or id; undefined if that cannot be read either. */
  readonly item: string | undefined;
  /** What is wrong, without the value itself. */
  readonly faults: readonly string[];
}

/**
 * One revision of the configuration. The object stays the same while the revision does, so derived values can
 * be cached in a WeakMap keyed by it.
 */
export interface Config {
  /** Increases with each change of the configuration. */
  readonly revision: number;
  readonly settings: readonly Setting[];
  /** Ids of the members of each segment. */
  readonly segments: Readonly<Record<string, readonly string[]>>;
  readonly routes: readonly Route[];
  readonly destinations: readonly Destination[];
  readonly allowlist: readonly AllowedHost[];
  /** What is left out of the above; empty if everything could be read. */
  readonly unreadable: readonly Unreadable[];
}

const answer = z.union([
  z.object({ revision: z.number(), unchanged: z.literal(true) }),
  z.object({
    revision: z.number(),
    settings: z.array(z.unknown()),
    // A database that does not know them yet has none.
    segments: z.record(z.string(), z.unknown()).default({}),
    routes: z.array(z.unknown()),
    destinations: z.array(z.unknown()),
    allowlist: z.array(z.unknown()),
  }),
]);

/** A change of a flag is visible within 5 s: this, plus up to 2 s for the response. */
const TTL_MS = 1000;
const LOAD_MS = 2000;

/**
 * Creates a loader; the functions share {@linkcode loadConfig}.
 *
 * @param call Calls the database.
 * @param now Milliseconds of a monotonic clock.
 */
export function createConfigLoader(call: Rpc = rpc, now?: () => number): () => Promise<Config> {
  return createConfigCache(call, now).get;
}

function createConfigCache(
  call: Rpc = rpc,
  now?: () => number,
  told?: (reason: string | undefined) => void,
): Cached<Config> {
  return cached<Config>({
    ttlMs: TTL_MS,
    now,
    load: (held) =>
      load(call, held).then(
        (config) => {
          told?.(undefined);
          return config;
        },
        (error) => {
          told?.(reasonOf(error));
          throw error;
        },
      ),
    isFinal: isRefusedAsTooOld,
    onStale: (error, ageMs) =>
      log.warn("the configuration in use is an old one", { error, age_ms: Math.round(ageMs) }),
  });
}

async function load(call: Rpc, held: Config | undefined): Promise<Config> {
  const args = { p_revision: held?.revision ?? null };
  const result = answer.safeParse(await call("load_config", args, { timeoutMs: LOAD_MS }));
  if (!result.success) throw new DbError("load_config", "", "its answer has not the shape expected");
  const { data } = result;
  if (!("unchanged" in data)) return read(data);
  if (held === undefined) throw new DbError("load_config", "", "it gave no configuration");
  return held;
}

/** Why the configuration could not be read and what to do, for the health check. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Problem ? error.cause : error;
  if (cause instanceof DOMException && cause.name === "TimeoutError") {
    return `load_config gave no answer within ${
      LOAD_MS / 1000
    } s; select public.who_blocks() says who holds a lock`;
  }
  if (cause instanceof DbError) {
    return `load_config failed${cause.code === "" ? `: ${cause.message}` : ` with ${cause.code}`}; ` +
      "the log of the functions says more";
  }
  return "the database does not answer";
}

let sharedError: string | undefined;
const shared = createConfigCache(rpc, undefined, (reason) => sharedError = reason);

/**
 * The configuration, at most 5 s old while the database responds; see {@linkcode cached}.
 *
 * @throws {Problem} `database_unavailable` if it was never loaded and the database is unavailable.
 */
export function loadConfig(): Promise<Config> {
  const age = shared.ageMs();
  count("cache", age !== undefined && age <= TTL_MS ? "config hit" : "config miss");
  return shared.get();
}

/** Age of this process's copy of the configuration in milliseconds; undefined if there is none. */
export const configAgeMs: () => number | undefined = shared.ageMs;

/** Why this process's last attempt to read the configuration failed, in words; undefined if it succeeded. */
export const configError = (): string | undefined => sharedError;

function read(data: Exclude<z.output<typeof answer>, { unchanged: true }>): Config {
  const unreadable: Unreadable[] = [];
  const readable = <Schema extends z.ZodType>(
    kind: Unreadable["kind"],
    schema: Schema,
    value: unknown,
    item: unknown,
  ): z.output<Schema> | undefined => {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const faults = result.error.issues.slice(0, 3).map(({ path, message }) =>
      `${path.join(".")}: ${message}`
    );
    unreadable.push({ kind, item: typeof item === "string" ? item : undefined, faults });
    log.error(`a ${kind} cannot be read and is left out`, { row: item, faults });
    return undefined;
  };
  const rows = <Schema extends z.ZodType>(kind: Unreadable["kind"], schema: Schema, values: unknown[]) =>
    values.flatMap((value) => {
      const { id, key } = (value ?? {}) as { id?: unknown; key?: unknown };
      const row = readable(kind, schema, value, id ?? key);
      return row === undefined ? [] : [row];
    });
  return {
    revision: data.revision,
    settings: rows("setting", setting, data.settings),
    segments: Object.fromEntries(
      Object.entries(data.segments).flatMap(([key, ids]) => {
        const members = readable("segment", segment, ids, key);
        return members === undefined ? [] : [[key, members]];
      }),
    ),
    routes: rows("route", route, data.routes),
    destinations: rows("destination", destination, data.destinations),
    allowlist: rows("allowlist entry", allowed, data.allowlist),
    unreadable,
  };
}
