/** Routes and destinations, as the routes pages use them. */
import type { Condition } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { ListedRoute } from "../../../../supabase/functions/_shared/contract/answers/routes.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";

/** A row of `routes`. After `read`, every default of its condition is written out. */
export type Route = Omit<Row<"routes">, "condition" | "created_at"> & { condition: Condition };

/**
 * A destination for routes; `circuit_trips` is how many times in a row its circuit opened, 0 if it is closed.
 */
export type Destination = Pick<Row<"destinations">, "id" | "name" | "state" | "circuit_trips">;

/** The result of reading a condition. */
export interface Read {
  /** Why the condition cannot be used. `condition` is then the stored one, and the route matches nothing. */
  fault?: string;
}

/** A route with the names of its destinations, in order. */
export type WholeRoute = Route & Read & { destinations: string[] };

/** A route of the list: its place among all, and its neighbours. */
export type PlacedRoute = WholeRoute & Pick<ListedRoute, "place" | "above" | "below" | "beyond">;

/** What the editor saves: the condition always, of a new route too; other members if they are given. */
export type Changes =
  & Pick<WholeRoute, "condition">
  & Partial<
    Pick<WholeRoute, "name" | "mode" | "flag_key" | "sticky_minutes" | "active" | "channels" | "destinations">
  >;
