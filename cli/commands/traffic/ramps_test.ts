import { assertEquals } from "../../../tests/support/assert.ts";
import { rampFigures } from "./ramps.ts";

const ramp = (state: string, minutes?: number) => ({
  state,
  started_at: "2026-11-30T10:00:00Z",
  finished_at: minutes === undefined ? null : new Date(Date.UTC(2026, 10, 30, 10, minutes)).toISOString(),
});

Deno.test("rampFigures(): success and rollback rates of the ramps that are over", () => {
  assertEquals(rampFigures([]), {
    completed: 0,
    rolled_back: 0,
    success_rate: null,
    rollback_rate: null,
    median_minutes: null,
  });
  const figures = rampFigures([
    ramp("running"),
    ramp("completed", 100),
    ramp("completed", 330),
    ramp("completed", 120),
    ramp("rolled_back", 4),
    { state: "rolled_back", started_at: null, finished_at: null },
  ]);
  assertEquals(figures, {
    completed: 3,
    rolled_back: 1,
    success_rate: 0.75,
    rollback_rate: 0.25,
    median_minutes: 120,
  });
  assertEquals(rampFigures([ramp("completed", 100), ramp("completed", 121)]).median_minutes, 110.5);
});
