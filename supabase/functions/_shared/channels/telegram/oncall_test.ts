import { assertEquals } from "../../../../../tests/support/assert.ts";
import { callParts, onCallParts, type OnCallShown, troubleInWords } from "./oncall.ts";
import { format } from "./text.ts";

const ana = { name: "Ana", telegram_id: 5100000001 }, ben = { name: "Ben", telegram_id: null };
const shown = (over: Partial<OnCallShown>) =>
  format(onCallParts({ outcome: "found", at: "2026-11-30T12:00:00.000Z", people: [ana], ...over }));

Deno.test("onCallParts(): who is linked is mentioned, the others are named", () => {
  assertEquals(shown({}), {
    text: "📟 On call: Ana",
    entities: [{ type: "text_mention", offset: 12, length: 3, user: { id: 5100000001 } }],
  });
  assertEquals(shown({ people: [ana, ben] }).text, "📟 On call: Ana, Ben (not linked)");
  assertEquals(shown({ outcome: "named", people: [ana, ben] }), {
    text: "📟 On call: Ana, Ben (not linked)",
    entities: [],
  });
  assertEquals(shown({ outcome: "stale" }).text, "📟 On call: Ana (as of 2026-11-30 12:00 UTC)");
  assertEquals(shown({ outcome: "empty", people: [] }).text, "📟 Nobody is on call.");
  assertEquals(shown({ outcome: "failed", people: [] }).text, "📟 Who is on call is not known.");
  assertEquals(shown({ people: Array(7).fill(ben) }).text.match(/ and 2 more$/)?.length, 1);
});

Deno.test("onCallParts(): a name cannot break the line, nor be empty", () => {
  assertEquals(shown({ people: [{ ...ana, name: "A\nb\u202e" }] }).text, "📟 On call: A b");
  assertEquals(shown({ people: [{ ...ana, name: "\u202e" }] }).text, "📟 On call: Somebody");
});

Deno.test("callParts(), troubleInWords()", () => {
  assertEquals(format(callParts([ana])).text, "📟 Ana: you are on call.");
  assertEquals(format(callParts([ana, ana])).text, "📟 Ana, Ana: you are on call together.");
  assertEquals(
    troubleInWords({ trouble: "gap", schedule: "infra" }).startsWith("📟 Nobody is on call for infra."),
    true,
  );
});
