/**
 * Routes and the allowlist after a change.
 *
 * @module
 */
import { z } from "zod";
import { at, id } from "./common.ts";

const route = z.strictObject({
  id,
  name: z.string(),
  priority: z.int(),
  /** As stored. */
  condition: z.unknown(),
  mode: z.enum(["first", "all"]),
  flag_key: z.string().nullable(),
  sticky_minutes: z.int().nullable(),
  active: z.boolean(),
  channels: z.array(z.string()),
  version: z.int(),
  created_at: at,
  updated_at: at,
  updated_by: z.string(),
});

const listed = route.omit({ created_at: true }).extend({
  /** Their names, in order. */
  destinations: z.array(z.string()),
  /** From 1, among all routes, in the order in which the router tries them. */
  place: z.int(),
  /** The neighbours that it can trade places with; `beyond` is the one below `below`. */
  above: id.nullable(),
  below: id.nullable(),
  beyond: id.nullable(),
});
/** A route of the list, with its place. */
export type ListedRoute = z.infer<typeof listed>;

/** The answers by function name. */
export const ROUTES = {
  list_routes: z.array(listed),
  /** With the names of its destinations. */
  add_route: route.extend({ destinations: z.array(z.string()) }),
  set_route: route,
  /** All routes in their new order. */
  move_route: z.array(z.strictObject({ id, priority: z.int(), version: z.int() })),
  allow_host: z.strictObject({
    pattern: z.string(),
    purpose: z.enum(["forward", "redirect"]),
    created_at: at,
    created_by: z.string(),
  }),
} as const;
