/**
 * Stored routes compiled for matching, once per load of the configuration.
 *
 * @module
 */
import type { RouteMode } from "../contract/states.ts";
import { compile, type Predicate } from "./compile.ts";
import { ConditionError, parseCondition } from "../contract/routing/condition.ts";
import { describe, shortened } from "./describe.ts";

/**
 * A route takes messages of other channels only if it names them, so that a fallback does not receive mail
 * unexpectedly.
 */
const WHATSAPP_ALONE: readonly string[] = ["whatsapp"];

/** A route as the configuration contains it. */
export interface RouteRow {
  /** uuid v7, so ids sort by creation. */
  readonly id: string;
  readonly name: string;
  /** Smaller values are asked first. */
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

/** Ids of the paused destinations and of those with an open circuit, which `compileRoutes` avoids. */
export function stoppedOf(
  destinations: readonly { id: string; state: string; circuit_open?: boolean }[],
): [paused: ReadonlySet<string>, failing: ReadonlySet<string>] {
  const ids = (rows: typeof destinations) => new Set(rows.map(({ id }) => id));
  return [
    ids(destinations.filter(({ state }) => state === "paused")),
    ids(destinations.filter(({ circuit_open }) => circuit_open)),
  ];
}

/** A route that `match` can evaluate. */
export interface CompiledRoute {
  readonly id: string;
  readonly name: string;
  readonly active: boolean;
  /** One destination or all of them, depending on the route's mode. */
  readonly destinationIds: readonly string[];
  readonly flagKey?: string;
  readonly stickyMinutes?: number;
  /** The channels whose messages it may take. */
  readonly channels: readonly string[];
  /** Whether the whole condition is `default`. */
  readonly isDefault: boolean;
  /** The condition in words, or what is wrong with it. */
  readonly description: string;
  /** Undefined if the stored condition cannot be used. */
  readonly test?: Predicate;
}

/**
 * Compiles routes and sorts them into the order in which they are asked: by priority, then those for addresses of mail
 * before others, by how much of the address they name, then by creation, and routes whose whole condition is `default`
 * after all others, so that a fallback never hides a route added later.
 *
 * Failure policy: a route whose condition cannot be used (stored by hand, or by a newer version) fails closed
 * by itself. It matches nothing, explanations say why, and the other routes are not affected.
 *
 * @param paused Ids of paused destinations. Mode `first` means the first destination that is neither paused
 *   nor failing; without one, the first failing one, which may recover; otherwise the first, whose queue
 *   waits.
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
    namedOf(b.row.condition) - namedOf(a.row.condition) ||
    (a.row.id < b.row.id ? -1 : 1)
  );
  return compiled.map(({ route }) => route);
}

/**
 * How much of an address a condition names: domain, scope and type (7), domain and scope (6), domain and type (5), domain
 * (4), less without a domain; 0 for a condition that asks for no address. The longest match comes first.
 */
function namedOf(condition: unknown): number {
  if (typeof condition !== "object" || condition === null || !("type" in condition)) return 0;
  if (condition.type === "all" && "of" in condition && Array.isArray(condition.of)) {
    return Math.max(0, ...condition.of.map(namedOf));
  }
  if (condition.type !== "address") return 0;
  return ("domains" in condition ? 4 : 0) + ("scopes" in condition ? 2 : 0) + ("types" in condition ? 1 : 0);
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
