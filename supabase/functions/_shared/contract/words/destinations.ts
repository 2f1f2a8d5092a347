/**
 * Texts for the states of destinations.
 *
 * @module
 */
import type { ShownDestinationState } from "../states.ts";

/** How good a state is. */
export type Tone = "good" | "warn" | "bad";

/** The name of a state, and how good it is. */
export const DESTINATION_STATE_WORDS: Readonly<
  Record<ShownDestinationState, readonly [words: string, Tone]>
> = {
  active: ["active", "good"],
  paused: ["paused", "warn"],
  circuit_open: ["circuit open", "bad"],
};
