/** Routes and destinations, as the pages of routes have them. */
import type { Condition } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";

/** A row of `routes`, with every default of its condition written out once it went through `read`. */
export type Route = Omit<Row<"routes">, "condition" | "created_at"> & { condition: Condition };

/** A destination that routes may lead to; `circuit_trips` says how often in a row its circuit opened, 0 where it is closed. */
export type Destination = Pick<Row<"destinations">, "id" | "name" | "state" | "circuit_trips">;

/** A condition as it was read. */
export interface Read {
  /** What is wrong with it, when it cannot be used: then `condition` is what is stored, and the route takes nothing. */
  fault?: string;
}

/** A route with the names of its destinations, in order. */
export type WholeRoute = Route & Read & { destinations: string[] };

/** What `set_route` changes. */
export type Changes = Partial<
  Pick<
    WholeRoute,
    "name" | "condition" | "mode" | "flag_key" | "sticky_minutes" | "active" | "channels" | "destinations"
  >
>;
