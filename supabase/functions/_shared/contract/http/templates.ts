/**
 * Templates over HTTP: fetching them from Meta, creating, editing, deleting.
 *
 * @module
 */
import { z } from "zod";

const component = z.looseObject({ type: z.string().min(1) });

/** The body of `POST wa-router/templates/sync`; the clock sends an empty one. */
export const templatesToSync = z.looseObject({
  all: z.boolean().optional().describe("Whether to fetch those that are not due, too"),
});

/** The body of `POST wa-router/templates`. */
export const templateToCreate = z.strictObject({
  account: z.string().regex(/^\d{5,32}$/).optional().describe(
    "Meta's WABA id; needed if there are several accounts",
  ),
  name: z.string().regex(/^[a-z0-9_]{1,512}$/),
  language: z.string().regex(/^[a-z]{2,3}(_[A-Z]{2})?$/),
  category: z.enum(["marketing", "utility", "authentication"]),
  parameter_format: z.enum(["positional", "named"]).optional(),
  components: z.array(component).min(1).max(10).describe("Meta's components, with examples for variables"),
});
/** See {@linkcode templateToCreate}. */
export type TemplateToCreate = z.infer<typeof templateToCreate>;

/** The body of `PATCH wa-router/templates/{id}`. */
export const templateToEdit = z.strictObject({
  category: z.enum(["marketing", "utility", "authentication"]).optional(),
  components: z.array(component).min(1).max(10).optional(),
});

/** The answer of `POST wa-router/templates`. */
export const templateCreated = z.strictObject({
  id: z.string(),
  account: z.string(),
  status: z.string().describe("Meta's word in lower case: `pending` until its review is over"),
  category: z.string().nullable().describe("Meta may choose another one"),
});
/** See {@linkcode templateCreated}. */
export type TemplateCreated = z.infer<typeof templateCreated>;

/** The answer of `PATCH` and `DELETE wa-router/templates/{id}`. */
export const templateChanged = z.strictObject({ id: z.string(), status: z.enum(["pending", "deleted"]) });
/** See {@linkcode templateChanged}. */
export type TemplateChanged = z.infer<typeof templateChanged>;

/** The answer of `POST wa-router/templates/sync`. */
export const templatesSynced = z.strictObject({
  accounts: z.array(z.strictObject({
    account: z.string(),
    stored: z.int().nonnegative().optional(),
    removed: z.int().nonnegative().optional(),
    error: z.string().optional().describe("Why Meta could not be asked; tried again later"),
  })).describe("Those that were due, or all"),
});
/** See {@linkcode templatesSynced}. */
export type TemplatesSynced = z.infer<typeof templatesSynced>;

/** Schemas by the names that docs/openapi.yaml has for them. */
export const TEMPLATES = {
  TemplateChanged: templateChanged,
  TemplateCreated: templateCreated,
  TemplateToCreate: templateToCreate,
  TemplateToEdit: templateToEdit,
  TemplatesSynced: templatesSynced,
  TemplatesToSync: templatesToSync,
} as const;
