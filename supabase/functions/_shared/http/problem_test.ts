import { assertEquals, assertInstanceOf, assertMatch } from "../../../../tests/support/assert.ts";
import { Problem, type ProblemCode, type ProblemKind, problemResponse, PROBLEMS } from "./problem.ts";

const codes = Object.keys(PROBLEMS) as ProblemCode[];

Deno.test("PROBLEMS: codes are snake case, titles are sentences, statuses are errors", () => {
  for (const code of codes) {
    const { status, title } = PROBLEMS[code];
    assertMatch(code, /^[a-z]+(_[a-z]+)*$/);
    assertMatch(title, /^[A-Z].*\.$/);
    assertEquals(status >= 400 && status < 600, true, code);
  }
});

Deno.test("PROBLEMS: 401 has a challenge, 429 and 503 say when to retry (RFC 9110)", () => {
  for (const code of codes) {
    const { status, headers }: ProblemKind = PROBLEMS[code];
    if (status === 401) assertEquals(typeof headers?.["www-authenticate"], "string", code);
    if (status === 429 || status === 503) assertMatch(headers?.["retry-after"] ?? "", /^[1-9]\d*$/, code);
  }
});

Deno.test("problemResponse() answers problem+json with every member of the contract", async () => {
  const problem = new Problem("invalid_request", {
    detail: "`to` is missing.",
    headers: { "x-extra": "1" },
    extensions: { fields: ["to"], status: 200 },
  });
  const response = problemResponse(problem, "req-1");
  assertEquals(response.status, 422);
  assertEquals(response.headers.get("content-type"), "application/problem+json");
  assertEquals(response.headers.get("cache-control"), "no-store");
  assertEquals(response.headers.get("x-request-id"), "req-1");
  assertEquals(response.headers.get("x-extra"), "1");
  assertEquals(await response.json(), {
    fields: ["to"],
    type: "urn:gatelink:problem:invalid_request",
    title: "The request is invalid.",
    status: 422,
    code: "invalid_request",
    request_id: "req-1",
    detail: "`to` is missing.",
  });
});

Deno.test("problemResponse() does not reveal the cause", async () => {
  const problem = new Problem("database_unavailable", { cause: new Error("connect to 10.0.0.5 as admin") });
  assertInstanceOf(problem.cause, Error);
  const response = problemResponse(problem, "req-2");
  const text = await response.text();
  assertEquals(text.includes("10.0.0.5"), false);
  assertEquals("detail" in JSON.parse(text), false);
  assertEquals(response.headers.get("retry-after"), "5");
});

Deno.test("Problem: given headers override those of the code", () => {
  assertEquals(new Problem("overloaded", { headers: { "retry-after": "9" } }).headers["retry-after"], "9");
});
