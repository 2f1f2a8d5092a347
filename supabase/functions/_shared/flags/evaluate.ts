import { bucket, BUCKETS } from "./bucket.ts";

/** A row of the table `settings` as `load_config` gives it. */
export interface Setting {
  key: string;
  /** A flag is on when this is exactly `"true"`. */
  value: string;
  /** For flags: `rollout_percentage` (0 to 100, steps of 0.01), `target_user_ids` (strings), `salt`. */
  metadata: Readonly<Record<string, unknown>>;
  version: number;
}

/** A setting, read once into what evaluation needs. */
export interface Flag {
  on: boolean;
  targets: ReadonlySet<string>;
  /** How many of the buckets are on, 0 to 10000; null when the metadata cannot be understood. */
  threshold: number | null;
  salt: string;
}

/** The answer to "is this on for this id", with OpenFeature's names for the reason. */
export interface Evaluation {
  readonly value: boolean;
  readonly reason: "DISABLED" | "TARGETING_MATCH" | "STATIC" | "SPLIT" | "ERROR";
  /** With reason ERROR. */
  readonly errorCode?: "FLAG_NOT_FOUND" | "TARGETING_KEY_MISSING" | "PARSE_ERROR";
}

const DISABLED: Evaluation = { value: false, reason: "DISABLED" };
const TARGETING_MATCH: Evaluation = { value: true, reason: "TARGETING_MATCH" };
const STATIC_ON: Evaluation = { value: true, reason: "STATIC" };
const STATIC_OFF: Evaluation = { value: false, reason: "STATIC" };
const SPLIT_ON: Evaluation = { value: true, reason: "SPLIT" };
const SPLIT_OFF: Evaluation = { value: false, reason: "SPLIT" };
const NOT_FOUND: Evaluation = { value: false, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" };
const KEY_MISSING: Evaluation = { value: false, reason: "ERROR", errorCode: "TARGETING_KEY_MISSING" };
const UNREADABLE: Evaluation = { value: false, reason: "ERROR", errorCode: "PARSE_ERROR" };

/** Reads settings into flags, once for each load of the configuration. */
export function prepareFlags(settings: Iterable<Setting>): ReadonlyMap<string, Flag> {
  const flags = new Map<string, Flag>();
  for (const { key, value, metadata } of settings) {
    const { target_user_ids: targets, salt } = metadata;
    flags.set(key, {
      on: value === "true",
      targets: new Set(Array.isArray(targets) ? targets : []),
      threshold: threshold(metadata),
      salt: typeof salt === "string" ? salt : key,
    });
  }
  return flags;
}

/**
 * A flag that is "true" and says nothing else is on for everybody: whoever typed it meant on. With
 * `target_user_ids` present, be it empty, and no percentage it is on only for these: taking the last
 * tester off the list must not open the feature to everybody.
 */
function threshold({ rollout_percentage: percentage, target_user_ids: targets }: Setting["metadata"]) {
  if (percentage === undefined) return targets === undefined ? BUCKETS : 0;
  if (typeof percentage !== "number" || !(percentage >= 0 && percentage <= 100)) return null;
  return Math.round(percentage * 100);
}

/**
 * Whether a flag is on for an id, and why. Order: kill switch, off, target id, percentage. The same as
 * `private.evaluate_flag` in SQL, which knows no kill switch.
 *
 * Failure policy: closed. An unknown flag, metadata that cannot be understood, and a percentage strictly
 * between 0 and 100 with nobody to apply it to, are off, never a random draw.
 *
 * @param targetingId whom to decide for; empty is the same as missing
 * @param killed the feature's kill switch in the environment
 */
export function evaluate(
  flags: ReadonlyMap<string, Flag>,
  key: string,
  targetingId = "",
  killed = false,
): Evaluation {
  if (killed) return DISABLED;
  const flag = flags.get(key);
  if (flag === undefined) return NOT_FOUND;
  if (!flag.on) return DISABLED;
  if (targetingId !== "" && flag.targets.has(targetingId)) return TARGETING_MATCH;
  if (flag.threshold === null) return UNREADABLE;
  if (flag.threshold === BUCKETS) return STATIC_ON;
  if (flag.threshold === 0) return STATIC_OFF;
  if (targetingId === "") return KEY_MISSING;
  return bucket(flag.salt, targetingId) < flag.threshold ? SPLIT_ON : SPLIT_OFF;
}

/** Whether a flag is on for anybody at all; when not, there is no need to ask for each. */
export function onForAnybody(flags: ReadonlyMap<string, Flag>, key: string): boolean {
  const flag = flags.get(key);
  return flag?.on === true && flag.threshold !== null && (flag.threshold > 0 || flag.targets.size > 0);
}
