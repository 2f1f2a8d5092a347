/**
 * How each part does, and what follows from it. Pure.
 *
 * @module
 */
import type { ConfigFault } from "../_shared/config/env.ts";
import type { Result } from "../_shared/contract/sql.ts";

/** healthy; degraded: somebody should look; down: it does not do its work. */
export type Status = "healthy" | "degraded" | "down";

/** One part, in words for people. Further members are figures that belong to it. */
export interface Component {
  readonly component: string;
  readonly status: Status;
  readonly why: string;
  readonly [figure: string]: unknown;
}

/** What the SQL function `health` gives, with its components in words. */
export type Found = Omit<Result<"health">, "components"> & { components: Component[] };

/** What keeps code for the schema `needs` from running on this one. Versions are of one length, so they compare as text. */
export function misfit(
  { has, breaks }: Pick<Result<"schema_state">, "has" | "breaks">,
  needs: string,
): "schema_outdated" | "schema_too_new" | undefined {
  if (breaks !== null && breaks > needs) return "schema_too_new";
  return has !== null && has < needs ? "schema_outdated" : undefined;
}

/** What was seen from here. */
export interface Seen {
  /** What the database said; undefined while it does not answer. */
  found?: Found;
  /** Whether it has refused a write: it is full, or read-only. */
  readOnly?: boolean;
  /** How long it took to say so, in milliseconds. */
  latencyMs: number;
  /** The schema that this version needs. */
  needs: string;
  /** Age of this process's copy of the configuration, in milliseconds; undefined while there is none. */
  cacheMs: number | undefined;
  faults: readonly ConfigFault[];
  /** Active routes that cannot be used, and why. */
  unusable?: readonly { name: string; why: string }[];
  /** Settings whose value is not used, and why. */
  misread?: readonly { key: string; why: string }[];
  /** Every kill switch that is set: true lets its feature run. */
  switches: Readonly<Record<string, boolean>>;
}

/** A call of this many milliseconds is slow: the manual wants answers within 500 at the 95th percentile. */
const SLOW_MS = 500;
/** A configuration is used for 5 s at most while the database answers. */
const STALE_MS = 5000;

const ORDER: readonly Status[] = ["healthy", "degraded", "down"];

/** The worst of some states. */
export function worst(states: Iterable<Status>): Status {
  return ORDER[Math.max(0, ...[...states].map((status) => ORDER.indexOf(status)))];
}

/** Each part, the database first. What only the database knows is degraded while it is away, for nobody knows. */
export function judge(seen: Seen): Component[] {
  const { found } = seen;
  const parts = found?.components ??
    ["database", "queue", "clock", "graph", "senders", "functions", "config", "storage"].map((component) => ({
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
  const figures = { latency_ms: Math.round(latencyMs), needs, has, breaks };
  const fault = misfit(found, needs);
  if (fault !== undefined) {
    const why = fault === "schema_too_new"
      ? `migration ${breaks} breaks this version, which was written for ${needs}`
      : `at migration ${has}, but this version needs ${needs}`;
    return { ...part, ...figures, status: "down", why };
  }
  if (latencyMs > SLOW_MS) {
    return { ...part, ...figures, status: "degraded", why: `took ${figures.latency_ms} ms to answer` };
  }
  return { ...part, ...figures };
}

function config(part: Component, { faults, switches, unusable = [], misread = [] }: Seen): Component {
  const reasons = [
    ...(part.status === "healthy" ? [] : [part.why]),
    ...faults.map(({ variable, fault }) => `${variable}: ${fault}`),
    ...unusable.map(({ name, why }) => `the route ${name} is invalid: ${why}`),
    ...misread.map(({ key, why }) => `the setting ${key} ${why}`),
    ...Object.entries(switches).filter(([, runs]) => !runs).map(([name]) => `switched off by ${name}`),
  ];
  return reasons.length === 0 ? part : { ...part, status: "degraded", why: reasons.join(", ") };
}

function cache({ cacheMs }: Seen): Component {
  const component = "settings_cache";
  if (cacheMs === undefined) {
    return { component, status: "down", why: "holds no configuration", age_ms: null };
  }
  const age = Math.round(cacheMs);
  return {
    component,
    status: age <= STALE_MS ? "healthy" : "degraded",
    why: age <= STALE_MS ? "as fresh as it should be" : `the last known configuration is used, ${age} ms old`,
    age_ms: age,
  };
}
