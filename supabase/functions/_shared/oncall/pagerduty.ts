/**
 * PagerDuty: who is on call (REST API), incidents (Events API v2), and its signed webhooks (v3).
 *
 * Sources: developer.pagerduty.com, "List all of the on-calls", "Send an event" (Events API v2), "Webhooks v3: verifying
 * signatures".
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";
import { isObject, text as textOf } from "../json/json.ts";
import {
  ask,
  EVENT_MS,
  eventOutcome,
  type Fetch,
  listOf,
  type Lookup,
  LOOKUP_MS,
  type OnCallEvent,
  type OnCallNews,
  type OnCallPerson,
  type OnCallProvider,
  within,
} from "./provider.ts";

/** An account. */
export interface PagerDutyAccount {
  /** Base URL of the REST API; accounts in the EU have another one. */
  readonly url: string;
  /** Base URL of the Events API. */
  readonly eventsUrl: string;
  /** Key of the REST API: `PD_TOKEN`. */
  readonly token: string | undefined;
  /** Integration key of a service: `PD_ROUTING_KEY`. */
  readonly routingKey: string | undefined;
}

/** A schedule's id may also be that of an escalation policy, written so. */
const POLICY = "policy:";
const SUMMARY_UNITS = 1024;
const KEY_UNITS = 255;

/** PagerDuty with an account. */
export function createPagerDuty(account: PagerDutyAccount, fetch: Fetch): OnCallProvider {
  return {
    name: "pagerduty",

    async whoIsOnCall(scheduleId): Promise<Lookup> {
      if (account.token === undefined) return { ok: false, fault: "PD_TOKEN is not set" };
      const isPolicy = scheduleId.startsWith(POLICY);
      const id = isPolicy ? scheduleId.slice(POLICY.length) : scheduleId;
      const query = new URLSearchParams({
        [isPolicy ? "escalation_policy_ids[]" : "schedule_ids[]"]: id,
        earliest: "true",
        "include[]": "users",
        limit: "100",
      });
      const answer = await ask(fetch, `${account.url}/oncalls?${query}`, {
        headers: {
          authorization: `Token token=${account.token}`,
          accept: "application/vnd.pagerduty+json;version=2",
        },
      }, LOOKUP_MS);
      if (!answer.ok) return answer;
      if (answer.status !== 200) return { ok: false, fault: `status ${answer.status}` };
      const oncalls = isObject(answer.body) ? listOf(answer.body.oncalls)?.filter(isObject) : undefined;
      if (oncalls === undefined) return { ok: false, fault: "answer_unreadable" };
      const mine = oncalls.filter(({ schedule, escalation_policy, escalation_level }) =>
        isPolicy
          ? idOf(escalation_policy) === id && escalation_level === 1
          // A schedule may be part of several policies, at any level.
          : idOf(schedule) === id
      );
      const people = new Map<string, OnCallPerson>();
      for (const { user } of mine) {
        if (!isObject(user)) continue;
        const name = textOf(user.name) ?? textOf(user.summary) ?? null;
        people.set(idOf(user) ?? "", { id: idOf(user) ?? null, name, email: textOf(user.email) ?? null });
      }
      const ends = mine.flatMap(({ end }) => timeOf(end) ?? []).sort();
      return { ok: true, people: [...people.values()], endsAt: ends[0] ?? null };
    },

    async tell(event) {
      if (account.routingKey === undefined) {
        return { ok: false, kind: "dead", fault: "PD_ROUTING_KEY is not set" };
      }
      return await enqueue(account.eventsUrl, account.routingKey, event, fetch);
    },
  };
}

/** Sends an event of an incident with the integration key of a service. 202 took it; 400 never will. Never throws. */
export async function enqueue(eventsUrl: string, routingKey: string, event: OnCallEvent, fetch: Fetch) {
  return eventOutcome(
    await ask(fetch, `${eventsUrl}/v2/enqueue`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(enqueued(routingKey, event)),
    }, EVENT_MS),
  );
}

/** The body of an event. */
export function enqueued(routingKey: string, { action, key, summary, source, severity }: OnCallEvent) {
  return {
    routing_key: routingKey,
    event_action: action,
    dedup_key: key.slice(0, KEY_UNITS),
    ...(action === "trigger"
      ? { payload: { summary: within(summary, SUMMARY_UNITS), source: within(source, 255), severity } }
      : {}),
  };
}

/** The header with the signatures of a webhook. */
export const PAGERDUTY_SIGNATURE = "x-pagerduty-signature";
/** Signatures that are looked at: while a secret is rotated there are two. */
const MOST_SIGNATURES = 10;

/**
 * Whether one of the signatures in `header` (`v1=<hex>`, separated by commas) is that of `bytes` by one of `secrets`. Each is
 * compared with each, so that the time tells nothing. Signatures of versions that are not known are none.
 */
export function pagerDutySigned(
  bytes: Uint8Array,
  header: string | null,
  secrets: readonly string[],
): boolean {
  const given = (header ?? "").split(",", MOST_SIGNATURES).map((one) => one.trim());
  let valid = false;
  for (const secret of secrets) {
    const expected = `v1=${hmacSha256(secret, bytes)}`;
    for (const one of given) if (timingSafeEqual(expected, one)) valid = true;
  }
  return valid;
}

const STATES: Readonly<Record<string, OnCallNews["state"]>> = {
  "incident.acknowledged": "acknowledged",
  "incident.unacknowledged": "open",
  "incident.reopened": "open",
  "incident.resolved": "resolved",
};

/** What a webhook says; undefined for one that changes nothing here: other kinds of events, incidents without a key. */
export function readPagerDuty(body: unknown): OnCallNews | undefined {
  const event = isObject(body) && isObject(body.event) ? body.event : undefined;
  const data = event !== undefined && isObject(event.data) ? event.data : undefined;
  if (event === undefined || data === undefined) return undefined;
  const id = textOf(event.id), key = textOf(data.incident_key), at = timeOf(event.occurred_at);
  const state = STATES[textOf(event.event_type) ?? ""];
  if (id === undefined || key === undefined || at === undefined || state === undefined) return undefined;
  return { id, key, state, at, by: isObject(event.agent) ? textOf(event.agent.summary) ?? null : null };
}

function idOf(value: unknown): string | undefined {
  return isObject(value) ? textOf(value.id) : undefined;
}

function timeOf(value: unknown): string | undefined {
  const at = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
