/**
 * Decisions of the router in words.
 *
 * @module
 */
import type { RoutingReason } from "../states.ts";

const REASONS: Readonly<Record<RoutingReason, string>> = {
  matched: "its condition matches",
  sticky: "it keeps the conversation",
  default: "no other route matches",
  no_match: "no route matches: the message is stored but not delivered",
  taken_over: "a person had the conversation: the message is stored but not delivered",
  masked: "it came to a number of an organisation, whose threads decide",
  kept: "routes were not asked: the mail is automatic, a bounce or forged",
};

/** Why a route matched a message, or none did. Unknown reasons are shown by name. */
export function routingReasonInWords(reason: string): string {
  return Object.hasOwn(REASONS, reason) ? REASONS[reason as RoutingReason] : reason;
}
