/**
 * States of rollouts in words.
 *
 * @module
 */
import type { RolloutState } from "../states.ts";

/** The name of a state. */
export const ROLLOUT_STATE_WORDS: Readonly<Record<RolloutState, string>> = {
  draft: "draft",
  running: "running",
  paused: "paused",
  completed: "completed",
  rolled_back: "rolled back",
};
