/**
 * The status of each part, and what follows from it. Pure.
 *
 * @module
 */
import type { ConfigFault } from "../_shared/config/env.ts";
import type { Result } from "../_shared/contract/sql.ts";
import {
  HEALTH_COMPONENTS,
  HEALTH_STATES,
  type HealthComponent,
  type HealthState,
} from "../_shared/contract/states.ts";
import type { Unreadable } from "../_shared/db/config.ts";

/** One part, in words for people. Further members are figures that belong to it. */
export interface Component {
  readonly component: HealthComponent;
  readonly status: HealthState;
  readonly why: string;
  readonly [figure: string]: unknown;
}

/** The result of the SQL function `health`, with texts for its components. */
export type Found = Omit<Result<"health">, "components"> & { components: Component[] };

/**
 * Why code that needs these migrations cannot run on this schema. Versions have the same length, so they
 * compare as text.
 *
 * @param needs Oldest first.
 */
export function misfit(
  schema: Pick<Result<"schema_state">, "applied" | "breaks">,
  needs: readonly string[],
): "schema_outdated" | "schema_too_new" | undefined {
  const { breaks } = schema;
  if (breaks !== null && breaks > (needs.at(-1) ?? "")) return "schema_too_new";
  return missing(schema, needs).length > 0 ? "schema_outdated" : undefined;
}

/** The needed migrations that are not recorded; none if there is no record. */
export function missing(
  { applied }: Pick<Result<"schema_state">, "applied">,
  needs: readonly string[],
): string[] {
  if (applied === null) return [];
  const known = new Set(applied);
  return needs.filter((version) => !known.has(version));
}

/** Observations of this process. */
export interface Seen {
  /** The database's response; undefined while it does not answer. */
  found?: Found;
  /** Whether it refused a write, because it is full or read-only. */
  readOnly?: boolean;
  /** How long the response took, in milliseconds. */
  latencyMs: number;
  /** The migrations that this version needs, oldest first. */
  needs: readonly string[];
  /** Age of this process's copy of the configuration, in milliseconds; undefined if there is none. */
  cacheMs: number | undefined;
  faults: readonly ConfigFault[];
  /** Active routes that cannot be used, and why. */
  unusable?: readonly { name: string; why: string }[];
  /** Settings whose value is not used, and why. */
  misread?: readonly { key: string; why: string }[];
  /** Parts of the configuration that cannot be read and are left out. */
  unreadable?: readonly Unreadable[];
  /** Why the last attempt to read the configuration failed; undefined if it succeeded. */
  configError?: string;
  /** Every kill switch that is set: true lets its feature run. */
  switches: Readonly<Record<string, boolean>>;
}

/**
 * A call is slow from this many milliseconds: the manual requires responses within 500 at the 95th
 * percentile.
 */
const SLOW_MS = 500;
/** A configuration is used for at most 5 s while the database answers. */
const STALE_MS = 5000;

/** The worst of some states. */
export function worst(states: Iterable<HealthState>): HealthState {
  return HEALTH_STATES[Math.max(0, ...[...states].map((status) => HEALTH_STATES.indexOf(status)))];
}

/** All but what only a process knows. */
const IN_DATABASE = HEALTH_COMPONENTS.filter((component) => component !== "settings_cache");

/** Each part, the database first. What only the database knows is degraded while it is away, for nobody knows. */
export function judge(seen: Seen): Component[] {
  const { found } = seen;
  const parts = found?.components ??
    IN_DATABASE.map((component) => ({
      component,
      status: "degraded" as const,
      why: "unknown while the database does not answer",
    }));
  return [
    ...parts.map((part) =>
      part.component === "database"
        ? database(part, seen)
        : part.component === "queue" && found !== undefined
        ? { ...part, ...found.queue }
        : part.component === "config"
        ? config(part, seen)
        : part
    ),
    cache(seen),
  ];
}

function database(part: Component, { found, readOnly, latencyMs, needs }: Seen): Component {
  if (readOnly) return { ...part, status: "down", why: "accepts no writes: it is full or read-only" };
  if (found === undefined) return { ...part, status: "down", why: "does not answer" };
  const { has, breaks } = found;
  const newest = needs.at(-1);
  const lacks = missing(found, needs);
  const figures = { latency_ms: Math.round(latencyMs), needs: newest, has, breaks, missing: lacks };
  const fault = misfit(found, needs);
  if (fault !== undefined) {
    const why = fault === "schema_too_new"
      ? `migration ${breaks} breaks this version, which was written for ${newest}`
      : `at migration ${has}, but this version needs ${newest}; not on record: ${lacks.join(", ")}`;
    return { ...part, ...figures, status: "down", why };
  }
  if (latencyMs > SLOW_MS) {
    return { ...part, ...figures, status: "degraded", why: `took ${figures.latency_ms} ms to answer` };
  }
  return { ...part, ...figures };
}

function config(
  part: Component,
  { faults, switches, unusable = [], misread = [], unreadable = [] }: Seen,
): Component {
  const reasons = [
    ...(part.status === "healthy" ? [] : [part.why]),
    ...unreadable.map(({ kind, item, faults }) =>
      `the ${kind} ${item ?? "without a name"} cannot be read and is left out (${faults.join("; ")}): ${
        MEND[kind]
      }`
    ),
    ...faults.map(({ variable, fault }) => `${variable}: ${fault}`),
    ...unusable.map(({ name, why }) => `the route ${name} is invalid: ${why}`),
    ...misread.map(({ key, why }) => `the setting ${key} ${why}`),
    ...Object.entries(switches).filter(([, runs]) => !runs).map(([name]) => `switched off by ${name}`),
  ];
  return reasons.length === 0 ? part : {
    ...part,
    status: "degraded",
    why: reasons.join(", "),
    ...(unreadable.length === 0 ? {} : { code: "config_item_unreadable", unreadable }),
  };
}

/** How to repair an item that cannot be read. */
const MEND: Readonly<Record<Unreadable["kind"], string>> = {
  setting: "write it anew with set_setting, or delete its row of settings",
  segment: "take its members out and add them anew",
  route: "correct it with gatelink routes, or delete it",
  destination: "correct it with gatelink destinations, or remove it",
  "allowlist entry": "delete its row of destination_allowlist and add it anew",
};

function cache({ cacheMs, configError }: Seen): Component {
  const component = "settings_cache" as const;
  const because = configError === undefined ? "" : `: ${configError}`;
  if (cacheMs === undefined) {
    const why = `holds no configuration, so every flag is off and links lead nowhere${because}`;
    return { component, status: "down", code: "config_unreadable", why, age_ms: null };
  }
  const age = Math.round(cacheMs);
  if (age <= STALE_MS) {
    return { component, status: "healthy", why: "as fresh as it should be", age_ms: age };
  }
  return {
    component,
    status: "degraded",
    code: "config_stale",
    why: `the last known configuration is used, ${age} ms old, and no change is seen${because}`,
    age_ms: age,
  };
}
