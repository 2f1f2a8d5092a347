import { assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../tests/support/property.ts";
import { requireHost } from "./host.ts";
import { Problem } from "./problem.ts";

const of = (host: string) => ({ get: (name: string) => name === "host" ? host : null });

Deno.test("requireHost: accepts names and addresses with and without a port", () => {
  for (
    const host of [
      "localhost",
      "127.0.0.1:54321",
      "[::1]:8000",
      "ref.supabase.co",
      "xn--bcher-kva.example",
      "a_b.example:",
      "GO.Example.com:443",
    ]
  ) requireHost(of(host));
  requireHost({ get: () => null });
});

Deno.test("requireHost: refuses an invalid host each time", () => {
  for (
    const host of [
      ...["a b", "", "a%", "[::1", "a:99999", "a/../b", "x?y", "a@b", "a#b", "a\\b", "a\tb", "a,b", "xn--a"],
      ...["256.1.1.1", "[::1]x", "a:b", "<a>", "a".repeat(254), "ä.example", "a:1:2"],
    ]
  ) {
    for (let i = 0; i < 2; i++) {
      assertEquals(assertThrows(() => requireHost(of(host)), Problem, undefined, host).code, "invalid_host");
    }
  }
});

Deno.test("requireHost: with an accepted host the URL parses, and its path is unchanged", () => {
  holds(
    fc.property(fc.oneof(fc.string(), fc.domain(), fc.ipV6(), fc.string({ unit: "grapheme" })), (host) => {
      try {
        requireHost(of(host));
      } catch {
        return;
      }
      const { pathname, search, hash } = new URL(`http://${host}/a/b`);
      assertEquals([pathname, search, hash], ["/a/b", "", ""]);
    }),
  );
});
