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

/** The answers by function name. */
export const ROUTES = {
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
