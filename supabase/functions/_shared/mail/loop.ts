/**
 * Mails that go round in circles. A mail that is one of these goes nowhere, whatever else it is.
 *
 * What only the database knows (addresses of identities, Message-IDs that a provider gave, how often somebody wrote) is
 * judged with its answer, in {@linkcode judge}.
 *
 * @module
 */
import { isOn, ownMessageId } from "./addresses.ts";
import type { LoopReason, Mail, MailWorld } from "./types.ts";

/** The header that counts how often a mail went through us. */
export const HOPS_HEADER = "X-Gatelink-Hops";
/** The header that marks our forwards; its value is the delivery's id. */
export const FORWARDED_HEADER = "X-Gatelink-Forwarded";
/** Whatever has it, with whatever value, was sent by a Gatelink by itself. */
export const LOOP_HEADER = "X-Gatelink-Loop";
/** More of our own hops are a circle. */
export const MOST_HOPS = 3;
/** More Received lines are a circle: a person's mail has 3 to 12, and RFC 5321 6.3 lets relays refuse at 100. */
export const MOST_RECEIVED = 50;
/** Mails in an hour from one address in one conversation; what is more is stored, and goes nowhere. */
export const MOST_PER_HOUR = 20;
/** A text of so many characters is hardly written twice; people say shorter ones again. */
export const LONG_TEXT = 40;

/** Seconds within which the same text from the same address counts as a circle. */
export function sameTextSeconds(text: string): number {
  return text.length >= LONG_TEXT ? 86_400 : 60;
}

/** Why a mail is part of a circle, by its own words; null if it is not. */
export function loopReason(
  mail: Pick<Mail, "headers" | "from" | "messageId">,
  world: MailWorld,
): LoopReason | null {
  const marks = [FORWARDED_HEADER.toLowerCase(), LOOP_HEADER.toLowerCase(), ...world.ownForwardHeaders];
  if (marks.some((name) => mail.headers.has(name))) return "own_forward";
  if (isOn(mail.from.address, world.replyDomain) || mail.from.address === world.forwardFrom) {
    return "from_own_domain";
  }
  if (mail.messageId !== null && ownMessageId(mail.messageId, world.sendDomain) !== undefined) {
    return "own_message_id";
  }
  const hops = Number(mail.headers.get(HOPS_HEADER.toLowerCase())?.[0] ?? 0);
  const received = mail.headers.get("received")?.length ?? 0;
  return hops > MOST_HOPS || received > MOST_RECEIVED ? "hops" : null;
}
