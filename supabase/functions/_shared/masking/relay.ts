/**
 * Where a text between a client and a worker goes: one decision, explained. Pure: facts in, decision out.
 *
 * The names are the domain's: the *owner* runs the business, a *sitter* works for it, the *client* is its
 * customer. Each of a thread's people has a *leg*: the person, and the number of ours through which the person
 * is reached. Rules, in order; the first that fits decides:
 *
 * | rule | decision |
 * |---|---|
 * | the sender is a number of ours (a saved masked number, another system) | held `loop` |
 * | the text is STOP, START, HELP or the like | held `keyword`: the provider answers, nobody is told |
 * | messaging is off for the organisation | held `off`: kept and listed, never relayed later |
 * | a group text, or a sender that is no phone number | owner inbox `group`, `short_code` |
 * | no live leg on this number, but one before | owner inbox `late`, with the old thread |
 * | no leg at all | owner inbox `front_desk` on the business's number, else `unknown_sender` |
 * | more than one live leg: client and sitter on one phone | owner inbox `both_sides` |
 * | the thread has ended | owner inbox `late` |
 * | the owner writes (in the app alone) | the client's leg; held `opted_out`, `no_client` |
 * | a sitter writes while texts of sitters are off | owner inbox `sitter_off` |
 * | a sitter writes who is no longer on the thread | owner inbox `not_assigned` |
 * | a sitter writes in a thread at the front desk | owner inbox `front_desk`: the owner is in between |
 * | a sitter writes outside of every window | held `no_active_window`, with the next one |
 * | a sitter's client does not want texts | held `opted_out` |
 * | a client writes, and the thread is the owner's (front desk, or no sitter on it) | owner inbox `front_desk`, `no_sitter` |
 * | a client writes, and no sitter's window is open | owner inbox `no_active_window` |
 * | detection blocks the text, and nobody forced it | blocked, with the types |
 * | a sitter writes | the client's leg |
 * | a client writes | the legs of all sitters whose window is open (a hand-over has two) |
 *
 * Failure policy: closed. Facts that fit no rule go to the owner inbox. A leg is returned only if it is live
 * and of the same thread as the sender's, so nobody hears a stranger whatever else the facts say.
 *
 * @module
 */
import type { Outcome } from "./poaching/judge.ts";
import type { ViolationType } from "./poaching/finding.ts";

export type Role = "client" | "sitter";
export type NumberClass = "front_desk" | "sitter" | "pool";

/** A person's side of a thread. */
export interface Leg {
  readonly id: string;
  readonly threadId: string;
  readonly contactId: string;
  readonly role: Role;
  /** Our number through which the person is reached; null for one who reads in the app alone. */
  readonly numberId: string | null;
  /** Whether the person told this number to stop. */
  readonly optedOut?: boolean;
}

/** An assignment window of a sitter on the thread, judged when the text was taken. */
export interface Window {
  readonly legId: string;
  readonly state: "active" | "upcoming" | "past";
  /** ISO instant at which it opens. */
  readonly from: string;
}

/** A thread with its live legs. */
export interface ThreadFacts {
  readonly id: string;
  readonly numberClass: NumberClass;
  readonly live: boolean;
  readonly legs: readonly Leg[];
  readonly windows: readonly Window[];
}

/** What is known when a text is taken. */
export interface RelayFacts {
  /** Flags of the organisation. */
  readonly on: { readonly core: boolean; readonly sitter: boolean };
  readonly kind: "text" | "keyword" | "group" | "short_code";
  /** Whether the sender is one of our own numbers. */
  readonly fromOurs: boolean;
  /** Class of the number that was written to; null for a text from the app. */
  readonly numberClass: NumberClass | null;
  /** Live legs of the sender on this number; from the app: the leg of the thread that is open, none for the owner. */
  readonly senderLegs: readonly Leg[];
  /** Thread of the sender's latest ended leg on this number, if no live one is left. */
  readonly pastThreadId: string | null;
  /** The thread of the only live leg, or the one that is open in the app; null if there is none. */
  readonly thread: ThreadFacts | null;
  /** Whether the owner wrote it, in the app. */
  readonly fromOwner: boolean;
  /** The verdict of detection; undefined if it did not run. */
  readonly verdict?: { readonly outcome: Outcome; readonly types: readonly ViolationType[] };
  /** Whether an owner let the text pass, with a reason. */
  readonly forced: boolean;
}

export type InboxReason =
  | "group"
  | "short_code"
  | "late"
  | "front_desk"
  | "unknown_sender"
  | "both_sides"
  | "sitter_off"
  | "not_assigned"
  | "no_sitter"
  | "no_active_window";
export type HeldReason = "loop" | "keyword" | "off" | "no_active_window" | "opted_out" | "no_client";

/** The decision. `threadId` is null where no thread is known. */
export type Relayed =
  | {
    readonly to: "leg";
    readonly threadId: string;
    readonly legs: readonly Leg[];
    readonly reason: "relayed" | "forced" | "owner";
  }
  | { readonly to: "owner_inbox"; readonly threadId: string | null; readonly reason: InboxReason }
  | {
    readonly to: "held";
    readonly threadId: string | null;
    readonly reason: HeldReason;
    readonly next?: string;
  }
  | {
    readonly to: "blocked";
    readonly threadId: string;
    readonly reason: "anti_poaching";
    readonly types: readonly ViolationType[];
  };

/** Decides about one text, by the rules above. */
export function relay(facts: RelayFacts): Relayed {
  const { on, kind, senderLegs, pastThreadId, thread, fromOwner } = facts;
  if (facts.fromOurs) return held("loop", null);
  if (kind === "keyword") return held("keyword", senderLegs.length === 1 ? senderLegs[0].threadId : null);
  if (!on.core) return held("off", null);
  if (kind === "group" || kind === "short_code") return inbox(kind, null);
  if (fromOwner) return ofOwner(thread);
  if (senderLegs.length === 0) {
    if (pastThreadId !== null) return inbox("late", pastThreadId);
    return inbox(facts.numberClass === "front_desk" ? "front_desk" : "unknown_sender", null);
  }
  if (senderLegs.length > 1) return inbox("both_sides", null);
  const [leg] = senderLegs;
  if (thread === null || thread.id !== leg.threadId || !thread.live) return inbox("late", leg.threadId);
  // A sitter who left keeps a number for late texts, and is no longer among the legs.
  if (!thread.legs.some(({ id, role }) => id === leg.id && role === leg.role)) {
    return inbox("not_assigned", thread.id);
  }
  return leg.role === "sitter" ? ofSitter(facts, thread, leg) : ofClient(facts, thread);
}

function ofOwner(thread: ThreadFacts | null): Relayed {
  const client = thread === null || !thread.live ? undefined : legsOf(thread, "client")[0];
  if (thread === null || client === undefined) return held("no_client", thread?.id ?? null);
  return client.optedOut
    ? held("opted_out", thread.id)
    : { to: "leg", threadId: thread.id, legs: [client], reason: "owner" };
}

function ofSitter(facts: RelayFacts, thread: ThreadFacts, leg: Leg): Relayed {
  if (!facts.on.sitter) return inbox("sitter_off", thread.id);
  if (thread.numberClass === "front_desk") return inbox("front_desk", thread.id);
  const windows = thread.windows.filter(({ legId }) => legId === leg.id);
  if (!windows.some(({ state }) => state === "active")) {
    const next = windows.filter(({ state }) => state === "upcoming").map(({ from }) => from).sort()[0];
    return { ...held("no_active_window", thread.id), ...(next === undefined ? {} : { next }) };
  }
  const client = legsOf(thread, "client")[0];
  if (client === undefined) return held("no_client", thread.id);
  if (client.optedOut) return held("opted_out", thread.id);
  return blockedOr(facts, thread, [client]);
}

function ofClient(facts: RelayFacts, thread: ThreadFacts): Relayed {
  if (thread.numberClass === "front_desk") return inbox("front_desk", thread.id);
  const sitters = legsOf(thread, "sitter");
  if (sitters.length === 0) return inbox("no_sitter", thread.id);
  const active = sitters.filter(({ id }) =>
    thread.windows.some(({ legId, state }) => legId === id && state === "active")
  );
  if (active.length === 0 || !facts.on.sitter) {
    return inbox(facts.on.sitter ? "no_active_window" : "sitter_off", thread.id);
  }
  const reached = active.filter(({ optedOut }) => !optedOut);
  return reached.length === 0 ? inbox("no_sitter", thread.id) : blockedOr(facts, thread, reached);
}

function blockedOr({ verdict, forced }: RelayFacts, thread: ThreadFacts, legs: readonly Leg[]): Relayed {
  if (verdict?.outcome === "block" && !forced) {
    return { to: "blocked", threadId: thread.id, reason: "anti_poaching", types: verdict.types };
  }
  return { to: "leg", threadId: thread.id, legs, reason: forced ? "forced" : "relayed" };
}

const legsOf = (thread: ThreadFacts, role: Role) =>
  thread.legs.filter((leg) => leg.role === role && leg.threadId === thread.id);
const held = (reason: HeldReason, threadId: string | null): Relayed & { to: "held" } => ({
  to: "held",
  threadId,
  reason,
});
const inbox = (reason: InboxReason, threadId: string | null): Relayed => ({
  to: "owner_inbox",
  threadId,
  reason,
});
