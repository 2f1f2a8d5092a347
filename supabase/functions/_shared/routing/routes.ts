/**
 * Stored routes made ready for matching, once a load of the configuration.
 *
 * @module
 */
import type { RouteMode } from "../contract/states.ts";
import { compile, type Predicate } from "./compile.ts";
import { ConditionError, parseCondition } from "../contract/routing/condition.ts";
import { describe, shortened } from "./describe.ts";

/** A route takes what comes over other channels only where it names them: a fallback gets no mail by surprise. */
const WHATSAPP_ALONE: readonly string[] = ["whatsapp"];

/** A route as the configuration holds it. */
export interface RouteRow {
  /** uuid v7, so ids sort by creation. */
  readonly id: string;
  readonly name: string;
  /** Smaller comes first. */
  readonly priority: number;
  readonly condition: unknown;
  readonly mode: RouteMode;
  readonly destination_ids: readonly string[];
  readonly flag_key?: string | null;
  readonly sticky_minutes?: number | null;
  /** @default {true} */
  readonly active?: boolean;
  /** The channels whose messages it may take. @default {["whatsapp"]} */
  readonly channels?: readonly string[];
}

/** Ids of the destinations that are paused, and of those whose circuit is open: what `compileRoutes` passes over. */
export function stoppedOf(
  destinations: readonly { id: string; state: string; circuit_open?: boolean }[],
): [paused: ReadonlySet<string>, failing: ReadonlySet<string>] {
  const ids = (rows: typeof destinations) => new Set(rows.map(({ id }) => id));
  return [
    ids(destinations.filter(({ state }) => state === "paused")),
    ids(destinations.filter(({ circuit_open }) => circuit_open)),
  ];
}

/** A route that `match` can ask. */
export interface CompiledRoute {
  readonly id: string;
  readonly name: string;
  readonly active: boolean;
  /** One destination or all of them, as the route's mode says. */
  readonly destinationIds: readonly string[];
  readonly flagKey?: string;
  readonly stickyMinutes?: number;
  /** The channels whose messages it may take. */
  readonly channels: readonly string[];
  /** Whether the whole condition is `default`. */
  readonly isDefault: boolean;
  /** The condition in words, or what is wrong with it. */
  readonly description: string;
  /** Undefined when the stored condition cannot be used. */
  readonly test?: Predicate;
}

/**
 * Compiles routes and puts them in the order in which they are asked: by priority, then by creation, and routes whose
 * whole condition is `default` after all others, so that a fallback never hides a route added later.
 *
 * Failure policy: a route with a condition that cannot be used (stored by hand, or by a version that knew more) fails
 * closed alone. It matches nothing, explanations say why, and the other routes go on.
 *
 * @param paused Ids of destinations that are paused. Mode `first` means the first destination that is neither that nor
 * failing; without one the first that is failing, for that may end by itself; then the first, whose queue waits.
 * @param failing Ids of destinations whose circuit is open.
 */
export async function compileRoutes(
  rows: readonly RouteRow[],
  paused: ReadonlySet<string> = new Set(),
  failing: ReadonlySet<string> = new Set(),
): Promise<CompiledRoute[]> {
  const compiled = await Promise.all(
    rows.map(async (row) => ({ row, route: await compileRoute(row, paused, failing) })),
  );
  compiled.sort((a, b) =>
    Number(a.route.isDefault) - Number(b.route.isDefault) ||
    a.row.priority - b.row.priority ||
    (a.row.id < b.row.id ? -1 : 1)
  );
  return compiled.map(({ route }) => route);
}

async function compileRoute(
  row: RouteRow,
  paused: ReadonlySet<string>,
  failing: ReadonlySet<string>,
): Promise<CompiledRoute> {
  const all = [...new Set(row.destination_ids)];
  const active = all.filter((id) => !paused.has(id));
  const first = [...active.filter((id) => !failing.has(id)), ...active, ...all].slice(0, 1);
  const route = {
    id: row.id,
    name: row.name,
    active: row.active ?? true,
    destinationIds: row.mode === "first" ? first : all,
    channels: row.channels ?? WHATSAPP_ALONE,
    ...(row.flag_key ? { flagKey: row.flag_key } : {}),
    ...(row.sticky_minutes ? { stickyMinutes: row.sticky_minutes } : {}),
  };
  try {
    const condition = parseCondition(row.condition);
    return {
      ...route,
      isDefault: condition.type === "default",
      description: describe(condition),
      test: await compile(condition),
    };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    return { ...route, isDefault: false, description: shortened(error.message) };
  }
}
