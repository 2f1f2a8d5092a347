import { assertEquals } from "../../../../tests/support/assert.ts";
import { withoutPast } from "./schedule.ts";

Deno.test("withoutPast(): keeps future times, removes past ones, and leaves the rest unchanged", () => {
  const now = Date.parse("2026-12-01T08:00:00Z");
  const past = "2026-12-01T08:00:00+00:00", coming = "2026-12-01T08:00:01Z";
  const rest = { rollout_percentage: 10 };
  assertEquals(withoutPast({ ...rest, schedule: { on_at: past, off_at: coming } }, now), {
    ...rest,
    schedule: { off_at: coming },
  });
  assertEquals(withoutPast({ ...rest, schedule: { on_at: past } }, now), rest);
  assertEquals(withoutPast({ ...rest, schedule: { on_at: coming } }, now), {
    ...rest,
    schedule: { on_at: coming },
  });
  assertEquals(withoutPast(rest, now), rest);
});
