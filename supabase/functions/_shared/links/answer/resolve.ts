/**
 * Decides where a visit of a link goes. Pure: the same link, visit and rules give the same decision.
 *
 * @module
 */
import { evaluate } from "../../flags/evaluate.ts";
import type { ProblemCode } from "../../http/problem.ts";
import type { Link, Target, WebTarget } from "../model/link.ts";
import { leadsOn } from "../model/own.ts";
import type { Rules } from "../model/rules.ts";
import type { Visit } from "../visitor/visit.ts";
import { shareOf } from "../model/when.ts";

/** The flag that controls all links. */
export const LINKS_FLAG = "deeplinks.enabled";

/** Why a link cannot be used. */
export type Refusal = Extract<ProblemCode, `link_${string}`>;

/** The outcome for one visit. */
export type Decision =
  /** Goes to `target`. `because`: the rule that matched, or why another place was chosen. */
  | { readonly outcome: "go"; readonly target: Target; readonly because: Because }
  /** Goes to the link's own address for visits that it cannot serve; `code` says why. */
  | { readonly outcome: "fallback"; readonly target: WebTarget; readonly code: Refusal }
  /** Goes to `target` once a button is pressed. */
  | { readonly outcome: "ask"; readonly target: Target; readonly because: Because }
  /** Shows what the link is about without redirecting, since this visitor must not use the link up. */
  | { readonly outcome: "show" }
  | { readonly outcome: "refuse"; readonly code: Refusal };

/** What chose the place: a rule's number, the default, or a flag that is off. */
export type Because = number | "default" | "flag_off";

/** An intermediate result, for people who ask why. */
export interface Finding {
  readonly what: string;
  readonly holds: boolean;
  readonly why?: string;
}

/** Called with each finding. */
export type Trace = (finding: Finding) => void;

/**
 * Decides where a visit goes.
 *
 * Order: the link's state and time, uses, password, flags, rules in order, then whether the place is allowed now. Rules
 * with a weight whose other conditions hold divide the visitors among them, in order: weights 50 and 30 take the first
 * 50 and the next 30 of 100, and the rest continue with what follows.
 *
 * Failure policy: closed for the destination (what is not allowed now is refused), open for flags: if a flag is off or
 * cannot be evaluated, the visit goes to the link's default, so that a rollback breaks nothing for visitors.
 */
export function resolve(link: Link, visit: Visit, rules: Rules, killed: boolean, trace?: Trace): Decision {
  const closed = closedBy(link, visit);
  trace?.({ what: "usable", holds: closed === undefined, ...(closed === undefined ? {} : { why: closed }) });
  if (closed !== undefined) return refuse(link, visit, rules, closed);
  if (link.password && !visit.unlocked) return { outcome: "refuse", code: "link_password_required" };
  if ((link.limited || link.confirm) && visit.verdict !== "human") {
    trace?.({ what: "human", holds: false, why: visit.reason });
    return visit.verdict === "prefetch"
      ? { outcome: "refuse", code: "link_not_prefetched" }
      : { outcome: "show" };
  }
  const chosen = choose(link, visit, rules, killed, trace);
  if (chosen === undefined || !chosen.target.permitted(rules)) {
    trace?.({ what: "allowed", holds: false, why: "the place is not on the allowlist" });
    return refuse(link, visit, rules, "link_blocked");
  }
  if (!leadsOn(chosen.target, link, visit)) {
    trace?.({ what: "leads on", holds: false, why: "the links lead in a circle" });
    return refuse(link, visit, rules, "link_blocked");
  }
  // A browser that prefetches would use the answer later, without the token of the tap.
  if (visit.verdict === "prefetch" && chosen.target.kind !== "web") {
    return { outcome: "refuse", code: "link_not_prefetched" };
  }
  if (link.confirm && !visit.unlocked) return { ...chosen, outcome: "ask" };
  return chosen;
}

function closedBy(link: Link, visit: Visit): Refusal | undefined {
  if (link.state !== "active") return `link_${link.state}`;
  if (visit.now < link.startsAt) return "link_not_started";
  if (visit.now >= link.expiresAt) return "link_expired";
  if (link.usedUp) return "link_used_up";
}

/** The link's own place for visits that it cannot serve, if it has one that is allowed; else the refusal. */
export function refuse(link: Link, visit: Visit, rules: Rules, code: Refusal): Decision {
  return link.expired !== undefined && code !== "link_deleted" && link.expired.permitted(rules) &&
      leadsOn(link.expired, link, visit)
    ? { outcome: "fallback", target: link.expired, code }
    : { outcome: "refuse", code };
}

type Chosen = Extract<Decision, { outcome: "go" }>;

function choose(
  link: Link,
  visit: Visit,
  rules: Rules,
  killed: boolean,
  trace: Trace | undefined,
): Chosen | undefined {
  if (!flagsOn(link, visit, rules, killed, trace)) return go(link.web ?? link.chat, "flag_off");
  let share: number | undefined, taken = 0;
  for (let i = 0; i < link.rules.length; i++) {
    const { tests, weight, target } = link.rules[i];
    const unmet = tests.find((test) => !holds(test, visit));
    if (unmet !== undefined) {
      trace?.({ what: `target ${i}`, holds: false, why: unmet.name });
      continue;
    }
    if (weight !== undefined) {
      share ??= shareOf(link.code, visit.user ?? visit.visitor ?? "");
      const begin = taken;
      taken += weight;
      if (share >= taken) {
        trace?.({
          what: `target ${i}`,
          holds: false,
          why: `share ${share} is not from ${begin} to ${taken}`,
        });
        continue;
      }
    }
    trace?.({ what: `target ${i}`, holds: true });
    return go(target, i);
  }
  return go(link.chat ?? link.web, "default");
}

/** A condition that throws is not met, so that one bad rule cannot break the link. */
function holds(test: { holds(visit: Visit): boolean }, visit: Visit): boolean {
  try {
    return test.holds(visit);
  } catch {
    return false;
  }
}

function go(target: Target | undefined, because: Because): Chosen | undefined {
  return target && { outcome: "go", target, because };
}

function flagsOn(link: Link, visit: Visit, rules: Rules, killed: boolean, trace: Trace | undefined): boolean {
  return flagOn(LINKS_FLAG, visit, rules, killed, trace) &&
    (link.flagKey === undefined || flagOn(link.flagKey, visit, rules, killed, trace));
}

function flagOn(key: string, visit: Visit, rules: Rules, killed: boolean, trace: Trace | undefined): boolean {
  // The visitor is only read where needed: most flags are on or off for everybody.
  const id = isSameForAll(rules, key) ? "" : visit.user ?? visit.visitor;
  const { value, reason } = evaluate(rules.flags, key, id, killed);
  rules.onFlag?.(key, reason);
  trace?.({ what: `flag ${key}`, holds: value, why: reason });
  return value;
}

/** Whether the decision needs a stable visitor id: for shares, and flags that are on for a part of the visitors. */
export function needsVisitor(link: Link, rules: Rules): boolean {
  return link.asksForVisitor || isSplit(rules, LINKS_FLAG) ||
    (link.flagKey !== undefined && isSplit(rules, link.flagKey));
}

/** Whether a flag is the same for every visitor. */
function isSameForAll({ flags }: Pick<Rules, "flags">, key: string): boolean {
  const flag = flags.get(key);
  return flag === undefined || !flag.on ||
    (flag.targets.size === 0 && flag.segments.length === 0 && flag.prerequisites.length === 0 &&
      !isSplit({ flags }, key));
}

function isSplit({ flags }: Pick<Rules, "flags">, key: string): boolean {
  const flag = flags.get(key);
  return flag !== undefined && flag.on && flag.threshold !== null && flag.threshold > 0 &&
    flag.threshold < 10_000;
}
