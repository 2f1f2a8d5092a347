/**
 * Answers about tracked mails: tickets, links, and what was opened and clicked.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

const verdict = z.enum(["human", "machine", "unsure"]);

const ticket = z.strictObject({
  /** Number of the mail. */
  mail: count,
  /** Number of its list of links; 0 for none. */
  links: count,
  mode: z.enum(["aggregate", "individual"]),
  /** The key that seals tickets, 64 hex digits. */
  key: z.string(),
});
/** What a mail needs to be tracked. */
export type MailTicket = z.infer<typeof ticket>;

/** How a mail is tracked, or may be. */
const mode = z.enum(["off", "aggregate", "individual"]);

const access = {
  id: count,
  at,
  verdict,
  reasons: z.string(),
  client: z.string(),
  /** Who corrected the verdict by hand: a user id, or a role of the database; null where the rules made it. */
  corrected_by: z.string().nullable(),
};

const accesses = z.strictObject({
  message_id: id,
  tracked: mode,
  links: z.array(z.strictObject({ n: count, url: z.string().nullable() })),
  opens: z.array(z.strictObject(access)),
  clicks: z.array(z.strictObject({ ...access, link: count })),
});
/** Who looked at a mail and followed its links. */
export type MailAccesses = z.infer<typeof accesses>;

/** By function. */
export const TRACKING = {
  track_mails: z.array(ticket.nullable()),
  mail_link_sets: z.array(z.strictObject({ id: count, links: z.array(z.string()) })),
  accesses_to_judge: z.array(z.strictObject({
    ticket: count,
    /** Unix milliseconds. */
    delivered_at: count.nullable(),
    accesses: z.array(z.strictObject({
      kind: z.enum(["open", "click"]),
      id: count,
      /** Unix milliseconds. */
      at: count,
      link: count.nullable(),
      signs: z.string(),
      verdict,
      reasons: z.string(),
      judged: z.boolean(),
    })),
  })),
  set_tracking_consent: z.strictObject({ contact_id: id, mode, campaign_id: id.nullable() }),
  mail_accesses: accesses,
  correct_access: accesses,
};
