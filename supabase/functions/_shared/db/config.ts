/**
 * The configuration as the functions hold it: settings (flags among them), routes, destinations,
 * allowlist, from one call and in one piece.
 *
 * Failure policy: the last known configuration while the database is away, however old; without one the
 * call fails (`database_unavailable`) and each gate takes its own default, which is closed. A database that this
 * code is too old for leaves none: what is in memory may mean something else by now. A row that
 * cannot be read is left out and logged: a setting left out is a flag that is off, an allowlist entry or
 * destination left out is not used, a route left out does not match.
 *
 * @module
 */
import { z } from "zod";
import { ROUTE_MODES } from "../contract/states.ts";
import { log } from "../log/log.ts";
import { type Cached, cached } from "./cache.ts";
import { DbError, isRefusedAsTooOld, type Rpc, rpc } from "./client.ts";
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
});

const allowed = z.object({ pattern: z.string(), purpose: z.string() });

const segments = z.record(z.string(), z.array(z.string()));

/** A row of `settings`. A flag is on when its value is exactly "true". */
export type Setting = z.output<typeof setting>;
/** A row of `routes` with its destinations; the condition is checked by `routing`. */
export type Route = z.output<typeof route>;
/** A row of `destinations`, without its secrets. */
export type Destination = z.output<typeof destination>;
/** A row of `destination_allowlist`: which hosts may be reached for which purpose. */
export type AllowedHost = z.output<typeof allowed>;

/**
 * One revision of the configuration. The object is the same as long as the revision is, so what is
 * derived from it can be kept in a WeakMap beside it.
 */
export interface Config {
  /** Grows with each change of what is in here. */
  readonly revision: number;
  readonly settings: readonly Setting[];
  /** Ids of the members of each segment. */
  readonly segments: Readonly<Record<string, readonly string[]>>;
  readonly routes: readonly Route[];
  readonly destinations: readonly Destination[];
  readonly allowlist: readonly AllowedHost[];
}

const answer = z.union([
  z.object({ revision: z.number(), unchanged: z.literal(true) }),
  z.object({
    revision: z.number(),
    settings: z.array(z.unknown()),
    // A database that does not know them yet has none.
    segments: segments.default({}),
    routes: z.array(z.unknown()),
    destinations: z.array(z.unknown()),
    allowlist: z.array(z.unknown()),
  }),
]);

/** A flip is seen within 5 s: this, and up to 2 s for the answer. */
const TTL_MS = 1000;

/**
 * A loader of its own; the functions share {@linkcode loadConfig}.
 *
 * @param call How the database is asked.
 * @param now Milliseconds of a clock that does not jump.
 */
export function createConfigLoader(call: Rpc = rpc, now?: () => number): () => Promise<Config> {
  return createConfigCache(call, now).get;
}

function createConfigCache(call: Rpc = rpc, now?: () => number): Cached<Config> {
  return cached<Config>({
    ttlMs: TTL_MS,
    now,
    async load(held) {
      const args = { p_revision: held?.revision ?? null };
      const result = answer.safeParse(await call("load_config", args, { timeoutMs: 2000 }));
      if (!result.success) throw new DbError("load_config", "", "its answer has not the shape expected");
      const { data } = result;
      if (!("unchanged" in data)) return read(data);
      if (held === undefined) throw new DbError("load_config", "", "it gave no configuration");
      return held;
    },
    isFinal: isRefusedAsTooOld,
    onStale: (error, ageMs) =>
      log.warn("the configuration in use is an old one", { error, age_ms: Math.round(ageMs) }),
  });
}

const shared = createConfigCache();

/**
 * The configuration, at most 5 s old while the database answers; see {@linkcode cached}.
 *
 * @throws {Problem} `database_unavailable` when it was never loaded and the database is away.
 */
export function loadConfig(): Promise<Config> {
  const age = shared.ageMs();
  count("cache", age !== undefined && age <= TTL_MS ? "config hit" : "config miss");
  return shared.get();
}

/** How old this process's copy of the configuration is, in milliseconds; undefined while there is none. */
export const configAgeMs: () => number | undefined = shared.ageMs;

function read(data: Exclude<z.output<typeof answer>, { unchanged: true }>): Config {
  return {
    revision: data.revision,
    settings: rows("setting", setting, data.settings),
    segments: data.segments,
    routes: rows("route", route, data.routes),
    destinations: rows("destination", destination, data.destinations),
    allowlist: rows("allowlist entry", allowed, data.allowlist),
  };
}

function rows<Schema extends z.ZodType>(what: string, schema: Schema, values: unknown[]): z.output<Schema>[] {
  return values.flatMap((value) => {
    const result = schema.safeParse(value);
    if (result.success) return [result.data];
    const { id, key } = (value ?? {}) as { id?: unknown; key?: unknown };
    const faults = result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
    log.error(`a ${what} cannot be read and is left out`, { row: id ?? key, faults });
    return [];
  });
}
