/**
 * Sentences about why a flag is on or off for somebody.
 *
 * @module
 */
import type { CheckedFlag } from "../answers/flag_check.ts";

const listed = (names: readonly string[]) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** Why, in one sentence. */
export function checkInWords(checked: CheckedFlag): string {
  const { on, is_on, missing, place, percentage, segments, reason, error_code } = checked;
  if (!is_on) return "The flag is off for everybody.";
  if (missing.length > 0) {
    return `It needs ${listed(missing)}, which ${
      missing.length === 1 ? "is" : "are"
    } not on for this person.`;
  }
  if (error_code !== null) return `It cannot be decided: ${error_code.toLowerCase().replaceAll("_", " ")}.`;
  if (checked.listed) return "This person is a target.";
  if (segments.length > 0) return `This person is in the segment ${listed(segments)}.`;
  if (percentage === 100) return "The flag is on for everybody.";
  if (percentage === 0) return "The flag is on for its targets only, and this person is none of them.";
  if (reason !== "SPLIT") return on ? "The flag is on." : "The flag is off for this person.";
  return on
    ? `The flag is on for ${percentage} % of all people, and this person is among them (from ${place} % on).`
    : `The flag is on for ${percentage} % of all people. This person is among them from ${place} % on.`;
}
