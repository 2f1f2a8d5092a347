import { assertEquals } from "../../../../../tests/support/assert.ts";
import { counted, sentence } from "./sentences.ts";

Deno.test("counted(): singular for one, plural otherwise", () => {
  assertEquals([0, 1, 2].map((n) => counted(n, "host")), ["0 hosts", "1 host", "2 hosts"]);
  assertEquals([1, 2].map((n) => counted(n, "person", "people")), ["1 person", "2 people"]);
});

Deno.test("sentence(): begins with a capital letter and ends with one full stop", () => {
  const cases = [
    ["is not on the allowlist", "Is not on the allowlist."],
    ["Done.", "Done."],
    ["why?", "Why?"],
    ["and so on…", "And so on…"],
    ["éa", "Éa."],
  ];
  for (const [message, said] of cases) assertEquals(sentence(message), said);
});
