/**
 * Which route takes a message, and why.
 *
 * @module
 */
import type { RoutingReason } from "../contract/states.ts";
import type { MessageFacts } from "./facts.ts";
import type { CompiledRoute } from "./routes.ts";

/** Inputs of a decision besides routes and message. */
export interface RoutingContext {
  readonly now: Date;
  /** The route that this conversation is sticky to, from the last decision. */
  readonly sticky?: { readonly routeId: string; readonly until: Date };
  /** Whether a route's flag is on for this contact. Called at most once per route. */
  readonly flagOn: (flagKey: string, contactId: string) => boolean;
}

/** The result for one route. */
export interface Finding {
  readonly route: string;
  readonly name: string;
  readonly matched: boolean;
  readonly why: string;
}

/** The outcome for one message, ready to be stored: plain JSON, no personal data. */
export interface Decision {
  readonly routeId: string | null;
  readonly destinationIds: readonly string[];
  readonly reason: RoutingReason;
  /** ISO time until which the conversation stays with this route; absent when the route is not sticky. */
  readonly stickyUntil?: string;
  /** The contact: at most the last four digits of the phone, absent if no phone is known. */
  readonly contact?: string;
  /** In the order asked; at most {@link MAX_FINDINGS}, always including the route taken. */
  readonly explanation: readonly Finding[];
  /** Number of findings left out of `explanation`. */
  readonly omitted?: number;
}

/** Most findings in one explanation. */
export const MAX_FINDINGS = 50;

/**
 * Decides which route takes a message: the first one, in the order of `compileRoutes`, that is active,
 * accepts the message's channel, whose flag is on for the contact, that has a destination, and whose
 * condition is true. A message goes to one route; a route of mode `all` delivers to all its destinations.
 *
 * A sticky conversation goes to its route without evaluating the condition, as long as that route can take
 * messages at all; each message renews the time. Pure: same input, same decision.
 *
 * Failure policy: a condition that throws counts as false and is named in the explanation. One bad route must
 * not block a conversation forever.
 */
export function match(
  routes: readonly CompiledRoute[],
  message: MessageFacts,
  context: RoutingContext,
): Decision {
  const flags = new Map<CompiledRoute, boolean>();
  const flagOn = (route: CompiledRoute): boolean => {
    if (route.flagKey === undefined) return true;
    let on = flags.get(route);
    if (on === undefined) {
      on = context.flagOn(route.flagKey, message.contact.id);
      flags.set(route, on);
    }
    return on;
  };
  /** Why a route cannot take any message now; undefined if it can. */
  const closed = (route: CompiledRoute): string | undefined => {
    if (!route.active) return "inactive";
    if (!route.channels.includes(message.channel)) return `not for ${message.channel}`;
    if (!flagOn(route)) return `flag off: ${route.flagKey}`;
    if (route.destinationIds.length === 0) return "no destination";
    if (route.test === undefined) return `invalid condition: ${route.description}`;
  };

  const { sticky, now } = context;
  if (sticky !== undefined && sticky.until > now) {
    const route = routes.find((route) => route.id === sticky.routeId);
    if (route !== undefined && closed(route) === undefined) {
      const first = finding(route, true, `sticky until ${sticky.until.toISOString()}`);
      const rest = routes.filter((other) => other !== route).map((other) =>
        finding(other, false, "not reached")
      );
      return decide(route, "sticky", [first, ...rest], message, now);
    }
  }

  const findings: Finding[] = [];
  let taken: CompiledRoute | undefined;
  for (const route of routes) {
    if (taken !== undefined) {
      findings.push(finding(route, false, "not reached"));
      continue;
    }
    const why = closed(route);
    if (why !== undefined) {
      findings.push(finding(route, false, why));
      continue;
    }
    let holds = false, told = `condition: ${route.description}`;
    try {
      holds = route.test!(message, { now });
    } catch {
      told = `condition failed: ${route.description}`;
    }
    findings.push(finding(route, holds, told));
    if (holds) taken = route;
  }
  return decide(taken, taken?.isDefault ? "default" : "matched", findings, message, now);
}

function finding(route: CompiledRoute, matched: boolean, why: string): Finding {
  return { route: route.id, name: route.name, matched, why };
}

function decide(
  route: CompiledRoute | undefined,
  reason: Decision["reason"],
  findings: Finding[],
  message: MessageFacts,
  now: Date,
): Decision {
  const minutes = route?.stickyMinutes;
  const lastFour = /^\+?\d{4,}(\d{4})$/.exec(message.contact.phone ?? "")?.[1];
  // The route taken is kept even when it stands beyond the cut.
  const kept = findings.slice(0, MAX_FINDINGS);
  const at = findings.findIndex((f) => f.matched);
  if (at >= MAX_FINDINGS) kept[MAX_FINDINGS - 1] = findings[at];
  return {
    routeId: route?.id ?? null,
    destinationIds: route?.destinationIds ?? [],
    reason: route === undefined ? "no_match" : reason,
    ...(minutes === undefined
      ? {}
      : { stickyUntil: new Date(now.getTime() + minutes * 60_000).toISOString() }),
    ...(lastFour === undefined ? {} : { contact: `…${lastFour}` }),
    explanation: kept,
    ...(findings.length > kept.length ? { omitted: findings.length - kept.length } : {}),
  };
}
