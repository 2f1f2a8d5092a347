/** Routes with their destinations, in the order in which the router tries them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { ListedRoute } from "../../../../supabase/functions/_shared/contract/answers/routes.ts";
import {
  type Condition,
  ConditionError,
  parseCondition,
} from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { LivePagesOptions } from "../../data/pages.ts";
import { allRows, LIVE_MS, MAX_ROWS, rpc, useRead } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import type { Destination, PlacedRoute, Read } from "./types.ts";

/** Channels that the form suggests. Any other name can be typed. */
export const CHANNELS = ["whatsapp", "sms", "email", "telegram"];

/** Routes of a page of the list. */
const PAGE = 100;
/** Routes of a page where all are read. */
const LARGE_PAGE = MAX_ROWS - 1;

/**
 * Normalizes a row's condition as the router reads it: the stored one may be a short form, or from another
 * version.
 */
export function read<T extends { condition?: unknown }>(
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

/** Which routes a list shows. */
export interface RouteFilter {
  /** Part of the name, flag, destinations, channels or condition. */
  search?: string;
  active?: boolean;
  destination?: string;
}

const listed = async (filter: RouteFilter & { id?: string; after?: string }, limit: number) =>
  (await rpc("list_routes", { p_filter: filter, p_limit: limit }) as ListedRoute[]).map(read);

/** The routes in pages. */
export const routePages = (filter: RouteFilter): LivePagesOptions<PlacedRoute> => ({
  key: ["routes", "list", filter],
  read: (last) => listed({ ...filter, ...(last && { after: last.id }) }, PAGE),
  size: PAGE,
});

/** One route, polled; null if there is none. */
export function useRoute(id: string): UseQueryResult<PlacedRoute | null, Refusal> {
  const isId = /^[0-9a-f-]{36}$/.test(id);
  return useRead(["routes", "one", id], async () => isId ? (await listed({ id }, 1))[0] ?? null : null, {
    enabled: id !== "",
  });
}

/** Every route, as the router has them; polled less often where there are thousands. */
export function useAllRoutes(enabled: boolean): UseQueryResult<PlacedRoute[], Refusal> {
  return useRead(
    ["routes", "all"],
    async () => {
      const all: PlacedRoute[] = [];
      for (;;) {
        const page = await listed({ after: all.at(-1)?.id }, LARGE_PAGE);
        all.push(...page);
        if (page.length < LARGE_PAGE) return all;
      }
    },
    { every: (routes) => LIVE_MS * ((routes?.length ?? 0) > LARGE_PAGE ? 12 : 1), enabled, patient: true },
  );
}

/** The destinations that routes may have, by name, polled. */
export function useDestinations(enabled: boolean): UseQueryResult<Destination[], Refusal> {
  return useRead(
    ["destinations"],
    () =>
      allRows<Destination>((db, last) => {
        const rows = db.from("destinations").select("id,name,state,circuit_trips").is("removed_at", null)
          .order("name").limit(MAX_ROWS);
        return last ? rows.gt("name", last.name) : rows;
      }),
    { every: (found) => LIVE_MS * ((found?.length ?? 0) > MAX_ROWS ? 12 : 1), enabled, patient: true },
  );
}
