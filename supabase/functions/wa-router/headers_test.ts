import { assert, assertEquals } from "../../../tests/support/assert.ts";
import fc from "fast-check";
import { aLittleWrong } from "../../../tests/support/a_little_wrong.ts";
import { holds } from "../../../tests/support/property.ts";
import { headersToSet } from "../_shared/contract/http/destinations.ts";
import { MAX_HEADERS } from "../_shared/contract/http/limits.ts";
import { Problem } from "../_shared/http/problem.ts";
import { readHeaders } from "./headers.ts";
import "../../../tests/support/flushed.ts";

function isTaken(body: unknown): boolean {
  try {
    readHeaders(body);
    return true;
  } catch (error) {
    assert(error instanceof Problem && error.code === "invalid_request");
    return false;
  }
}

/** How many headers a body may have is in docs/openapi.yaml, but not in the check of the schema. */
const isDescribed = (body: unknown): boolean => {
  const { success, data } = headersToSet.safeParse(body);
  const count = Object.keys(data?.headers ?? {}).length;
  return success && count > 0 && count <= MAX_HEADERS;
};

const text = fc.oneof(fc.string(), fc.stringMatching(/^[!-~]{1,70}$/), fc.constantFrom("a b", " a", "ä", ""));

Deno.test("readHeaders(): accepts exactly the bodies that the contract describes", () => {
  const some = { headers: { authorization: "Bearer 4f1c2a", "X-Key": "a b", apikey: null } };
  holds(fc.property(aLittleWrong([some]), (body) => {
    assertEquals(isTaken(body), isDescribed(body), JSON.stringify(body));
  }));
  holds(fc.property(text, fc.oneof(text, fc.constant(null)), (name, value) => {
    const body = { headers: Object.fromEntries([[name, value]]) };
    assertEquals(isTaken(body), isDescribed(body), JSON.stringify(body));
  }));
  for (const length of [8192, 8193]) {
    const body = { headers: { a: "x".repeat(length) } };
    assertEquals([isTaken(body), isDescribed(body)], Array(2).fill(length === 8192));
  }
});

Deno.test("readHeaders(): refuses names that deliveries use themselves, and duplicate names", () => {
  for (const name of ["Host", "content-type", "webhook-id", "Connection", "__proto__"]) {
    assertEquals(isTaken({ headers: { [name]: "x" } }), false, name);
  }
  assertEquals(isTaken({ headers: { "X-Key": "a", "x-key": "b" } }), false);
});
