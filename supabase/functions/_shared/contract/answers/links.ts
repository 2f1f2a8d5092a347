/**
 * Links, as the function `deeplinks` reads and manages them.
 *
 * @module
 */
import { z } from "zod";
import { type DecidingName, FIELDS } from "../link_fields.ts";
import { link as linkSeen, linkStats } from "../links.ts";
import { at, count } from "./common.ts";

/** A link as its owner sees it, without its addresses, which the function adds. */
const link = linkSeen.omit({ url: true, qr_url: true });
/** A link as its owner sees it. Members that are not set are absent. */
export type StoredLink = z.infer<typeof link>;

/** A link as it is read before a change. */
const found = link.extend({
  /** The version in which each member was last changed; absent for members that never changed. */
  member_versions: z.record(z.string(), z.int()),
});
export type FoundLink = z.infer<typeof found>;

/** The result for one of the links to be created. */
const made = z.strictObject({
  /** An HTTP status. */
  status: z.union([z.literal(200), z.literal(201), z.literal(409), z.literal(422), z.literal(503)]),
  code: z.string().optional(),
  error: z.enum(["external_id_taken", "code_taken", "code_reserved", "no_code_found"]).optional(),
  /** The password's hash, if the link existed already and had a password when it was created; null if that was removed. */
  password_hash: z.string().nullish(),
});
export type MadeLink = z.infer<typeof made>;

/** Fields that decide where a visit goes. Their shapes were checked when the link was written. */
const deciding = Object.fromEntries(
  FIELDS.flatMap(({ name, visits }) => visits ? [[name, z.unknown().optional()]] : []),
) as Record<DecidingName, z.ZodOptional<z.ZodUnknown>>;

/** The part of a link that a visit needs. Members with their default value are absent. */
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
  /** The link's `default_url`. */
  url: z.string().optional(),
  /** The app's address in the rule that matched the visit, from the link's current version. */
  app_url: z.string().optional(),
  link: z.strictObject({
    code: z.string(),
    external_id: z.string().optional(),
    tags: z.array(z.string()),
    utm: z.record(z.string(), z.string()),
  }).optional(),
});
/** The click that an app claimed, or why there is none. */
export type ClaimedClick = z.infer<typeof claimed>;

const attempt = z.strictObject({
  allowed: z.boolean(),
  retry_after_ms: count,
  /** The password's hash, if the attempt is allowed. */
  hash: z.string().nullish(),
});
/** Whether a client may try a password now. */
export type PasswordAttempt = z.infer<typeof attempt>;

/** The answers by function name. */
export const LINKS = {
  create_links: z.array(made),
  /** What create_links would answer. */
  check_links: z.array(made),
  find_link: found.nullable(),
  /** Null if there is no such link, or it has another version. */
  update_link: link.nullable(),
  list_links: z.array(link),
  get_links: z.array(visited),
  refresh_links: z.strictObject({
    /** To be passed with the next call. */
    since: z.string(),
    /** Codes of the links that changed; null if there are too many, which means: drop all. */
    changed: z.array(z.string()).nullable(),
    /** The digits of our business numbers, by their ids. */
    numbers: z.record(z.string(), z.string()),
    /** The time zone of the days in `visitor_keys`. */
    zone: z.string(),
    /** Keys by day. */
    visitor_keys: z.record(z.string(), z.string()),
    cookie_key: z.string(),
  }),
  link_stats: linkStats.nullable(),
  /** Visits by people, by code. */
  link_clicks: z.record(z.string(), z.strictObject({ all: count, week: count })),
  guessed_links: z.array(z.strictObject({ code: z.string(), wrong: count })),
  claim_click: claimed,
  take_password_attempt: attempt,
  /** The number of uses granted, by code. */
  take_uses: z.record(z.string(), count),
  /** Clients that asked for too many unknown codes. */
  record_orphans: z.array(z.strictObject({ client: z.string(), retry_after_ms: count.nullable() })),
} as const;
