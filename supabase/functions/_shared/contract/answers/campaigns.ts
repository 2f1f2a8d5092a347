/**
 * What the database answers about campaigns.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

/**
 * What was counted. Each recipient once: recipients, queued, `left_out:<why>`, sent, delivered, bounced, complained,
 * unsubscribed, replied, failed, opened, opened_human, clicked, clicked_human, and with `off:` before it of those without
 * the flag. Each time: `opens:<verdict>` and `clicks:<verdict>`.
 */
const counts = z.record(z.string(), count);
/** A share from 0 to 1; null where nothing was sent or delivered. */
const share = z.number().min(0).nullable();

const campaign = z.strictObject({
  id,
  name: z.string(),
  from_email: z.string(),
  subject: z.string(),
  flag_key: z.string().nullable(),
  /** How opens and clicks are tracked; null for the setting `email.track_campaigns`. */
  track: z.enum(["off", "aggregate", "individual"]).nullable(),
  per_minute: count,
  bounce_limit: z.number(),
  complaint_limit: z.number(),
  start_at: at.nullable(),
  state: z.enum(["draft", "sending", "stopped", "cancelled", "done"]),
  version: count,
  created_at: at,
  created_by: z.string(),
  started_at: at.nullable(),
  stopped_at: at.nullable(),
  /** `limits` if it stopped by itself. */
  stopped_by: z.string().nullable(),
  stopped_because: z.string().nullable(),
  finished_at: at.nullable(),
  /** Why one that is being sent makes no messages; null if it makes them. */
  waits: z.enum([
    "start_at",
    "sender_gone",
    "sender_paused",
    "sender_held",
    "feature_off",
    "identity_unverified",
  ])
    .nullable(),
  counts,
  rates: z.strictObject({
    delivered: share,
    bounced: share,
    complained: share,
    unsubscribed: share,
    replied: share,
    /** By people, not by machines. */
    opened: share,
    clicked: share,
    clicked_of_opened: share,
  }),
});
/** A campaign with its figures. */
export type Campaign = z.infer<typeof campaign>;

const recipient = z.strictObject({
  id: count,
  /** Cut for viewers. */
  address: z.string(),
  state: z.enum(["pending", "queued", "left_out"]),
  /** What the flag said; null without one. */
  arm: z.enum(["on", "off"]).nullable(),
  why: z.string().nullable(),
  message_id: id.nullable(),
  at: at.nullable(),
  sent: z.boolean(),
  delivered: z.boolean(),
  bounced: z.boolean(),
  complained: z.boolean(),
  unsubscribed: z.boolean(),
  replied: z.boolean(),
  failed: z.boolean(),
  opened: z.boolean(),
  opened_human: z.boolean(),
  clicked: z.boolean(),
  clicked_human: z.boolean(),
});

/** A recipient, and what became of it. */
export type CampaignRecipient = z.infer<typeof recipient>;

/** By function. */
export const CAMPAIGNS = {
  create_campaign: campaign,
  add_campaign_recipients: z.strictObject({
    added: count,
    /** They were there already. */
    duplicates: count,
    /** No address. */
    invalid: count,
    /** Of those added: they will be left out. */
    suppressed: count,
  }),
  test_campaign: z.strictObject({ message_id: id }),
  start_campaign: campaign,
  stop_campaign: campaign,
  list_campaigns: z.array(campaign),
  read_campaign: campaign.extend({
    html: z.string().nullable(),
    text: z.string().nullable(),
    /** What those without the flag get. */
    otherwise: z.strictObject({
      subject: z.string().optional(),
      html: z.string().optional(),
      text: z.string().optional(),
    }).nullable(),
    hours: z.array(z.strictObject({ hour: at, counts: z.record(z.string(), z.int()) })),
    links: z.array(z.strictObject({ link: z.string(), clicks: count, human: count })),
    clients: z.array(z.strictObject({ client: z.string(), events: count, human: count })),
  }),
  list_campaign_recipients: z.array(recipient),
} as const;
