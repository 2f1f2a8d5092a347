import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { isToken, randomToken } from "./tokens.ts";

Deno.test("randomToken(): 16 characters of base32, unique and evenly distributed", () => {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  for (let i = 0; i < 20_000; i++) {
    const token = randomToken();
    assert(isToken(token), token);
    seen.add(token);
    for (const character of token) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  assertEquals(seen.size, 20_000);
  assertEquals(counts.size, 32);
  for (const [character, n] of counts) assert(Math.abs(n - 10_000) < 700, `${character}: ${n}`);
});
