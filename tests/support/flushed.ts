/**
 * For its effect: after each test what the code under test counted is sent, so that the timer which would send it later
 * does not outlive the test. Without a database it is sent nowhere.
 */
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { flushOutcomes } from "../../supabase/functions/_shared/rollouts/outcomes.ts";

Deno.test.afterEach(async () => {
  await flushCounts();
  await flushMeasurements();
  await flushOutcomes();
});
