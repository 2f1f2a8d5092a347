/**
 * Atlassian's two: Opsgenie, which ends in April 2027, and its heir, the operations of Jira Service Management (also of
 * Compass). The same alerts with an alias; the heir names accounts instead of addresses.
 *
 * Sources: docs.opsgenie.com, "Who is On Call API", "Alert API"; developer.atlassian.com/cloud/jira/service-desk-ops,
 * "Schedule on-calls", "Alerts".
 *
 * @module
 */
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";
import { isObject, text as textOf } from "../json/json.ts";
import {
  ask,
  EVENT_MS,
  type EventOutcome,
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

const MESSAGE_UNITS = 130;
/** Depth to which people stand in teams, escalations and rotations. */
const DEPTH = 5;
const PRIORITIES: Readonly<Record<OnCallEvent["severity"], string>> = {
  critical: "P1",
  error: "P2",
  warning: "P3",
  info: "P5",
};

/** Opsgenie with a key of its API. Accounts in the EU have another `url`. */
export function createOpsgenie(
  { url, apiKey }: { url: string; apiKey: string },
  fetch: Fetch,
): OnCallProvider {
  const headers = { authorization: `GenieKey ${apiKey}`, "content-type": "application/json" };
  return {
    name: "opsgenie",

    async whoIsOnCall(scheduleId): Promise<Lookup> {
      const path = `/v2/schedules/${encodeURIComponent(scheduleId)}/on-calls?flat=true`;
      const answer = await ask(fetch, url + path, { headers }, LOOKUP_MS);
      if (!answer.ok) return answer;
      if (answer.status !== 200) return { ok: false, fault: `status ${answer.status}` };
      const data = isObject(answer.body) && isObject(answer.body.data) ? answer.body.data : {};
      const emails = listOf(data.onCallRecipients)?.filter((each) => typeof each === "string");
      if (emails === undefined) return { ok: false, fault: "answer_unreadable" };
      return { ok: true, people: emails.map((email) => ({ id: null, name: null, email })), endsAt: null };
    },

    async tell(event): Promise<EventOutcome> {
      const path = event.action === "trigger"
        ? "/v2/alerts"
        : `/v2/alerts/${encodeURIComponent(event.key)}/${
          event.action === "resolve" ? "close" : "acknowledge"
        }?identifierType=alias`;
      return eventOutcome(
        await ask(fetch, url + path, {
          method: "POST",
          headers,
          body: JSON.stringify(event.action === "trigger" ? alertOf(event) : { source: "Gatelink" }),
        }, EVENT_MS),
      );
    },
  };
}

/** Jira Service Management with an account's address and API token. */
export function createJsm(
  { url, cloudId, email, apiToken }: { url: string; cloudId: string; email: string; apiToken: string },
  fetch: Fetch,
): OnCallProvider {
  const base = `${url}/${encodeURIComponent(cloudId)}/v1`;
  const headers = {
    authorization: `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${email}:${apiToken}`)))}`,
    accept: "application/json",
    "content-type": "application/json",
  };
  return {
    name: "jsm",

    async whoIsOnCall(scheduleId): Promise<Lookup> {
      const path = `/schedules/${encodeURIComponent(scheduleId)}/on-calls`;
      const answer = await ask(fetch, base + path, { headers }, LOOKUP_MS);
      if (!answer.ok) return answer;
      if (answer.status !== 200) return { ok: false, fault: `status ${answer.status}` };
      const found = isObject(answer.body) ? listOf(answer.body.onCallParticipants) : undefined;
      if (found === undefined) return { ok: false, fault: "answer_unreadable" };
      const ids = new Set(usersIn(found, DEPTH));
      return {
        ok: true,
        people: [...ids].map((id): OnCallPerson => ({ id, name: null, email: null })),
        endsAt: null,
      };
    },

    async tell(event): Promise<EventOutcome> {
      if (event.action === "trigger") {
        return eventOutcome(
          await ask(
            fetch,
            `${base}/alerts`,
            { method: "POST", headers, body: JSON.stringify(alertOf(event)) },
            EVENT_MS,
          ),
        );
      }
      // Alerts are changed by their id, and found by their alias.
      const found = await ask(
        fetch,
        `${base}/alerts/alias?alias=${encodeURIComponent(event.key)}`,
        { headers },
        EVENT_MS,
      );
      const id = found.ok && found.status === 200 && isObject(found.body) ? textOf(found.body.id) : undefined;
      if (id === undefined) {
        const outcome = eventOutcome(found);
        return outcome.ok ? { ok: false, kind: "retry", fault: "answer_unreadable" } : outcome;
      }
      const path = `/alerts/${encodeURIComponent(id)}/${
        event.action === "resolve" ? "close" : "acknowledge"
      }`;
      return eventOutcome(await ask(fetch, base + path, { method: "POST", headers, body: "{}" }, EVENT_MS));
    },
  };
}

function alertOf({ key, summary, source, severity }: OnCallEvent) {
  return {
    message: within(summary, MESSAGE_UNITS),
    alias: key,
    source: within(source, 100),
    priority: PRIORITIES[severity],
  };
}

/** Ids of the users among participants, which may be teams or escalations with participants of their own. */
function usersIn(participants: readonly unknown[], depth: number): string[] {
  if (depth === 0) return [];
  return participants.filter(isObject).flatMap(({ id, type, onCallParticipants }) => {
    const own = type === "user" && typeof id === "string" ? [id] : [];
    return [...own, ...usersIn(listOf(onCallParticipants) ?? [], depth - 1)];
  });
}

/** The header with the word that both of them are set up to send along, for they sign nothing. */
export const ATLASSIAN_TOKEN = "x-gatelink-token";

/** Whether a webhook has one of the words. */
export function atlassianProved(header: string | null, secrets: readonly string[]): boolean {
  // Each is compared, so that the time does not tell which.
  return header !== null && secrets.filter((secret) => timingSafeEqual(secret, header)).length > 0;
}

const STATES: Readonly<Record<string, OnCallNews["state"]>> = {
  Acknowledge: "acknowledged",
  UnAcknowledge: "open",
  Close: "resolved",
};

/** What a webhook says; undefined for one that changes nothing here. The time is that of the alert's change, else of its coming. */
export function readAtlassian(body: unknown, now: number): OnCallNews | undefined {
  const alert = isObject(body) && isObject(body.alert) ? body.alert : undefined;
  if (!isObject(body) || alert === undefined) return undefined;
  const action = textOf(body.action) ?? "", key = textOf(alert.alias), id = textOf(alert.alertId);
  const state = STATES[action];
  if (state === undefined || key === undefined || id === undefined) return undefined;
  // Milliseconds, in one of the two nanoseconds.
  const changed = typeof alert.updatedAt === "number" ? alert.updatedAt : undefined;
  const ms = changed === undefined ? now : changed > 1e15 ? Math.floor(changed / 1e6) : changed;
  const at = new Date(ms > 0 && ms < 8e15 ? ms : now).toISOString();
  return { id: `${id} ${action} ${changed ?? at}`, key, state, at, by: textOf(alert.username) ?? null };
}
