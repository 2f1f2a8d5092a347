import { assertEquals, assertMatch } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { limitOf, LIMITS, misreadLimits, SETTABLE_LIMITS } from "./limits.ts";

Deno.test("limitOf(): has the built-in rate, and a burst of its seconds of takes, at least one", () => {
  assertEquals(Object.values(LIMITS).map((kind) => limitOf(kind)), [
    { name: "send", perSecond: 80, burst: 160 },
    { name: "links", perSecond: 20, burst: 100 },
    { name: "link_visit", perSecond: 20, burst: 1200 },
    { name: "orphan", perSecond: 0.2, burst: 20 },
    { name: "link_claim", perSecond: 0.1, burst: 20 },
    { name: "link_password", perSecond: 1 / 60, burst: 20 },
    { name: "evaluations", perSecond: 20_000, burst: 20_000 },
    { name: "destination_test", perSecond: 0.5, burst: 10 },
    { name: "invitation", perSecond: 1 / 60, burst: 20 },
    { name: "thread_text", perSecond: 5, burst: 60 },
  ]);
  assertEquals(limitOf(LIMITS.send, "0.1"), { name: "send", perSecond: 0.1, burst: 1 });
  assertEquals(limitOf(LIMITS.manageLinks, "2.5"), { name: "links", perSecond: 2.5, burst: 13 });
});

Deno.test("limitOf() and misreadLimits(): a setting either applies or is reported, and then the built-in limit applies", () => {
  const values = fc.oneof(
    fc.constantFrom(
      "",
      " ",
      "0",
      "-0",
      "-1",
      "1e400",
      "NaN",
      "1,000",
      "10_000",
      "a lot",
      "0.0001",
      "10000",
      "10001",
    ),
    fc.double().map(String),
    fc.string(),
  );
  holds(fc.property(fc.constantFrom(...SETTABLE_LIMITS), values, (kind, value) => {
    const { perSecond } = limitOf(kind, value);
    const faults = misreadLimits([{ key: kind.setting.key, value }, { key: "other", value }]);
    const number = Number(value);
    if (number > 0 && number <= kind.setting.most) {
      assertEquals([perSecond, faults], [number, []]);
    } else {
      assertEquals([perSecond, faults.map(({ key }) => key)], [kind.perSecond, [kind.setting.key]]);
      assertMatch(
        faults[0].why,
        new RegExp(`at most ${kind.setting.most}; until then ${kind.perSecond} a second`),
      );
    }
  }));
  assertEquals(limitOf(LIMITS.claims, "5"), limitOf(LIMITS.claims), "nothing changes it");
});
