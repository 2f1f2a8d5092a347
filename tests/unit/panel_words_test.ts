/** How the panel words times, countries and changes of a flag. */
import fc from "fast-check";
import { assert, assertEquals } from "../support/assert.ts";
import { holds } from "../support/property.ts";
import { differences } from "../../admin/src/pages/flags/diff.ts";
import { countryName } from "../../admin/src/pages/links/form/countries.ts";
import { ago, inZone } from "../../admin/src/ui/times.ts";

Deno.test("ago: no relative time ends in a dot, which would double that of its sentence", () => {
  const now = Date.parse("2026-11-29T20:00:00Z");
  assertEquals(ago(new Date(now + 5 * 3_600_000), now), "in 5 hr");
  assertEquals(ago(new Date(now - 3 * 60_000), now), "3 min ago");
  holds(fc.property(fc.integer({ min: -28 * 86_400, max: 28 * 86_400 }), (seconds) => {
    assert(!ago(new Date(now + seconds * 1000), now).includes("."));
  }));
});

Deno.test("inZone: each instant of a sentence in the reader's zone, everything else as it is", () => {
  const said = (at: string) =>
    new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  assertEquals(inZone("retry at 2026-11-29T22:30:00Z"), `retry at ${said("2026-11-29T22:30:00Z")}`);
  assertEquals(
    inZone("sticky until 2026-11-29T22:30:00.123Z, then 2026-11-30T01:00:00+02:00."),
    `sticky until ${said("2026-11-29T22:30:00.123Z")}, then ${said("2026-11-29T23:00:00Z")}.`,
  );
  for (const text of ["2026-11-29", "order 2026-11-29T", "at 22:30", "2026-99-99T22:30:00Z", ""]) {
    assertEquals(inZone(text), text);
  }
  holds(fc.property(fc.string(), (text) => {
    if (!/\d{4}-\d\d-\d\dT/.test(text)) assertEquals(inZone(text), text);
  }));
});

Deno.test("countryName: a name for each code, and a word for one that no list knows", () => {
  assertEquals(countryName("DE"), "Germany");
  assertEquals(countryName("XX"), "Unknown");
  assertEquals(countryName("T1"), "Tor network");
  for (const code of ["QX", "9Z", "de-", "", "constructor"]) {
    assertEquals(countryName(code), `Unknown country (${code})`);
  }
  holds(fc.property(fc.string({ maxLength: 4 }), (code) => {
    assert(countryName(code) !== code && countryName(code) !== "undefined");
  }));
});

Deno.test("differences: a flag's change in words, without its stored form", () => {
  const before = { value: "false", metadata: { rollout_percentage: 5, target_user_ids: ["a", "b"] } };
  const after = {
    value: "true",
    metadata: {
      rollout_percentage: 10,
      target_user_ids: ["b", "c", "d"],
      prerequisites: ["a.enabled", "b.enabled"],
      schedule: { off_at: "2099-01-01T00:00:00Z" },
    },
  };
  assertEquals(differences(before, after), [
    { name: "state", from: "off", to: "on" },
    { name: "prerequisites", from: undefined, to: "a.enabled, b.enabled" },
    { name: "percentage", from: "5 %", to: "10 %" },
    { name: "schedule", from: undefined, to: `off ${inZone("2099-01-01T00:00:00Z")}` },
    { name: "people", from: "2 people", to: "3 people (2 added, 1 removed)" },
  ]);
  assertEquals(differences(after, after), []);
  assertEquals(differences(null, { value: "false", metadata: {} }), [
    { name: "state", from: undefined, to: "off" },
  ]);
});
