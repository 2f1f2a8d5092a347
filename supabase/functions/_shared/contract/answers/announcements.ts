/**
 * Announcements, and for whom a feature failed.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

/** Whom an announcement is for. */
export const audience = z.union([
  z.strictObject({
    kind: z.literal("flag"),
    flag_key: z.string(),
    days: count.optional(),
    targets_only: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.literal("segments"), segments: z.array(z.string()) }),
  z.strictObject({ kind: z.literal("wrote"), days: count }),
  z.strictObject({ kind: z.literal("affected"), flag_key: z.string(), since: z.string().optional() }),
]);
/** Whom an announcement is for. */
export type Audience = z.infer<typeof audience>;

const figures = z.record(z.string(), count);

const announcement = z.strictObject({
  id,
  name: z.string(),
  audience,
  text: z.string().nullable(),
  /** As wa-send takes it. */
  template: z.record(z.string(), z.unknown()).nullable(),
  number_id: z.string().nullable(),
  per_minute: count,
  state: z.enum(["draft", "sending", "stopped", "done"]),
  unreachable: count,
  version: count,
  created_at: at,
  created_by: z.string(),
  started_at: at.nullable(),
  started_by: z.string().nullable(),
  stopped_at: at.nullable(),
  stopped_by: z.string().nullable(),
  stopped_because: z.string().nullable(),
  finished_at: at.nullable(),
  people: count,
  pending: count,
  queued: count,
  left_out: figures,
  waits: figures,
  statuses: figures,
  would: figures.nullable(),
});
/** An announcement with its figures. */
export type Announcement = z.infer<typeof announcement>;

const recipient = z.strictObject({
  contact_id: id,
  last_four: z.string().nullable(),
  state: z.enum(["pending", "queued", "left_out"]),
  why: z.string().nullable(),
  message_id: id.nullable(),
  at: at.nullable(),
  status: z.string().nullable(),
});
/** One of its people. */
export type Recipient = z.infer<typeof recipient>;

const affected = z.strictObject({
  flag_key: z.string(),
  since: at.nullable(),
  people: count,
  contacts: count,
  failures: count,
  rows: z.array(z.strictObject({
    subject_id: z.string(),
    contact_id: id.nullable(),
    last_four: z.string().nullable(),
    failures: count,
    first_at: at,
    last_at: at,
  })),
});
/** For whom a feature failed. */
export type Affected = z.infer<typeof affected>;

/** By function. */
export const ANNOUNCEMENTS = {
  create_announcement: announcement,
  start_announcement: announcement,
  stop_announcement: announcement,
  list_announcements: z.array(announcement),
  read_announcement: announcement.extend({ recipients: z.array(recipient) }),
  list_affected: affected,
} as const;
