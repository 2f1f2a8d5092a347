/** Routes with their destinations, in the order in which the router tries them. */
import { useMemo } from "react";
import {
  type Condition,
  ConditionError,
  parseCondition,
} from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { useRows } from "../../data/query.ts";
import type { Read, WholeRoute } from "./types.ts";

/** Channels that the form suggests. Any other name can be typed. */
export const CHANNELS = ["whatsapp", "sms", "email", "telegram"];

/**
 * Normalizes a row's condition as the router reads it: the stored one may be a short form, or from another
 * version.
 */
export function read<T extends { condition: unknown }>(
  row: T,
): Omit<T, "condition"> & Read & { condition: Condition } {
  try {
    return { ...row, condition: parseCondition(row.condition) };
  } catch (error) {
    if (!(error instanceof ConditionError)) throw error;
    return { ...row, condition: row.condition as Condition, fault: error.message };
  }
}

/** A fallback is tried after all other routes, whatever its priority. */
export const isFallback = ({ condition }: { condition: unknown }): boolean =>
  (condition as { type?: unknown } | null)?.type === "default";

/** By priority, then by age; fallbacks after all others. */
export function inOrder<T extends Pick<Row<"routes">, "id" | "priority" | "condition">>(
  routes: readonly T[],
): T[] {
  return [...routes].sort((a, b) =>
    Number(isFallback(a)) - Number(isFallback(b)) || a.priority - b.priority || (a.id < b.id ? -1 : 1)
  );
}

/** The routes, polled, and the destinations that they may have. */
export function useRoutes() {
  const routes = useRows(["routes"], (db) => db.from("routes").select("*"));
  const links = useRows(
    ["route_destinations"],
    (db) => db.from("route_destinations").select("route_id,destination_id,position"),
  );
  const destinations = useRows(
    ["destinations"],
    (db) =>
      db.from("destinations").select("id,name,state,circuit_trips").is("removed_at", null).order("name"),
  );
  const whole = useMemo(() => {
    if (!routes.data || !links.data || !destinations.data) return undefined;
    const nameOf = new Map(destinations.data.map(({ id, name }) => [id, name]));
    return inOrder(routes.data).map((route): WholeRoute => ({
      ...read(route),
      destinations: links.data.filter(({ route_id }) => route_id === route.id)
        .sort((a, b) => a.position - b.position)
        .map(({ destination_id }) => nameOf.get(destination_id) ?? "?"),
    }));
  }, [routes.data, links.data, destinations.data]);
  const failed = [routes, links, destinations].find(({ isError }) => isError);
  return { routes: whole, destinations: destinations.data ?? [], failed };
}
