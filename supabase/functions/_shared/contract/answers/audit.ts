/**
 * The list of all that people and the guard did.
 *
 * @module
 */
import { z } from "zod";
import { at, count, figures, id, passed } from "./common.ts";

const entry = z.strictObject({
  /** Unique in the list. */
  id: z.string(),
  at,
  kind: z.enum([
    "flag",
    "setting",
    "rollout",
    "signature",
    "rollback",
    "incident",
    "route",
    "destination",
    "link",
    "segment",
    "number",
    "endpoint",
    "announcement",
    "campaign",
    "identity",
    "suppression",
    "delivery",
    "contact",
    "reply",
    "team",
    "invitation",
    "allowlist",
  ]),
  name: z.string(),
  /** By which the panel opens it. */
  ref: z.string().nullable(),
  change: z.string(),
  /** The version that the change made. */
  version: count.nullable(),
  /** Of how many things. */
  n: count,
  /** A user id, or a database role. */
  who: z.string(),
  why: z.string().nullable(),
  before: passed.nullable(),
  after: passed.nullable(),
  figures,
});
/** A change, with codes for which `words/audit.ts` has the sentence. */
export type AuditEntry = z.infer<typeof entry>;

/** The answers of the audit. */
export const AUDIT = { list_audit: z.array(entry), test_notification_endpoint: z.strictObject({ id }) };
