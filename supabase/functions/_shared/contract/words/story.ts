/**
 * Sentences about the events of a message.
 *
 * @module
 */

import type { StoryEvent } from "../answers/messages.ts";
import { errorInWords } from "./provider_errors.ts";

/** The same in words. */
export interface StoryInWords {
  at: string;
  what: string;
  detail: string | null;
}

type Figures = StoryEvent["figures"];
/** The event, and the parts of its detail; undefined parts are left out. */
type Words = readonly [what: string, detail: (figures: Figures) => readonly (string | undefined)[]];

const sending = ({ attempt, fallback, due_at, error }: Figures) => [
  Number(attempt) > 0 ? `attempt ${attempt}` : undefined,
  fallback === true ? "as the template, because the window was closed" : undefined,
  given("due at ", due_at),
  error === null || error === undefined ? undefined : `Meta: ${errorInWords("whatsapp", String(error))}`,
];
const attempting = ({ destination, attempt, status, latency_ms, error }: Figures) => [
  given("", destination),
  given("attempt ", attempt),
  given("HTTP ", status),
  given("", latency_ms, " ms"),
  given("", error),
];
const waiting = ({ destination, state }: Figures) => [given("", destination), STATES[String(state)]];

const STATES: Readonly<Record<string, string>> = {
  paused: "which is paused",
  circuit_open: "which keeps failing",
};

/** Why a service's reply is not sent. */
const WHY_LEFT_OUT: Readonly<Record<string, string>> = {
  invalid: "the provider would refuse it",
  nobody: "the person has no reachable id",
  window_closed: "the window is closed",
  opted_out: "the person has opted out of such messages",
  template_not_sendable: "Meta does not send this template now",
  feature_off: "sending is off for the person",
  unknown_message: "it is about a message of another conversation",
};

const STORY: Readonly<Record<string, Words>> = {
  written: ["written", () => ["the time that Meta gave it"]],
  stored: ["stored", ({ type, seq }) => [`${type}`, `message ${seq} of all`]],
  imported: [
    "imported",
    ({ type }) => [`${type}`, "from before the number was connected, so routed to nobody"],
  ],
  decided: ["decided", ({ reason, route, destinations }) => [
    given("", reason),
    given("route ", route),
    Array.isArray(destinations) && destinations.length > 0 ? `to ${destinations.join(" and ")}` : undefined,
  ]],
  delivered: ["delivered", attempting],
  tried: ["will be retried", attempting],
  given_up: ["given up", attempting],
  left_out: ["reply not sent", ({ destination, reply, why }) => [
    given("of ", destination),
    given("reply ", reply),
    WHY_LEFT_OUT[String(why)] ?? given("", why),
  ]],
  delivery_waits: ["waits", waiting],
  delivering: ["is being delivered", waiting],
  queued: ["queued", ({ type, id }) => [`${type} ${id}`]],
  waits: ["waits", sending],
  sending: ["is being sent", sending],
  sent: ["sent", sending],
  failed: ["failed", sending],
  tried_once: ["not delivered", ({ error }) => [
    given("error ", error),
    "so it is sent a second time, and no more",
  ]],
};

function given(before: string, value: unknown, after = ""): string | undefined {
  return value === null || value === undefined ? undefined : `${before}${value}${after}`;
}

/** Each event in words. Unknown codes are shown unchanged. */
export function storyInWords(events: readonly StoryEvent[]): StoryInWords[] {
  return events.map(({ at, reply, what, figures }) => {
    const [words, detail] = what === "status"
      ? [`status ${figures.status}`, () => []]
      : STORY[what] ?? [what, () => []];
    const parts = detail(figures).filter((part) => part !== undefined);
    return {
      at,
      what: reply ? `reply ${words}` : words,
      detail: parts.length === 0 ? null : parts.join(", "),
    };
  });
}
