import { assertEquals } from "../../../../tests/support/assert.ts";
import { environmentOf, slugOf } from "./environment.ts";
import { addressOf, ownPaths } from "./routes.ts";

const CASES: [url: string, environment: "blue" | "green"][] = [
  ["http://127.0.0.1:54321/health-green", "green"],
  ["http://127.0.0.1:54321/health-green/plain", "green"],
  ["http://127.0.0.1:54321/health-green?x=1", "green"],
  ["https://abc.supabase.co/functions/v1/health-green/detailed", "green"],
  ["https://abc.supabase.co/functions/v1/health/detailed", "blue"],
  ["http://127.0.0.1:54321/health", "blue"],
  ["http://127.0.0.1:54321/health-greener", "blue"],
  ["http://127.0.0.1:54321/health/health-green", "blue"],
  ["http://127.0.0.1:54321/health?a=/health-green", "blue"],
  ["http://health-green/", "blue"],
];

for (const [url, environment] of CASES) {
  Deno.test(`environmentOf(): ${url} -> ${environment}`, () => {
    assertEquals(environmentOf("health", url), environment);
  });
}

Deno.test("ownPaths(): an address below either slug is the same address of the function", () => {
  const own = ownPaths("health");
  for (const environment of ["blue", "green"] as const) {
    for (const prefix of ["", "/functions/v1"]) {
      const url = `http://localhost${prefix}/${slugOf("health", environment)}/plain?x`;
      assertEquals(addressOf(url, own), { path: "/plain", query: "x" });
    }
  }
  assertEquals(addressOf("http://localhost/health-greener", own).path, "/health-greener");
});
