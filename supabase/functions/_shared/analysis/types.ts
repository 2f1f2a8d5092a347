/**
 * What is found out about a mail.
 *
 * @module
 */

/** Moods. */
export const SENTIMENTS = ["positive", "neutral", "negative"] as const;
/** A mood. */
export type Sentiment = typeof SENTIMENTS[number];

/** Urgencies, the most urgent first. */
export const URGENCIES = ["critical", "high", "normal", "low"] as const;
/** An urgency. */
export type Urgency = typeof URGENCIES[number];

/** The mail that is analysed. */
export interface AnalysedMail {
  readonly subject: string;
  /** What is new in it; without quoted text, if that could be told. */
  readonly text: string;
  /** Type of the address that was written to (`domain.scope.type@`); undefined for none. */
  readonly type?: string;
  /** Whether headers say that no person wrote it. */
  readonly automatic: boolean;
  /** As intake judged it: `bounce`, `auto_reply` and others; null if that is not known. */
  readonly kind: string | null;
  /** Name and address of the sender, as headers say. */
  readonly sender: { readonly name: string | null; readonly address: string | null };
}

/** What rules and classifier say; null where it is not clear enough. */
export interface Judged {
  readonly sentiment: Sentiment | null;
  /** Probability of the mood, 0 to 1; null if no classifier was asked. */
  readonly confidence: number | null;
  readonly urgency: Urgency | null;
}

/** The more urgent one of two; null is the least. */
export function moreUrgent(one: Urgency | null, other: Urgency | null): Urgency | null {
  if (one === null || other === null) return one ?? other;
  return URGENCIES.indexOf(one) <= URGENCIES.indexOf(other) ? one : other;
}

/** Whether the first is more urgent than the second. */
export function isMoreUrgent(one: Urgency | null, than: Urgency): boolean {
  return one !== null && URGENCIES.indexOf(one) < URGENCIES.indexOf(than);
}

/**
 * How urgent a mail is by its address alone. Who reads the chat of an alert is called by each card, so nothing is above it.
 */
export function urgencyOfType(type: string | undefined): Urgency {
  if (type === "alert" || type === "incident") return "critical";
  return type === "security" ? "high" : "normal";
}
