import { assertEquals } from "../../../tests/support/assert.ts";
import type { Context } from "../_shared/serve/serve.ts";
import { assertLinear } from "../../../tests/support/growth.ts";
import { createHandler, type LinkRoutes } from "./routes.ts";

/** Handles a GET of this path, and gives the code and the query of the visit. */
function seen(path: string): [code: string, query: string] {
  let seen: [string, string] = ["", ""];
  const handlers = {
    visit: ({ query }: { query: string }, code: string) => {
      seen = [code, query];
      return new Response();
    },
  } as unknown as LinkRoutes["handlers"];
  const gates = { viewer: () => "", operator: () => "" };
  createHandler({ handlers, gates })(new Request(`https://go.example.com/${path}`), {} as Context);
  return seen;
}

const visited = (path: string) => seen(path)[0];

Deno.test("a query that was encoded or appended to the code belongs to the visit, before its own", () => {
  assertEquals(seen("abc%3Fx=1"), ["abc", "x=1"]);
  assertEquals(seen("abc&amp;x=1&amp;y=2?z=3"), ["abc", "x=1&y=2&z=3"]);
  assertEquals(seen("abc?z=3"), ["abc", "z=3"]);
  assertEquals(seen("a.b&x=1"), ["a.b&x=1", ""], "this is no code");
});

Deno.test("a doubled slash, and markup with a slash after the code, lead to the link", () => {
  for (const path of ["/abc", "//abc/", "abc%3C/a%3E", "abc%22/%3E"]) {
    assertEquals(visited(path), "abc", path);
  }
});

Deno.test("a code loses the punctuation that a text appends, and an impossible code is unchanged", () => {
  const cases = [["AbC", "abc"], ["abc.", "abc"], ["abc).,", "abc"], ["abc!", "abc"], ["!!", "!!"], [
    "a.b!",
    "a.b!",
  ], ["!a", "!a"]];
  for (const [path, code] of cases) assertEquals(visited(path), code, path);
});

Deno.test("the root is the root with any number of slashes", async () => {
  const gates = { viewer: () => "", operator: () => "" };
  for (const path of ["", "/", "//"]) {
    let asked = 0;
    const root = () => Promise.resolve(new Response(String(++asked)));
    const handler = createHandler({ handlers: {} as LinkRoutes["handlers"], gates, root });
    await handler(new Request(`https://go.example.com/${path}`), {} as Context);
    assertEquals(asked, 1, path);
  }
});

Deno.test("a path of any length takes linear time", async () => {
  for (const part of ["!", "!a", "a!", ")", "%21"]) {
    await assertLinear(4000, (size) => visited(`${part.repeat(size)}a`));
  }
});
