/**
 * Whom a flag is on for, as a figure and in words.
 *
 * @module
 */
import { counted } from "./sentences.ts";

/** The members of a flag that determine whom it is on for. */
export interface Audience {
  /** The flag is on when this is exactly `"true"`. */
  value: string;
  metadata: {
    rollout_percentage?: number;
    target_user_ids?: readonly string[];
    target_segments?: readonly string[];
  };
}

/** The flag's percentage, apart from its targets, when it is on: everybody if it has no targets. */
export function setShareOf(
  { rollout_percentage, target_user_ids, target_segments }: Audience["metadata"],
): number {
  return rollout_percentage ?? (target_user_ids === undefined && target_segments === undefined ? 100 : 0);
}

/** The percentage of people for whom it is on now, apart from its targets. */
export function shareOf({ value, metadata }: Audience): number {
  return value === "true" ? setShareOf(metadata) : 0;
}

/** Whom a flag is on for: `nobody`, `everybody`, or `5 %, 2 people, segment beta`. */
export function audience({ value, metadata }: Audience): string {
  if (value !== "true") return "nobody";
  const share = setShareOf(metadata);
  if (share === 100) return "everybody";
  const { target_user_ids: ids = [], target_segments: segments = [] } = metadata;
  return [
    ...(share > 0 ? [`${share} %`] : []),
    ...(ids.length > 0 ? [counted(ids.length, "person", "people")] : []),
    ...(segments.length > 0
      ? [`${segments.length === 1 ? "segment" : "segments"} ${segments.join(", ")}`]
      : []),
  ].join(", ") || "nobody";
}
