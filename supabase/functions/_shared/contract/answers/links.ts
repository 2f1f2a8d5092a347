/**
 * Links, as the function deeplinks reads and manages them.
 *
 * @module
 */
import { z } from "zod";
import { type DecidingName, FIELDS } from "../link_fields.ts";
import { link as linkSeen, linkStats } from "../links.ts";
import { at, count } from "./common.ts";

/** A link as its owner sees it, without its addresses, which the function adds. */
const link = linkSeen.omit({ url: true, qr_url: true });
/** A link as its owner sees it; what is not set is left out. */
export type StoredLink = z.infer<typeof link>;

/** A link as it is read to be changed. */
const found = link.extend({
  /** The version in which each member was last changed; absent for one as it was made. */
  member_versions: z.record(z.string(), z.int()),
});
export type FoundLink = z.infer<typeof found>;

/** What became of one of the links that were to be made. */
const made = z.strictObject({
  /** As an HTTP status. */
  status: z.union([z.literal(200), z.literal(201), z.literal(409), z.literal(422), z.literal(503)]),
  code: z.string().optional(),
  error: z.enum(["external_id_taken", "code_taken", "code_reserved", "no_code_found"]).optional(),
  /** Of a link with a password that was made before; null where it has none any more. */
  password_hash: z.string().nullish(),
});
export type MadeLink = z.infer<typeof made>;

/** Fields that decide about a visit; their shapes were checked when the link was written. */
const deciding = Object.fromEntries(
  FIELDS.flatMap(({ name, visits }) => visits ? [[name, z.unknown().optional()]] : []),
) as Record<DecidingName, z.ZodOptional<z.ZodUnknown>>;

/** What a visit needs of a link; what stands at its default is left out. */
const visited = z.strictObject({
  ...deciding,
  code: z.string(),
  /** Unix milliseconds. */
  starts_at: z.int().optional(),
  expires_at: z.int().optional(),
  used_up: z.literal(true).optional(),
  state: z.enum(["disabled", "blocked", "deleted"]).optional(),
  password: z.literal(true).optional(),
});

const claimed = z.strictObject({
  error: z.enum(["claimed", "unknown"]).optional(),
  code: z.string().optional(),
  confidence: z.enum(["exact", "fingerprint"]).optional(),
  clicked_at: at.optional(),
  user_id: z.string().optional(),
  /** The link's default. */
  url: z.string().optional(),
  /** The address of the app in the rule that took the visit, as the link is now. */
  app_url: z.string().optional(),
  link: z.strictObject({
    code: z.string(),
    external_id: z.string().optional(),
    tags: z.array(z.string()),
    utm: z.record(z.string(), z.string()),
  }).optional(),
});
/** A click that an app has claimed, or why there is none. */
export type ClaimedClick = z.infer<typeof claimed>;

const attempt = z.strictObject({
  allowed: z.boolean(),
  retry_after_ms: count,
  /** Hash of the password, where the attempt is allowed. */
  hash: z.string().nullish(),
});
/** Whether somebody may try a password now. */
export type PasswordAttempt = z.infer<typeof attempt>;

/** By function. */
export const LINKS = {
  create_links: z.array(made),
  find_link: found.nullable(),
  /** Null: not there, or at another version. */
  update_link: link.nullable(),
  list_links: z.array(link),
  get_links: z.array(visited),
  refresh_links: z.strictObject({
    /** To be given the next time. */
    since: z.string(),
    /** Codes of the links that changed; null: too many, forget all. */
    changed: z.array(z.string()).nullable(),
    /** Digits of our numbers, by their ids. */
    numbers: z.record(z.string(), z.string()),
    /** Whose days those of `visitor_keys` are. */
    zone: z.string(),
    /** By day. */
    visitor_keys: z.record(z.string(), z.string()),
    cookie_key: z.string(),
  }),
  link_stats: linkStats.nullable(),
  guessed_links: z.array(z.strictObject({ code: z.string(), wrong: count })),
  claim_click: claimed,
  take_password_attempt: attempt,
  /** Uses that were granted, by code. */
  take_uses: z.record(z.string(), count),
  /** Clients who have asked for too many unknown codes. */
  record_orphans: z.array(z.strictObject({ client: z.string(), retry_after_ms: count.nullable() })),
} as const;
