import { assertEquals, assertInstanceOf, assertRejects } from "../../../../tests/support/assert.ts";
import { Problem } from "../http/problem.ts";
import { createRpc, DbError, isRefusedAsTooOld } from "./client.ts";
import { forgetRefusal, isTooOld, SCHEMA_VERSION } from "./schema.ts";

type Answer = Response | Error | (() => Promise<Response>);

/** An rpc whose Data API gives these answers in turn, the last one for ever. */
function against(answers: Answer[], key = "sb_secret_x") {
  const calls: { url: string; init: RequestInit }[] = [];
  const rpc = createRpc({
    endpoint: () => ({ url: "http://api.test", key }),
    backoffMs: () => 0,
    fetch: (url, init) => {
      calls.push({ url, init });
      const answer = answers[Math.min(calls.length, answers.length) - 1];
      if (typeof answer === "function") return answer();
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer.clone());
    },
  });
  return { rpc, calls };
}

const failed = (status: number, code?: string, message = "no") =>
  Response.json({ code, message, details: "why" }, { status });

Deno.test("rpc() posts the arguments with the secret key and returns the result", async () => {
  const { rpc, calls } = against([Response.json({ outcomes: "sd" })]);
  assertEquals(await rpc("ingest_updates", { p_updates: [1, 2] }), { outcomes: "sd" });
  const [{ url, init }] = calls;
  assertEquals([url, init.method, init.body], [
    "http://api.test/rest/v1/rpc/ingest_updates",
    "POST",
    '{"p_updates":[1,2]}',
  ]);
  assertEquals(init.headers, {
    "content-type": "application/json",
    "content-profile": "public",
    "x-gatelink-schema": SCHEMA_VERSION,
    apikey: "sb_secret_x",
  });
});

Deno.test("rpc() also sends a legacy key as a bearer token", async () => {
  const { rpc, calls } = against([Response.json(1)], "eyJ.a.b");
  await rpc("remove_number", { p_id: "1" });
  assertEquals((calls[0].init.headers as Record<string, string>).authorization, "Bearer eyJ.a.b");
});

Deno.test("rpc() returns null for a function without a result", async () => {
  assertEquals(
    await against([new Response(null, { status: 204 })]).rpc("remove_number", { p_id: "1" }),
    null,
  );
  assertEquals(await against([new Response("null")]).rpc("remove_number", { p_id: "1" }), null);
});

const outages: [string, Answer][] = [
  ["network", new TypeError("error sending request: connection refused")],
  ["gateway without JSON", new Response("<html>Bad Gateway</html>", { status: 502 })],
  ["gateway's own JSON", failed(503)],
  ["a code that is no SQLSTATE", failed(500, "CONNECTION_CLOSED")],
  ["too many calls at the gateway", failed(429)],
  ["2xx that is not JSON", new Response("<html>", { status: 200 })],
  ["PostgREST without a connection", failed(503, "PGRST000")],
  ["PostgREST waits for the pool", failed(504, "PGRST003")],
  ["too many connections", failed(503, "53300")],
  ["disk full", failed(503, "53100")],
  ["shutting down", failed(503, "57P01")],
  ["starting up", failed(503, "57P03")],
  ["connection failure", failed(503, "08006")],
  ["statement cancelled for its time", failed(500, "57014")],
  ["standby after a failover", failed(405, "25006")],
];
for (const [label, answer] of outages) {
  Deno.test(`rpc() outage: ${label} -> database_unavailable, without a retry`, async () => {
    const { rpc, calls } = against([answer]);
    const problem = await assertRejects(() => rpc("remove_number", { p_id: "1" }), Problem);
    assertEquals([problem.code, problem.status, calls.length], ["database_unavailable", 503, 1]);
    assertInstanceOf(problem.cause, Error);
  });
}

const faults: [string, Response, string][] = [
  ["raised by the function", failed(400, "P0001"), "P0001"],
  ["unique violation", failed(409, "23505"), "23505"],
  ["bad text", failed(400, "22P02"), "22P02"],
  ["internal error of Postgres", failed(500, "XX000"), "XX000"],
  ["a missing operator within the function", failed(404, "42883"), "42883"],
  ["no permission", failed(403, "42501"), "42501"],
  ["key refused by the gateway", Response.json({ message: "Invalid API key" }, { status: 401 }), ""],
];
for (const [label, answer, code] of faults) {
  Deno.test(`rpc() fault: ${label} -> DbError ${code || "without code"}, without a retry`, async () => {
    const { rpc, calls } = against([answer]);
    const error = await assertRejects(() => rpc("watch", {}), DbError);
    assertEquals([error.code, error.fn, calls.length], [code, "watch", 1]);
  });
}

const missing = { code: "42883", message: "function public.watch(p_now => timestamptz) does not exist" };
for (const answer of [failed(404, "PGRST202"), Response.json(missing, { status: 404 })]) {
  Deno.test(`rpc() on a schema without the function -> schema_outdated, without a retry (${answer.status})`, async () => {
    const { rpc, calls } = against([answer]);
    const problem = await assertRejects(() => rpc("watch", {}), Problem);
    assertEquals([problem.code, calls.length], ["schema_outdated", 1]);
    assertInstanceOf(problem.cause, DbError);
  });
}

Deno.test("rpc() on a database too new for this code -> schema_too_new, without a retry, and remembered", async () => {
  const { rpc, calls } = against([failed(400, "GL503")]);
  assertEquals(isTooOld(), false);
  try {
    const problem = await assertRejects(() => rpc("watch", {}), Problem);
    assertEquals([problem.code, problem.status, calls.length], ["schema_too_new", 503, 1]);
    assertEquals([isRefusedAsTooOld(problem), isTooOld()], [true, true]);
    assertEquals(isTooOld(performance.now() + 5000), false, "somebody asks again");
  } finally {
    forgetRefusal();
  }
});

for (const code of ["40001", "40P01", "55P03"]) {
  Deno.test(`rpc() retries what Postgres rolled back (${code}), a few times`, async () => {
    const once = against([failed(500, code), failed(500, code), Response.json("done")]);
    assertEquals(await once.rpc("schema_version", {}), "done");
    assertEquals(once.calls.length, 3);
    const always = against([failed(500, code)]);
    const problem = await assertRejects(() => always.rpc("remove_number", { p_id: "1" }), Problem);
    assertEquals([problem.code, always.calls.length], ["database_unavailable", 4]);
  });
}

Deno.test("rpc() gives up if the answer takes too long, over a real connection", async () => {
  const { promise: answer, resolve } = Promise.withResolvers<Response>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => answer);
  const endpoint = () => ({ url: `http://127.0.0.1:${server.addr.port}`, key: "sb_secret_x" });
  const asked: number[] = [];
  const { timeout } = AbortSignal;
  AbortSignal.timeout = (ms) => (asked.push(ms), timeout.call(AbortSignal, ms));
  const problem = await assertRejects(() => createRpc({ endpoint })("watch", {}, { timeoutMs: 50 }), Problem)
    .finally(() => AbortSignal.timeout = timeout);
  assertEquals(problem.code, "database_unavailable");
  assertEquals([asked, (problem.cause as Error).name], [[50], "TimeoutError"]);
  resolve(new Response());
  await server.shutdown();
});
