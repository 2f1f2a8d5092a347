/** The flags that are measured: 100 of them with a percentage, each with 1,000 target ids. */
import type { Setting } from "../supabase/functions/_shared/flags/evaluate.ts";

export const FLAGS = 100;
export const TARGETS = 1000;

/** Their settings. */
export function flagSettings(): Setting[] {
  return Array.from({ length: FLAGS }, (_, i) => ({
    key: `feature_${i}.enabled`,
    value: "true",
    metadata: {
      // Marked for apps: the bench asks with a publishable key.
      client: true,
      rollout_percentage: (i * 37 % 9999 + 1) / 100,
      target_user_ids: Array.from({ length: TARGETS }, (_, n) => `target-${i}-${n}`),
    },
    version: 1,
  }));
}
