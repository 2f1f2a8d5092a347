/** Routes and destinations, as the pages of routes have them. */
import type { DestinationState, RouteMode } from "../../../../supabase/functions/_shared/contract/states.ts";
import type { Condition } from "../../../../supabase/functions/_shared/contract/routing/condition.ts";

export interface Route {
  id: string;
  name: string;
  priority: number;
  /** Every default written out, once it went through `read`. */
  condition: Condition;
  mode: RouteMode;
  flag_key: string | null;
  sticky_minutes: number | null;
  active: boolean;
  /** The channels whose messages it may take. */
  channels: string[];
  version: number;
  updated_at: string;
  updated_by: string;
}

export interface Destination {
  id: string;
  name: string;
  state: DestinationState;
  /** How often in a row its circuit opened; 0 where it is closed. */
  circuit_trips: number;
}

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
