import { assertEquals } from "../../../tests/support/assert.ts";
import type { OutboundOutcome } from "../_shared/contract/answers/media.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Context } from "../_shared/serve/serve.ts";
import { createHandler, type GraphFrontDeps } from "./handler.ts";

const ID = "0190a1b2-0000-7000-8000-000000000001";
const QUEUED: OutboundOutcome = {
  state: "queued",
  error: null,
  provider_id: null,
  phone: "447700900123",
  bsuid: null,
};
const context = { requestId: "request-1", log: { warn: () => {} } } as unknown as Context;

/** Sends a text while the outcomes of its message come one after the other; the last one stays. */
async function sending(outcomes: OutboundOutcome[], deps: Partial<GraphFrontDeps> = {}) {
  let now = 0, asked = 0;
  const handler = createHandler({
    killed: () => false,
    requireKey: () => ({ name: "default" }),
    enqueue: () => Promise.resolve({ id: ID }),
    drain: () => Promise.resolve(),
    outcome: () => Promise.resolve(outcomes[Math.min(asked++, outcomes.length - 1)]),
    take: () => Promise.reject(new Error()),
    sendUpload: () => Promise.reject(new Error()),
    find: () => Promise.reject(new Error()),
    remove: () => Promise.reject(new Error()),
    waitUntil: () => {},
    count: () => {},
    countFailed: () => {},
    wait: (ms, signal) => {
      if (!signal) now += ms;
      return Promise.resolve();
    },
    now: () => now,
    ...deps,
  });
  const response = await handler(
    new Request("http://edge.test/wa-graph/v26.0/106/messages", {
      method: "POST",
      body: JSON.stringify({ messaging_product: "whatsapp", to: "+44 7700 900123", text: { body: "Hi" } }),
    }),
    context,
  );
  return { status: response.status, headers: response.headers, body: await response.json(), asked, now };
}

Deno.test("wa-graph: waits for Meta's id", async () => {
  const { status, body, asked } = await sending([QUEUED, QUEUED, {
    ...QUEUED,
    state: "sent",
    provider_id: "wamid.1",
  }]);
  assertEquals([status, asked], [200, 3]);
  assertEquals(body, {
    messaging_product: "whatsapp",
    contacts: [{ input: "+44 7700 900123", wa_id: "447700900123" }],
    messages: [{ id: "wamid.1" }],
  });
});

Deno.test("wa-graph: what Meta does not take in time is accepted under our id, for it stays queued", async () => {
  const { status, body, now } = await sending([QUEUED]);
  assertEquals([status, now >= 8_000 && now < 9_000], [200, true]);
  assertEquals(body.messages, [{ id: ID, message_status: "accepted" }]);
});

Deno.test("wa-graph: a refusal of Meta's is answered as Meta gave it", async () => {
  const error = {
    code: 131026,
    status: 400,
    message: "(#131026) Message undeliverable",
    details: "No WhatsApp",
  };
  const { status, body } = await sending([{ ...QUEUED, state: "failed", error }]);
  assertEquals([status, body.error], [400, {
    message: "(#131026) Message undeliverable",
    type: "OAuthException",
    code: 131026,
    error_data: { messaging_product: "whatsapp", details: "No WhatsApp" },
    fbtrace_id: "request-1",
  }]);
  const ours = await sending([{
    ...QUEUED,
    state: "failed",
    error: { code: "opted_out", message: "stopped" },
  }]);
  assertEquals([ours.status, ours.body.error.code], [400, 131050]);
});

Deno.test("wa-graph: problems become Meta's errors, with their wait", async () => {
  const cases: [Problem, number, number, string | null][] = [
    [new Problem("rate_limited", { headers: { "retry-after": "7" } }), 429, 130429, "7"],
    [new Problem("window_closed"), 400, 131047, null],
    [new Problem("database_unavailable"), 503, 131016, "5"],
    [new Problem("config_invalid"), 500, 131000, null],
    [new Problem("unauthorized"), 401, 190, null],
    [new Problem("suppressed"), 409, 100, null],
  ];
  for (const [problem, status, code, retryAfter] of cases) {
    const answer = await sending([QUEUED], { enqueue: () => Promise.reject(problem) });
    assertEquals(
      [answer.status, answer.body.error.code, answer.headers.get("retry-after")],
      [status, code, retryAfter],
      problem.code,
    );
  }
  const disabled = await sending([QUEUED], { killed: () => true });
  assertEquals([disabled.status, disabled.body.error.code], [503, 131016]);
});
