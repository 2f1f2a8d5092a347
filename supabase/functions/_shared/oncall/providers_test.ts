import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { hmacSha256 } from "../crypto/hmac.ts";
import { atlassianProved, createJsm, createOpsgenie, readAtlassian } from "./atlassian.ts";
import { createPagerDuty, pagerDutySigned, readPagerDuty } from "./pagerduty.ts";
import type { OnCallEvent } from "./provider.ts";

interface Sent {
  url: string;
  method: string;
  headers: Headers;
  body: unknown;
}

/** A `fetch` that answers with these in turn, and what it was called with. */
function answering(...answers: (Response | Error)[]) {
  const calls: Sent[] = [];
  return {
    calls,
    fetch(url: string, init: RequestInit) {
      const body = typeof init.body === "string" ? JSON.parse(init.body) : undefined;
      calls.push({ url, method: init.method ?? "GET", headers: new Headers(init.headers), body });
      const answer = answers.shift() ?? new Error("nothing more");
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
  };
}

const account = {
  url: "https://api.example.com",
  eventsUrl: "https://events.example.com",
  token: "key",
  routingKey: "route",
};
const event: OnCallEvent = {
  action: "trigger",
  key: "gatelink:abcdefghijklmnop",
  summary: "Disk is full",
  source: "shop.db.alert@example.org",
  severity: "critical",
};
const entry = (over: Record<string, unknown>) => ({
  escalation_policy: { id: "PESC1" },
  escalation_level: 1,
  schedule: { id: "PSCH1" },
  user: { id: "PANA", name: "Ana", email: "ana@example.com" },
  start: "2026-11-27T08:00:00Z",
  end: "2026-12-04T08:00:00Z",
  ...over,
});

Deno.test("PagerDuty: who is on call are those of the schedule, each once, until the first goes", async () => {
  const { fetch, calls } = answering(Response.json({
    oncalls: [
      entry({}),
      entry({ escalation_policy: { id: "PESC2" }, escalation_level: 3 }),
      entry({ user: { id: "PBEN", summary: "Ben" }, end: "2026-12-01T08:00:00Z" }),
      entry({ schedule: null, user: { id: "PZOE", name: "Zoe" }, end: null }),
      entry({ schedule: { id: "PSCH2" }, user: { id: "PYAN", name: "Yan" } }),
    ],
  }));
  assertEquals(await createPagerDuty(account, fetch).whoIsOnCall("PSCH1"), {
    ok: true,
    people: [
      { id: "PANA", name: "Ana", email: "ana@example.com" },
      { id: "PBEN", name: "Ben", email: null },
    ],
    endsAt: "2026-12-01T08:00:00.000Z",
  });
  const url = new URL(calls[0].url);
  assertEquals(url.searchParams.getAll("schedule_ids[]"), ["PSCH1"]);
  assertEquals(calls[0].headers.get("authorization"), "Token token=key");
  assertEquals(calls[0].headers.get("accept"), "application/vnd.pagerduty+json;version=2");
});

Deno.test("PagerDuty: of an escalation policy the first level counts", async () => {
  const { fetch, calls } = answering(Response.json({
    oncalls: [entry({ schedule: null }), entry({ escalation_level: 2, user: { id: "PBEN", name: "Ben" } })],
  }));
  const found = await createPagerDuty(account, fetch).whoIsOnCall("policy:PESC1");
  assertEquals(found.ok && found.people.map(({ id }) => id), ["PANA"]);
  assertEquals(new URL(calls[0].url).searchParams.getAll("escalation_policy_ids[]"), ["PESC1"]);
});

Deno.test("a gap is an answer: an empty list says that nobody is on call", async () => {
  const nobody = { ok: true, people: [], endsAt: null };
  const asked = (body: unknown) => answering(Response.json(body)).fetch;
  assertEquals(
    [
      await createPagerDuty(account, asked({ oncalls: [] })).whoIsOnCall("PSCH1"),
      await createOpsgenie(
        { url: "https://x.example.com", apiKey: "k" },
        asked({ data: { onCallRecipients: [] } }),
      ).whoIsOnCall("s"),
      await createJsm(
        { url: "https://x.example.com", cloudId: "c", email: "e@x.example", apiToken: "t" },
        asked({ onCallParticipants: [] }),
      )
        .whoIsOnCall("s"),
    ],
    [nobody, nobody, nobody],
  );
});

Deno.test("a lookup never throws, and an answer that is none is a fault, not a gap", async () => {
  const faults = [
    [new Error("broken"), "broken"],
    [new DOMException("late", "TimeoutError"), "timeout"],
    [Response.json({}, { status: 429 }), "status 429"],
    [new Response("<html>"), "answer_unreadable"],
    [Response.json({ oncalls: "none", data: {}, onCallParticipants: 1 }), "answer_unreadable"],
    [new Response(`{"oncalls": [${" ".repeat(70_000)}]}`), "answer_unreadable"],
  ] as const;
  for (const [answer, fault] of faults) {
    const { fetch } = answering(...[1, 2, 3].map(() => answer instanceof Response ? answer.clone() : answer));
    for (
      const provider of [
        createPagerDuty(account, fetch),
        createOpsgenie({ url: "https://x.example.com", apiKey: "k" }, fetch),
        createJsm({ url: "https://x.example.com", cloudId: "c", email: "e@x.example", apiToken: "t" }, fetch),
      ]
    ) assertEquals(await provider.whoIsOnCall("S"), { ok: false, fault }, provider.name);
  }
});

Deno.test("PagerDuty: events carry the same key, and only a trigger has content; 400 is final, 429 waits", async () => {
  const { fetch, calls } = answering(
    Response.json({}, { status: 202 }),
    Response.json({}, { status: 429, headers: { "ratelimit-reset": "12" } }),
    Response.json({}, { status: 400 }),
    new Error("broken"),
  );
  const pagerDuty = createPagerDuty(account, fetch);
  assertEquals(await pagerDuty.tell({ ...event, summary: "x".repeat(2000) }), { ok: true });
  assertEquals(await pagerDuty.tell({ ...event, action: "acknowledge" }), {
    ok: false,
    kind: "retry",
    fault: "status 429",
    retryAfterMs: 12_000,
  });
  assertEquals(await pagerDuty.tell({ ...event, action: "resolve" }), {
    ok: false,
    kind: "dead",
    fault: "status 400",
  });
  assertEquals(await pagerDuty.tell(event), { ok: false, kind: "retry", fault: "broken" });
  const bodies = calls.map(({ body }) => body as Record<string, unknown>);
  assertEquals(bodies.map(({ event_action, dedup_key }) => [event_action, dedup_key]), [
    ["trigger", event.key],
    ["acknowledge", event.key],
    ["resolve", event.key],
    ["trigger", event.key],
  ]);
  assertEquals(bodies[1].payload, undefined);
  assertEquals((bodies[0].payload as { summary: string }).summary.length, 1024);
});

Deno.test("Opsgenie: addresses of who is on call; alerts are changed by their alias", async () => {
  const { fetch, calls } = answering(
    Response.json({ data: { onCallRecipients: ["ana@example.com", "ben@example.com"] } }),
    ...[1, 2, 3].map(() => Response.json({}, { status: 202 })),
  );
  const opsgenie = createOpsgenie({ url: "https://x.example.com", apiKey: "k" }, fetch);
  const found = await opsgenie.whoIsOnCall("a b");
  assertEquals(found.ok && found.people.map(({ email }) => email), ["ana@example.com", "ben@example.com"]);
  for (const action of ["trigger", "acknowledge", "resolve"] as const) {
    assertEquals(await opsgenie.tell({ ...event, action }), { ok: true });
  }
  assertEquals(calls.map(({ url }) => url.slice("https://x.example.com".length)), [
    "/v2/schedules/a%20b/on-calls?flat=true",
    "/v2/alerts",
    "/v2/alerts/gatelink%3Aabcdefghijklmnop/acknowledge?identifierType=alias",
    "/v2/alerts/gatelink%3Aabcdefghijklmnop/close?identifierType=alias",
  ]);
  assertEquals(calls[0].headers.get("authorization"), "GenieKey k");
});

Deno.test("Jira Service Management: accounts of who is on call, also within teams; alerts are found by their alias", async () => {
  const user = (id: string) => ({ id, type: "user" });
  const { fetch, calls } = answering(
    Response.json({
      onCallParticipants: [user("5b01"), {
        id: "t",
        type: "team",
        onCallParticipants: [user("5b02"), user("5b01")],
      }],
    }),
    Response.json({ id: "alert 1" }),
    Response.json({}, { status: 202 }),
    Response.json({}, { status: 404 }),
  );
  const jsm = createJsm({
    url: "https://x.example.com/api",
    cloudId: "c",
    email: "é@x.example",
    apiToken: "t",
  }, fetch);
  const found = await jsm.whoIsOnCall("S");
  assertEquals(found.ok && found.people.map(({ id }) => id), ["5b01", "5b02"]);
  assertEquals(await jsm.tell({ ...event, action: "resolve" }), { ok: true });
  assertEquals(await jsm.tell({ ...event, action: "acknowledge" }), {
    ok: false,
    kind: "dead",
    fault: "status 404",
  });
  assertEquals(calls.map(({ url }) => url.slice("https://x.example.com/api".length)), [
    "/c/v1/schedules/S/on-calls",
    "/c/v1/alerts/alias?alias=gatelink%3Aabcdefghijklmnop",
    "/c/v1/alerts/alert%201/close",
    "/c/v1/alerts/alias?alias=gatelink%3Aabcdefghijklmnop",
  ]);
});

const bytes = new TextEncoder().encode('{"event": {}}');

Deno.test("pagerDutySigned(): one signature that fits is enough; other versions, secrets and bytes do not", () => {
  const good = `v1=${hmacSha256("secret", bytes)}`, bad = `v1=${"0".repeat(64)}`;
  const signed = (header: string | null, secrets = ["secret"]) => pagerDutySigned(bytes, header, secrets);
  assertEquals([good, `${bad},${good}`, `${good}, ${bad}`].map((header) => signed(header)), [
    true,
    true,
    true,
  ]);
  assertEquals(signed(good, ["new", "secret"]), true);
  assertEquals(
    [null, "", bad, `v0=${good.slice(3)}`, good.slice(3), good.toUpperCase()].map((header) => signed(header)),
    [
      false,
      false,
      false,
      false,
      false,
      false,
    ],
  );
  assertEquals(signed(good, []), false);
  assertEquals(pagerDutySigned(new Uint8Array([1]), good, ["secret"]), false);
});

Deno.test("atlassianProved(): the word, one of several; none is set is none", () => {
  assertEquals(atlassianProved("b", ["a", "b"]), true);
  assertEquals([atlassianProved(null, ["a"]), atlassianProved("", []), atlassianProved("c", ["a", "b"])], [
    false,
    false,
    false,
  ]);
});

Deno.test("readPagerDuty(): states of incidents with a key; everything else is nothing", () => {
  const body = (event_type: string, data: unknown = { incident_key: "gatelink:x" }) => ({
    event: { id: "E1", event_type, occurred_at: "2026-11-28T19:30:00.000Z", agent: { summary: "Ana" }, data },
  });
  const states = ["acknowledged", "unacknowledged", "reopened", "resolved", "triggered", "escalated"]
    .map((type) => readPagerDuty(body(`incident.${type}`))?.state);
  assertEquals(states, ["acknowledged", "open", "open", "resolved", undefined, undefined]);
  assertEquals(readPagerDuty(body("incident.resolved")), {
    id: "E1",
    key: "gatelink:x",
    state: "resolved",
    at: "2026-11-28T19:30:00.000Z",
    by: "Ana",
  });
  assertEquals(readPagerDuty(body("incident.resolved", {})), undefined);
});

Deno.test("readPagerDuty(), readAtlassian(): no body makes them throw", async () => {
  await holds(fc.property(fc.jsonValue(), (body) => {
    readPagerDuty(body);
    readAtlassian(body, 0);
    readPagerDuty({ event: body });
    readAtlassian({ action: "Close", alert: body }, 0);
  }));
});

Deno.test("readAtlassian(): actions on alerts with an alias, at the time of the change", () => {
  const body = (action: string, updatedAt?: number) => ({
    action,
    alert: { alertId: "A1", alias: "gatelink:x", username: "ana@example.com", updatedAt },
  });
  assertEquals(readAtlassian(body("Acknowledge", 1_764_358_200_000), 0), {
    id: "A1 Acknowledge 1764358200000",
    key: "gatelink:x",
    state: "acknowledged",
    at: "2025-11-28T19:30:00.000Z",
    by: "ana@example.com",
  });
  assertEquals(readAtlassian(body("Close", 1_764_358_200_000_000_000), 0)?.at, "2025-11-28T19:30:00.000Z");
  assertEquals(readAtlassian(body("UnAcknowledge"), 1_000)?.at, "1970-01-01T00:00:01.000Z");
  assertEquals(readAtlassian(body("AddNote"), 0), undefined);
});
