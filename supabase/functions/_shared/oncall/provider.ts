/**
 * What a provider of on-call schedules can do for us, whichever it is: PagerDuty, Opsgenie, Jira Service Management.
 *
 * @module
 */
import { readAnswer } from "../http/answers.ts";
import { withoutAnswer } from "../http/failures.ts";

/** The providers. A rota of our own needs none. */
export const ONCALL_PROVIDERS = ["pagerduty", "opsgenie", "jsm"] as const;
/** One of {@link ONCALL_PROVIDERS}. */
export type OnCallProviderName = typeof ONCALL_PROVIDERS[number];

/** Somebody who is on call, as the provider names the person: any of the three may be missing. */
export interface OnCallPerson {
  readonly id: string | null;
  readonly name: string | null;
  readonly email: string | null;
}

/** The answer to "who is on call". An empty list is an answer: nobody is. */
export type Lookup =
  | { readonly ok: true; readonly people: readonly OnCallPerson[]; readonly endsAt: string | null }
  | { readonly ok: false; readonly fault: string };

/** What happened to an incident. */
export interface OnCallEvent {
  readonly action: "trigger" | "acknowledge" | "resolve";
  /** Names the incident at the provider: the same for all its events, so that repeating one changes nothing. */
  readonly key: string;
  readonly summary: string;
  /** What it is about, such as the address of a mail. */
  readonly source: string;
  readonly severity: "critical" | "error" | "warning" | "info";
}

/** What became of an event. `dead`: the same again fails again. */
export type EventOutcome = { readonly ok: true } | {
  readonly ok: false;
  readonly kind: "retry" | "dead";
  readonly fault: string;
  readonly retryAfterMs?: number;
};

/** What a webhook says of an incident of ours. */
export interface OnCallNews {
  /** The provider's id of the event: it comes again, and in any order. */
  readonly id: string;
  readonly key: string;
  readonly state: "open" | "acknowledged" | "resolved";
  /** ISO time. */
  readonly at: string;
  /** Who did it, in the provider's words. */
  readonly by: string | null;
}

/** A provider with its credentials. */
export interface OnCallProvider {
  readonly name: OnCallProviderName;
  /** Who is on call for a schedule, within the time that a card can spare. Never throws. */
  whoIsOnCall(scheduleId: string): Promise<Lookup>;
  /** Tells of an incident. Never throws. */
  tell(event: OnCallEvent): Promise<EventOutcome>;
}

/** The `fetch` that providers are called with. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Longest time for a lookup, from connecting to the last byte, in milliseconds. */
export const LOOKUP_MS = 2_000;
/** The same for an event, for which nobody waits. */
export const EVENT_MS = 10_000;

/** The outcome of a call: the answer's status and JSON (undefined where it is none), or why there is none. */
export type Answered =
  | { readonly ok: true; readonly status: number; readonly headers: Headers; readonly body: unknown }
  | { readonly ok: false; readonly fault: string };

/** Calls a provider within a time; reads at most 64 KB. Redirects are not followed: they would carry the key along. Never throws. */
export async function ask(fetch: Fetch, url: string, init: RequestInit, withinMs: number): Promise<Answered> {
  try {
    const response = await fetch(url, {
      ...init,
      redirect: "manual",
      signal: AbortSignal.timeout(withinMs),
    });
    const { bytes, cut } = await readAnswer(response.body);
    return {
      ok: true,
      status: response.status,
      headers: response.headers,
      body: cut ? undefined : parsed(new TextDecoder().decode(bytes)),
    };
  } catch (error) {
    return { ok: false, fault: withoutAnswer(error) };
  }
}

/** A list, also an empty one: that nobody is on call is an answer, and no fault. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What became of an event, by the answer's status: 2xx took it; 429 and 5xx may take it later; the rest never will. */
export function eventOutcome(answer: Answered): EventOutcome {
  if (!answer.ok) return { ok: false, kind: "retry", fault: answer.fault };
  const { status, headers } = answer;
  if (status >= 200 && status < 300) return { ok: true };
  const fault = `status ${status}`;
  if (status === 429 || status === 408 || status >= 500) {
    const seconds = Number(headers.get("retry-after") ?? headers.get("ratelimit-reset") ?? NaN);
    return {
      ok: false,
      kind: "retry",
      fault,
      ...(seconds > 0 && seconds <= 3600 ? { retryAfterMs: seconds * 1000 } : {}),
    };
  }
  return { ok: false, kind: "dead", fault };
}

/** A text within a provider's limit, in UTF-16 units, never cut within a character. */
export function within(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).toWellFormed().replace(/\ufffd$/, "")}…`;
}
