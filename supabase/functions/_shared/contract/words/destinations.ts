/**
 * States of destinations in words.
 *
 * @module
 */
import type { ShownDestinationState } from "../states.ts";

/** Whether a state is as it should be. */
export type Tone = "good" | "warn" | "bad";

/** What a state is called, and how good it is. */
export const DESTINATION_STATE_WORDS: Readonly<
  Record<ShownDestinationState, readonly [words: string, Tone]>
> = {
  active: ["active", "good"],
  paused: ["paused", "warn"],
  circuit_open: ["circuit open", "bad"],
};
