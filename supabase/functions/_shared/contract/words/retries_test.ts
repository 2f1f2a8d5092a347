import { assertEquals } from "../../../../../tests/support/assert.ts";
import { SCHEDULE } from "../retries.ts";
import { scheduleInWords } from "./retries.ts";

Deno.test("scheduleInWords(): the number of attempts and the total time", () => {
  const cases: [readonly number[], string][] = [
    [SCHEDULE, "8 attempts over 28 hours"],
    [[1], "2 attempts over 1 second"],
    [[0], "2 attempts over 0 seconds"],
    [[5, 60], "3 attempts over 65 seconds"],
    [[60, 60], "3 attempts over 2 minutes"],
    [[3600], "2 attempts over 1 hour"],
    [[1800, 3600], "3 attempts over 90 minutes"],
    [[3600, 3600], "3 attempts over 2 hours"],
    [[86_400, 86_400], "3 attempts over 2 days"],
  ];
  for (const [waits, words] of cases) assertEquals(scheduleInWords(waits), words, waits.join());
});
