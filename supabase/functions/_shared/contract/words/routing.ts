/**
 * Decisions of the router in words.
 *
 * @module
 */
import type { RoutingReason } from "../states.ts";

const REASONS: Readonly<Record<RoutingReason, string>> = {
  matched: "its condition holds",
  sticky: "the conversation stays with it",
  default: "no other route holds",
  no_match: "no route holds: it is kept and goes nowhere",
};

/** Why a route took a message, or none did; a reason that this version does not know is shown by its name. */
export function routingReasonInWords(reason: string): string {
  return Object.hasOwn(REASONS, reason) ? REASONS[reason as RoutingReason] : reason;
}
