import { assertEquals, assertMatch, assertStringIncludes } from "../../../../tests/support/assert.ts";
import { Problem } from "../http/problem.ts";
import { type Context, type Handler, serve } from "./serve.ts";
import "../../../../tests/support/flushed.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function ask(
  handlers: Parameters<typeof serve>[1],
  init: RequestInit = {},
): Promise<{ response: Response; printed: string }> {
  const { error, warn } = console;
  let printed = "";
  console.error = console.warn = (line: string) => printed += line + "\n";
  try {
    const response = await serve("test-fn", handlers).fetch(new Request("http://localhost/test-fn", init));
    return { response, printed };
  } finally {
    Object.assign(console, { error, warn });
  }
}

const ok: Handler = () => new Response("fine");

Deno.test("serve: the request id is the caller's if valid, else a new one, and is in the answer", async () => {
  const cases: [string | undefined, boolean][] = [
    [undefined, false],
    ["01927f5e-1234-7890-8123-456789012345", true],
    ["trace:abc.def_1", true],
    ["short", false],
    ["x".repeat(200), false],
    ['"><script>alert(1)</script>', false],
  ];
  for (const [given, kept] of cases) {
    let seen = "";
    const { response } = await ask((_, context) => {
      seen = context.requestId;
      return new Response();
    }, { headers: given === undefined ? {} : { "x-request-id": given } });
    assertEquals(response.headers.get("x-request-id"), seen);
    if (kept) assertEquals(seen, given);
    else assertMatch(seen, UUID);
  }
});

Deno.test("serve: keeps a valid traceparent and no other", async () => {
  const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  for (
    const [given, expected] of [[good, good], ["00-0-0-01", undefined], [
      good.replace(/[^-]/g, "0"),
      undefined,
    ]]
  ) {
    let context: Context | undefined;
    await ask((_, c) => {
      context = c;
      return new Response();
    }, { headers: { traceparent: given! } });
    assertEquals(context?.traceparent, expected);
  }
});

Deno.test("serve: a Problem becomes its answer", async () => {
  const { response, printed } = await ask(() => {
    throw new Problem("not_found", { detail: "No such link." });
  });
  assertEquals(response.status, 404);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  assertEquals(body.code, "not_found");
  assertEquals(body.request_id, response.headers.get("x-request-id"));
  assertEquals(printed, "");
});

Deno.test("serve: refuses an invalid Host before anything reads an address", async () => {
  let isAsked = false;
  const handler = () => {
    isAsked = true;
    return new Response();
  };
  for (const host of ["a b", "a%", "x?y", "a/../b"]) {
    const { response } = await ask(handler, { headers: { host } });
    assertEquals([response.status, (await response.json()).code], [400, "invalid_host"], host);
  }
  assertEquals(isAsked, false);
});

Deno.test("serve: anything else thrown becomes internal_error; its stack is logged, never answered", async () => {
  const faults: Handler[] = [
    () => {
      throw new Error("password of admin is hunter2");
    },
    () => Promise.reject("a string"),
    () => undefined as unknown as Response,
  ];
  for (const fault of faults) {
    const { response, printed } = await ask(fault);
    assertEquals(response.status, 500);
    const text = await response.text();
    assertEquals(JSON.parse(text).code, "internal_error");
    assertEquals(/hunter2|serve_test|string/.test(text), false);
    const line = JSON.parse(printed);
    assertEquals([line.level, line.function], ["error", "test-fn"]);
    assertEquals(line.request_id, response.headers.get("x-request-id"));
  }
});

Deno.test("serve: the log of an internal error has the stack", async () => {
  const { printed } = await ask(() => {
    throw new Error("boom");
  });
  assertStringIncludes(JSON.parse(printed).error.stack, "serve_test.ts");
});

Deno.test("serve: an outage is logged with its cause, which is not answered", async () => {
  const { response, printed } = await ask(() => {
    throw new Problem("database_unavailable", { cause: new Error("ECONNREFUSED") });
  });
  assertEquals(response.status, 503);
  assertEquals(response.headers.get("retry-after"), "5");
  assertEquals((await response.text()).includes("ECONN"), false);
  assertStringIncludes(printed, "ECONNREFUSED");
});

Deno.test("serve: another method gets 405 and Allow", async () => {
  const { response } = await ask({ GET: ok, POST: ok }, { method: "DELETE" });
  assertEquals(response.status, 405);
  assertEquals(response.headers.get("allow"), "GET, HEAD, POST");
  assertEquals((await response.json()).code, "method_not_allowed");
});

Deno.test("serve: HEAD is GET without a body, for answers and refusals", async () => {
  const { response } = await ask({
    GET: () => new Response("hello", { status: 203, headers: { "x-a": "1" } }),
  }, {
    method: "HEAD",
  });
  assertEquals([response.status, response.headers.get("x-a"), await response.text()], [203, "1", ""]);
  const refused = await ask({
    GET: () => {
      throw new Problem("not_found");
    },
  }, { method: "HEAD" });
  assertEquals([refused.response.status, await refused.response.text()], [404, ""]);
});

Deno.test("serve: an answer with immutable headers gets the request id too", async () => {
  const { response } = await ask(() => Response.redirect("https://example.com/", 302));
  assertEquals(response.status, 302);
  assertEquals(response.headers.get("location"), "https://example.com/");
  assertMatch(response.headers.get("x-request-id") ?? "", UUID);
});

Deno.test("serve: one handler answers every method", async () => {
  for (const method of ["GET", "POST", "DELETE"]) {
    assertEquals((await ask((request) => new Response(request.method), { method })).response.status, 200);
  }
});
