/**
 * States, roles and reasons as they are stored. A test holds the database's check constraints to these lists.
 *
 * @module
 */

/** Roles of the team. Each includes the rights of those before it. */
export const TEAM_ROLES = ["viewer", "operator", "admin"] as const;
/** One of {@link TEAM_ROLES}. */
export type TeamRole = typeof TEAM_ROLES[number];

/** Roles that sign off launch gates. */
export const APPROVER_ROLES = ["engineering", "security", "product", "cto"] as const;
/** One of {@link APPROVER_ROLES}. */
export type ApproverRole = typeof APPROVER_ROLES[number];

/** How destinations are reached: a signed POST to a service, or a mail to the inbox of an identity's owner. */
export const DESTINATION_KINDS = ["http", "inbox", "telegram"] as const;
/** One of {@link DESTINATION_KINDS}. */
export type DestinationKind = typeof DESTINATION_KINDS[number];

/** States of a destination that people set. */
export const DESTINATION_STATES = ["active", "paused"] as const;
/** One of {@link DESTINATION_STATES}. */
export type DestinationState = typeof DESTINATION_STATES[number];

/** States of a destination as shown: an active destination whose circuit is open receives only probes. */
export const SHOWN_DESTINATION_STATES = [...DESTINATION_STATES, "circuit_open"] as const;
/** One of {@link SHOWN_DESTINATION_STATES}. */
export type ShownDestinationState = typeof SHOWN_DESTINATION_STATES[number];

/** The shown state of a row of `destinations`, like the database's `private.shown_state`. */
export function shownDestinationState(
  { state, circuit_open_until }: { state: DestinationState; circuit_open_until: string | null },
): ShownDestinationState {
  return state === "active" && circuit_open_until !== null ? "circuit_open" : state;
}

/** Which of a route's destinations receive a message. */
export const ROUTE_MODES = ["first", "all"] as const;
/** One of {@link ROUTE_MODES}. */
export type RouteMode = typeof ROUTE_MODES[number];

/** Why a route matched a message, or none did. */
export const ROUTING_REASONS = [
  "matched",
  "sticky",
  "default",
  "no_match",
  "kept",
  "taken_over",
  "masked",
] as const;
/** One of {@link ROUTING_REASONS}. */
export type RoutingReason = typeof ROUTING_REASONS[number];

/** States of a delivery. */
export const DELIVERY_STATES = ["pending", "leased", "delivered", "dead"] as const;
/** One of {@link DELIVERY_STATES}. */
export type DeliveryState = typeof DELIVERY_STATES[number];

/** States of an outbound message. */
export const OUTBOUND_STATES = ["queued", "leased", "sent", "failed", "unknown"] as const;
/** One of {@link OUTBOUND_STATES}. */
export type OutboundState = typeof OUTBOUND_STATES[number];

/** States of a rollout. */
export const ROLLOUT_STATES = ["draft", "running", "paused", "completed", "rolled_back"] as const;
/** One of {@link ROLLOUT_STATES}. */
export type RolloutState = typeof ROLLOUT_STATES[number];

/** States of a component of an installation. */
export const HEALTH_STATES = ["healthy", "degraded", "down"] as const;
/** One of {@link HEALTH_STATES}. */
export type HealthState = typeof HEALTH_STATES[number];

/** Components of an installation, as `health/detailed` names them. */
export const HEALTH_COMPONENTS = [
  "database",
  "queue",
  "clock",
  "graph",
  "senders",
  "functions",
  "config",
  "storage",
  "guard",
  "settings_cache",
] as const;
/** One of {@link HEALTH_COMPONENTS}. */
export type HealthComponent = typeof HEALTH_COMPONENTS[number];

/** Why an attempt to deliver failed. Stored and shown instead of an error's text, which may contain a URL. */
export const DELIVERY_ERRORS = [
  /** The allowlist refuses the URL; nothing was sent. */
  "not_permitted",
  /** The request could not be made or signed; nothing was sent. */
  "unsendable",
  /** The platform currently refuses more calls to its own functions; nothing was sent. Not the service's failure. */
  "platform_limit",
  /** The host has no address, or DNS did not answer; nothing was sent. */
  "dns",
  /** The host resolves to an address that is not public; nothing was sent. */
  "address",
  "timeout",
  /** TLS failed: a certificate that is not valid for the host, or a server without TLS. */
  "tls",
  /** The connection could not be made. */
  "connect",
  /** The connection broke, or the answer was not HTTP. */
  "connection",
  /** A 3xx answer. Redirects are not followed, because the allowlist did not permit their target. */
  "redirect",
  /** Any other answer that is not 2xx. */
  "status",
  /** The mail may have gone to the inbox or not, and is not sent again by itself. */
  "unknown_outcome",
] as const;
/** One of {@link DELIVERY_ERRORS}. */
export type DeliveryError = typeof DELIVERY_ERRORS[number];

/** Why the replies in a service's answer are not used. */
export const REPLY_FAULTS = [
  "answer_too_long",
  "not_json",
  "not_json_type",
  "not_utf8",
  "bare_list",
  "not_a_list",
  "too_many",
  "not_objects",
  "too_deep",
] as const;
/** One of {@link REPLY_FAULTS}. */
export type ReplyFault = typeof REPLY_FAULTS[number];
