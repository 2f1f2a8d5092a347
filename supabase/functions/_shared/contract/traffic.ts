/**
 * Names of the two environments' parts.
 *
 * @module
 */

/** The flag whose percentage is green's share. */
export const GREEN_FLAG = "green.enabled";
