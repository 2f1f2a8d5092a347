/**
 * What the database answers about mailboxes at Google and Microsoft.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

const provider = z.enum(["google", "microsoft"]);

const mailbox = z.strictObject({
  id,
  /** The identity that sends through it. */
  identity: id,
  from_email: z.string(),
  /** Whether the identity's mail goes through it now. */
  sends: z.boolean(),
  provider,
  /** The account's own. */
  address: z.string(),
  state: z.enum(["active", "reauthorise"]),
  state_at: at,
  /** The provider's word for why access ended. */
  error: z.string().nullable(),
  takes: z.enum(["replies", "all"]),
  scopes: z.array(z.string()),
  connected_at: at,
  connected_by: z.string(),
  refreshed_at: at,
  /** Refreshes in a row that failed. */
  failures: count,
  /** Names of the keys that its tokens are sealed with. */
  keys: z.array(z.string()),
  reading: z.strictObject({
    read_at: at.nullable(),
    failures: count,
    error: z.string().nullable(),
    resynced_at: at.nullable(),
  }).nullable(),
});
/** A connected mailbox. */
export type Mailbox = z.infer<typeof mailbox>;

const about = { mailbox: id, provider, address: z.string() };
const mailboxToken = z.discriminatedUnion("state", [
  z.strictObject({ state: z.literal("none") }),
  z.strictObject({ state: z.literal("reauthorise"), ...about }),
  z.strictObject({ state: z.literal("wait"), ...about, retry_after_ms: count }),
  z.strictObject({ state: z.literal("ready"), ...about, access: z.string(), version: count }),
  z.strictObject({ state: z.literal("refresh"), ...about, lease: id, refresh: z.string(), version: count }),
]);

const mailboxStart = z.strictObject({
  provider,
  identity: id.nullable(),
  /** Sealed. */
  verifier: z.string(),
  return_to: z.string().nullable(),
  by: z.string(),
}).nullable();

const mailboxReading = z.strictObject({
  mailbox: id,
  lease: id,
  identity: id,
  provider,
  address: z.string(),
  from_email: z.string(),
  takes: z.enum(["replies", "all"]),
  /** Null: from `since` on. */
  cursor: z.string().nullable(),
  since: at,
  /** Failed attempts of mails from there on, by the provider's id; 0 for one that is passed over. */
  attempts: z.record(z.string(), count),
  /** Mails of which nobody knows whether they went. */
  unknown: z.array(z.strictObject({ id, message_id_header: z.string() })),
});
/** A mailbox that is to be read now. */
export type MailboxReading = z.infer<typeof mailboxReading>;

/** By function. */
export const MAILBOXES = {
  begin_mailbox: z.strictObject({ address: z.string().nullable() }),
  take_mailbox_start: mailboxStart,
  connect_mailbox: mailbox,
  list_mailboxes: z.array(mailbox),
  set_mailbox: mailbox,
  disconnect_mailbox: z.strictObject({ provider, address: z.string(), refresh: z.string().nullable() }),
  take_mailbox_token: mailboxToken,
  claim_mailbox_readings: z.array(mailboxReading),
  settle_mailbox_token: z.strictObject({ settled: z.boolean(), version: count.optional() }),
} as const;
