/**
 * States, roles and reasons by the names under which they are stored: the database's check constraints are held to
 * these lists by a test.
 *
 * @module
 */

/** Roles of the team, each may what those before it may. */
export const TEAM_ROLES = ["viewer", "operator", "admin"] as const;
/** One of {@link TEAM_ROLES}. */
export type TeamRole = typeof TEAM_ROLES[number];

/** Roles in which somebody signs a launch gate off. */
export const APPROVER_ROLES = ["engineering", "security", "product", "cto"] as const;
/** One of {@link APPROVER_ROLES}. */
export type ApproverRole = typeof APPROVER_ROLES[number];

/** States of a destination that people set. */
export const DESTINATION_STATES = ["active", "paused"] as const;
/** One of {@link DESTINATION_STATES}. */
export type DestinationState = typeof DESTINATION_STATES[number];

/** States in which a destination is shown: an active one whose circuit is open gets nothing but a probe. */
export const SHOWN_DESTINATION_STATES = [...DESTINATION_STATES, "circuit_open"] as const;
/** One of {@link SHOWN_DESTINATION_STATES}. */
export type ShownDestinationState = typeof SHOWN_DESTINATION_STATES[number];

/** The state in which a row of `destinations` is shown; the database's `private.shown_state` says the same. */
export function shownDestinationState(
  { state, circuit_open_until }: { state: DestinationState; circuit_open_until: string | null },
): ShownDestinationState {
  return state === "active" && circuit_open_until !== null ? "circuit_open" : state;
}

/** To which of a route's destinations a message goes. */
export const ROUTE_MODES = ["first", "all"] as const;
/** One of {@link ROUTE_MODES}. */
export type RouteMode = typeof ROUTE_MODES[number];

/** Why a route took a message, or none did. */
export const ROUTING_REASONS = ["matched", "sticky", "default", "no_match"] as const;
/** One of {@link ROUTING_REASONS}. */
export type RoutingReason = typeof ROUTING_REASONS[number];

/** States of a delivery. */
export const DELIVERY_STATES = ["pending", "leased", "delivered", "dead"] as const;
/** One of {@link DELIVERY_STATES}. */
export type DeliveryState = typeof DELIVERY_STATES[number];

/** States of a message that is sent. */
export const OUTBOUND_STATES = ["queued", "leased", "sent", "failed"] as const;
/** One of {@link OUTBOUND_STATES}. */
export type OutboundState = typeof OUTBOUND_STATES[number];

/** States of a rollout. */
export const ROLLOUT_STATES = ["draft", "running", "paused", "completed", "rolled_back"] as const;
/** One of {@link ROLLOUT_STATES}. */
export type RolloutState = typeof ROLLOUT_STATES[number];
