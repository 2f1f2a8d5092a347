/**
 * Templates of WhatsApp, as the database has them.
 *
 * @module
 */
import { z } from "zod";
import { OUTBOUND_STATES } from "../states.ts";
import { at, count, id } from "./common.ts";

const components = z.array(z.record(z.string(), z.unknown()));
const format = z.enum(["positional", "named"]);

const template = z.strictObject({
  /** Meta's WABA id. */
  account: z.string(),
  account_name: z.string().nullable(),
  name: z.string(),
  language: z.string(),
  id: z.string().nullable(),
  category: z.string().nullable(),
  status: z.string(),
  quality: z.string().nullable(),
  parameter_format: format,
  components,
  /** Why it was rejected or disabled. */
  reason: z.string().nullable(),
  told_at: at.nullable(),
  synced_at: at.nullable(),
});
/** A template in one language. */
export type Template = z.infer<typeof template>;

const sync = z.strictObject({
  account: z.string(),
  account_name: z.string().nullable(),
  synced_at: at.nullable(),
  error: z.string().nullable(),
  numbers: z.array(z.string()).nullable(),
});
/** When an account's templates were fetched. */
export type TemplateSync = z.infer<typeof sync>;

/** The answers by function name. */
export const TEMPLATES = {
  list_templates: z.strictObject({ templates: z.array(template), syncs: z.array(sync) }),
  known_templates: z.array(z.strictObject({
    account: z.string(),
    name: z.string(),
    language: z.string(),
    category: z.string().nullable(),
    status: z.string(),
    parameter_format: format,
    components,
    numbers: z.array(z.string()),
  })),
  template_by_id: z.array(z.strictObject({
    account: z.string(),
    credentials: z.string().nullable(),
    template: template.pick({
      name: true,
      language: true,
      id: true,
      category: true,
      status: true,
      quality: true,
      parameter_format: true,
      components: true,
      reason: true,
    }),
  })),
  claim_template_syncs: z.array(z.strictObject({ account: z.string(), credentials: z.string().nullable() })),
  store_templates: z.strictObject({ stored: count, removed: count }),
  send_template: z.strictObject({
    id: id.optional(),
    status: z.enum(OUTBOUND_STATES).optional(),
    repeated: z.literal(true).optional(),
    used_fallback: z.literal(true).optional(),
    error: z.string().optional(),
    channel: z.string().optional(),
  }),
} as const;
