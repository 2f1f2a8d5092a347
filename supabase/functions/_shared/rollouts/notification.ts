/**
 * The body of a notification: a signed event for programs, a text for chats. Pure.
 *
 * @module
 */
import { adviceInWords, type EventFacts, eventInWords } from "../contract/words/rollouts.ts";
import type { SlackText, WebhookEvent } from "../delivery/deliver.ts";

/** What happened, as the table `notifications` keeps it. */
export interface Told extends EventFacts {
  /** ISO time. */
  at: string;
  event_id: string;
  rollout_id: string;
  flag: string;
  plan: string;
  state: string;
  stage: { position: number; name: string; percentage: number } | null;
  actor: string;
  reason: string | null;
}

/** The body for an endpoint of this kind. */
export function bodyOf(endpoint: "webhook" | "slack", told: Told): WebhookEvent | SlackText {
  const { kind, at, figures: _, ...facts } = told;
  const message = eventInWords(told);
  const what_to_do = adviceInWords(told);
  return endpoint === "slack"
    ? { text: escaped(`${facts.flag}: ${message}\n${what_to_do}`) }
    : { type: `rollout.${kind}`, timestamp: at, data: { ...facts, message, what_to_do } };
}

/** Slack takes these three for its own. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
