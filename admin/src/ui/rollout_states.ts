import { ROLLOUT_STATE_WORDS } from "../../../supabase/functions/_shared/contract/words/rollout_states.ts";
import type { RolloutState } from "../data/rollouts.ts";
import type { Tone } from "./State.tsx";

/** The label and the tone of each state. */
export const STATES: Record<RolloutState, [words: string, tone: Tone]> = {
  draft: [ROLLOUT_STATE_WORDS.draft, "plain"],
  running: [ROLLOUT_STATE_WORDS.running, "good"],
  paused: [ROLLOUT_STATE_WORDS.paused, "warn"],
  completed: [ROLLOUT_STATE_WORDS.completed, "info"],
  rolled_back: [ROLLOUT_STATE_WORDS.rolled_back, "bad"],
};
