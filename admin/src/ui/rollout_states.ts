import type { RolloutState } from "../data/rollouts.ts";
import type { Tone } from "./State.tsx";

/** Words for a state, and whether it is good. */
export const STATES: Record<RolloutState, [words: string, tone: Tone]> = {
  draft: ["planned", "plain"],
  running: ["running", "good"],
  paused: ["paused", "warn"],
  completed: ["completed", "info"],
  rolled_back: ["rolled back", "bad"],
};
