/**
 * Tickets of mails that are about to be sent, made by the database, many in one call.
 *
 * Failure policy: closed for tracking, and open for the mail, which its sender then sends as it is.
 *
 * @module
 */
import type { MailTicket } from "../contract/answers/tracking.ts";
import { killed } from "../config/kill_switch.ts";
import { rpc } from "../db/client.ts";
import { loadConfig } from "../db/config.ts";
import { groupCommit } from "../db/group_commit.ts";
import { onForAnybody } from "../flags/evaluate.ts";
import { trackingOf } from "./rules.ts";

type Mode = "off" | "aggregate" | "individual";

const ticketOf = groupCommit<{ message: string; mode: Mode; links: readonly string[] }, MailTicket | null>({
  maxItems: 50,
  maxQueued: 2000,
  maxBytes: 1 << 20,
  size: ({ links }) => links.reduce((bytes, url) => bytes + url.length, 100),
  commit: (mails) => rpc("track_mails", { p_mails: mails }),
});

/** A mail that may be tracked; see `Track` of the channels' contract. */
export async function track(
  { message, mode, links }: { message: string; mode: Mode | undefined; links(): Promise<readonly string[]> },
): Promise<MailTicket | null> {
  if (mode === "off" || killed(TRACKING_FLAG)) return null;
  const { flags, otherwise } = trackingOf(await loadConfig());
  const wanted = mode ?? otherwise;
  if (wanted === "off" || !onForAnybody(flags, TRACKING_FLAG)) return null;
  return await ticketOf({ message, mode: wanted, links: await links() });
}

/** The flag of tracking, asked with the id of who sends. */
export const TRACKING_FLAG = "email_tracking.enabled";
