/**
 * For its effect: after each test what the code under test counted is sent nowhere, so that the timer which would send it
 * later does not outlive the test.
 */
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { flushOutcomes } from "../../supabase/functions/_shared/rollouts/outcomes.ts";

Deno.test.afterEach(forgetCounted);

/** Forgets what was counted in this process. A process that knows no database has nobody to tell. */
export async function forgetCounted(): Promise<void> {
  const url = Deno.env.get("SUPABASE_URL");
  Deno.env.delete("SUPABASE_URL");
  forgetEnv();
  await flushCounts();
  await flushMeasurements();
  await flushOutcomes();
  if (url !== undefined) Deno.env.set("SUPABASE_URL", url);
  forgetEnv();
}
