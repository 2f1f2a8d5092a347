import { assertEquals } from "../../../../tests/support/assert.ts";
import type { Rpc } from "../db/client.ts";
import { createStatusPoster } from "./statuspage.ts";

const PAGE = { pageId: "page/1", apiKey: "key" };

interface Settled {
  outcome: string;
  status_page_id?: string;
  error?: string;
  retry_after_ms?: number;
}

/** Posts one update to an API that answers so; gives what was asked and what was settled. */
async function post(
  { attempt = 1, known = null as string | null, page = PAGE as typeof PAGE | null },
  ...answers: (Response | Error)[]
) {
  const asked: { method?: string; url: string; body: unknown; authorization: unknown }[] = [];
  let settled: Settled | undefined;
  const claims: unknown[] = [[{
    id: "u1",
    lease: "l1",
    attempt,
    incident: { id: "i1", title: "Replies come late", severity: "P1", status_page_id: known },
    update: { at: "2026-11-29T03:00:00Z", status: "identified", text: null },
    template: null,
  }], []];
  const rpc = ((name: string, args?: object) => {
    if (name === "claim_status_posts") return Promise.resolve(claims.shift());
    settled = (args as { p_results: Settled[] }).p_results[0];
    return Promise.resolve(1);
  }) as Rpc;
  await createStatusPoster({
    rpc,
    page: () => page ?? undefined,
    fetch(url, { method, headers, body }) {
      asked.push({
        method,
        url,
        body: body === undefined ? undefined : JSON.parse(String(body)),
        authorization: new Headers(headers).get("authorization"),
      });
      const answer = answers.shift()!;
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    random: () => 0.5,
    onSettled() {},
  })();
  return { asked, settled: settled! };
}

Deno.test("createStatusPoster(): creates the incident, then updates it", async () => {
  const body = {
    incident: {
      name: "Replies come late",
      status: "identified",
      body: "We have found the cause and are working on it. The next update follows within 60 minutes.",
      impact_override: "major",
      metadata: { gatelink: { incident: "i1" } },
    },
  };
  const first = await post({}, Response.json({ id: "p1" }, { status: 201 }));
  assertEquals(first.asked, [{
    method: "POST",
    url: "https://api.statuspage.io/v1/pages/page%2F1/incidents",
    body,
    authorization: "OAuth key",
  }]);
  assertEquals([first.settled.outcome, first.settled.status_page_id], ["delivered", "p1"]);
  const second = await post({ known: "p1" }, Response.json({ id: "p1" }));
  assertEquals(second.asked.map(({ method, url }) => [method, url.slice(-13)]), [["PATCH", "/incidents/p1"]]);
});

Deno.test("createStatusPoster(): after a lost answer it looks first, so that no incident is created twice", async () => {
  const there = Response.json([{ id: "p0" }, { id: "p1", metadata: { gatelink: { incident: "i1" } } }]);
  const found = await post({ attempt: 2 }, there, Response.json({ id: "p1" }));
  assertEquals(found.asked.map(({ method }) => method), ["GET", "PATCH"]);
  const missing = await post({ attempt: 2 }, Response.json([]), Response.json({ id: "p2" }));
  assertEquals(missing.asked.map(({ method }) => method), ["GET", "POST"]);
});

Deno.test("createStatusPoster(): retries failures, and gives up what is refused twice or too often", async () => {
  const cases: [number, Response | Error, string, string, number | undefined][] = [
    [1, new Error("reset"), "retry", "no_answer", 5000],
    [1, new Response(null, { status: 503 }), "retry", "status 503", 5000],
    [1, new Response(null, { status: 429, headers: { "retry-after": "60" } }), "retry", "status 429", 60_000],
    [1, new Response(null, { status: 401 }), "retry", "status 401", 5000],
    [1, Response.json({}), "retry", "answer_unreadable", 5000],
    [2, new Response(null, { status: 422 }), "dead", "status 422", undefined],
    [1, new Response(null, { status: 410 }), "dead", "status 410", undefined],
    [8, new Response(null, { status: 500 }), "dead", "status 500", undefined],
  ];
  for (const [attempt, answer, outcome, error, retryAfterMs] of cases) {
    const { settled } = await post({ attempt, known: "p1" }, answer);
    assertEquals([settled.outcome, settled.error, settled.retry_after_ms], [outcome, error, retryAfterMs]);
  }
});

Deno.test("createStatusPoster(): without a configured page it calls nobody and keeps nothing", async () => {
  const { asked, settled } = await post({ page: null });
  assertEquals([asked, settled.outcome], [[], "skipped"]);
});
