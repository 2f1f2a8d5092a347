import { assertEquals } from "../../../tests/support/assert.ts";
import type { Context } from "../_shared/serve/serve.ts";
import { assertLinear } from "../../../tests/support/growth.ts";
import { createHandler, type LinkRoutes } from "./routes.ts";

/** Handles a GET of this path, and gives the code that a visit would be of. */
function visited(path: string): string {
  let seen = "";
  const handlers = {
    visit: (_: unknown, code: string) => {
      seen = code;
      return new Response();
    },
  } as unknown as LinkRoutes["handlers"];
  const gates = { viewer: () => "", operator: () => "" };
  createHandler({ handlers, gates })(new Request(`https://go.example.com/${path}`), {} as Context);
  return seen;
}

Deno.test("a code loses the punctuation that a text appends, and an impossible code is unchanged", () => {
  const cases = [["AbC", "abc"], ["abc.", "abc"], ["abc).,", "abc"], ["abc!", "abc"], ["!!", "!!"], [
    "a.b!",
    "a.b!",
  ], ["!a", "!a"]];
  for (const [path, code] of cases) assertEquals(visited(path), code, path);
});

Deno.test("a path of any length takes linear time", async () => {
  for (const part of ["!", "!a", "a!", ")", "%21"]) {
    await assertLinear(4000, (size) => visited(`${part.repeat(size)}a`));
  }
});
