/**
 * For its side effect: after each test, the counts of the code under test are discarded, so that no timer
 * that would send them outlives the test.
 */
import { forgetEnv } from "../../supabase/functions/_shared/config/env.ts";
import { flushCounts } from "../../supabase/functions/_shared/db/counters.ts";
import { flushMeasurements } from "../../supabase/functions/_shared/db/measurements.ts";
import { flushOutcomes } from "../../supabase/functions/_shared/rollouts/outcomes.ts";

Deno.test.afterEach(forgetCounted);

/** Discards the counts of this process. A process without a database sends nothing. */
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
