/**
 * What providers report about texts that we sent.
 *
 * Source: Twilio, "Outbound message status in status callbacks"; Telnyx, "Receiving webhooks for messaging"
 * and "Search detail records". Reports
 * arrive in any order.
 *
 * @module
 */

/**
 * Rank of each status. A final one has the highest, and none replaces another: of two receipts of a carrier the first
 * stands, and the second only adds its time. `accepted` says that the provider has the text, which need not be shown.
 */
export const STATUS_RANK = { accepted: 0, sent: 1, delivered: 2, failed: 2, read: 3 } as const;

/** A status in our words. */
export type SmsStatus = keyof typeof STATUS_RANK;

const TWILIO: Readonly<Record<string, SmsStatus>> = {
  accepted: "accepted",
  scheduled: "accepted",
  queued: "accepted",
  sending: "accepted",
  sent: "sent",
  delivered: "delivered",
  undelivered: "failed",
  failed: "failed",
  canceled: "failed",
  partially_delivered: "delivered",
  read: "read",
};

const TELNYX: Readonly<Record<string, SmsStatus>> = {
  queued: "accepted",
  sending: "accepted",
  sent: "sent",
  // The carrier gives no receipt.
  delivery_unconfirmed: "sent",
  delivered: "delivered",
  sending_failed: "failed",
  delivery_failed: "failed",
  expired: "failed",
  // The words of its detail records.
  dlr_unconfirmed: "sent",
  dlr_timeout: "sent",
  failed: "failed",
  gw_reject: "failed",
};

/** A provider's status in our words; undefined for one that is not known. */
export function statusOf(provider: "twilio" | "telnyx", given: string | undefined): SmsStatus | undefined {
  const table = provider === "twilio" ? TWILIO : TELNYX;
  const name = given?.toLowerCase() ?? "";
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
