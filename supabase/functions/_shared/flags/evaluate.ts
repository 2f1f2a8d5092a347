import { bucket, BUCKETS, prepareSalt, type Salt } from "./bucket.ts";
import { subjectId } from "./subject.ts";

/** A row of the table `settings` as `load_config` returns it. */
export interface Setting {
  key: string;
  /** A flag is on when this is exactly `"true"`. */
  value: string;
  /**
   * For flags: `rollout_percentage` (0 to 100, steps of 0.01), `target_user_ids`, `target_segments` and `prerequisites`
   * (strings), `salt`.
   */
  metadata: Readonly<Record<string, unknown>>;
  version: number;
}

/** Segments as `load_config` returns them: the members' ids by the segment's key. */
export type Segments = Readonly<Record<string, readonly string[]>>;

/** A setting, parsed once for evaluation. */
export interface Flag {
  readonly key: string;
  readonly on: boolean;
  readonly targets: ReadonlySet<string>;
  /** Members of the segments that the flag targets. */
  readonly segments: readonly ReadonlySet<string>[];
  /** All flags that must be on for the same id: direct and indirect prerequisites, each once. */
  readonly prerequisites: readonly Flag[];
  /** Length of the longest chain of prerequisites. */
  readonly depth: number;
  /** Number of buckets that are on, 0 to 10000; null if the metadata is invalid. */
  readonly threshold: number | null;
  readonly salt: Salt;
}

/** The answer to "is this on for this id", with OpenFeature's names for the reason. */
export type Evaluation =
  | {
    readonly value: boolean;
    readonly reason: "DISABLED" | "TARGETING_MATCH" | "STATIC" | "SPLIT";
    readonly errorCode?: undefined;
  }
  | {
    readonly value: false;
    readonly reason: "ERROR";
    readonly errorCode: "FLAG_NOT_FOUND" | "TARGETING_KEY_MISSING" | "PARSE_ERROR";
  };

const DISABLED: Evaluation = { value: false, reason: "DISABLED" };
const TARGETING_MATCH: Evaluation = { value: true, reason: "TARGETING_MATCH" };
const STATIC_ON: Evaluation = { value: true, reason: "STATIC" };
const STATIC_OFF: Evaluation = { value: false, reason: "STATIC" };
const SPLIT_ON: Evaluation = { value: true, reason: "SPLIT" };
const SPLIT_OFF: Evaluation = { value: false, reason: "SPLIT" };
const NOT_FOUND: Evaluation = { value: false, reason: "ERROR", errorCode: "FLAG_NOT_FOUND" };
const KEY_MISSING: Evaluation = { value: false, reason: "ERROR", errorCode: "TARGETING_KEY_MISSING" };
const UNREADABLE: Evaluation = { value: false, reason: "ERROR", errorCode: "PARSE_ERROR" };

/** Stands for a prerequisite that is missing or circular. */
const NEVER: Flag = {
  key: "",
  on: false,
  targets: new Set(),
  segments: [],
  prerequisites: [],
  depth: 0,
  threshold: 0,
  salt: prepareSalt(""),
};

/**
 * Longest chain of prerequisites. A flag with a longer one is off, because nobody can tell what it depends
 * on.
 */
const MAX_DEPTH = 8;

/** Parses settings into flags, once per load of the configuration. */
export function prepareFlags(
  settings: Iterable<Setting>,
  segments: Segments = {},
): ReadonlyMap<string, Flag> {
  const byKey = new Map<string, Setting>();
  for (const setting of settings) byKey.set(setting.key, setting);
  const members = new Map(
    Object.entries(segments).map(([key, ids]) => [key, new Set(ids.map(subjectId))]),
  );
  const flags = new Map<string, Flag>();
  /** Flags being parsed: one of them as a prerequisite is circular. */
  const asked = new Set<string>();

  function prepare(key: string): Flag {
    const known = flags.get(key);
    if (known !== undefined) return known;
    const setting = byKey.get(key);
    if (setting === undefined || asked.has(key)) return NEVER;
    asked.add(key);
    const { metadata } = setting;
    const named = strings(metadata.prerequisites).map(prepare);
    const depth = named.reduce((deepest, flag) => Math.max(deepest, 1 + flag.depth), 0);
    const flag: Flag = {
      key,
      on: setting.value === "true",
      targets: new Set(strings(metadata.target_user_ids).map(subjectId)),
      segments: strings(metadata.target_segments).flatMap((segment) => members.get(segment) ?? []),
      prerequisites: depth > MAX_DEPTH
        ? [NEVER]
        : [...new Set(named.flatMap((flag) => [flag, ...flag.prerequisites]))],
      depth,
      threshold: threshold(metadata),
      salt: prepareSalt(typeof metadata.salt === "string" ? metadata.salt : key),
    };
    asked.delete(key);
    flags.set(key, flag);
    return flag;
  }

  for (const key of byKey.keys()) prepare(key);
  return flags;
}

function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/**
 * A flag that is "true" and has no other rule is on for everybody, as its author meant. With
 * targets, even an empty list, and no percentage it is on only for them: removing the last tester from the
 * list must not open the feature to everybody.
 */
function threshold(
  { rollout_percentage: percentage, target_user_ids, target_segments }: Setting["metadata"],
) {
  if (percentage === undefined) {
    return target_user_ids === undefined && target_segments === undefined ? BUCKETS : 0;
  }
  if (typeof percentage !== "number" || !(percentage >= 0 && percentage <= 100)) return null;
  return Math.round(percentage * 100);
}

/** Called after each evaluation, to count it: the flag and the reason of the result. */
export type OnFlag = (key: string, reason: Evaluation["reason"]) => void;

/** Whether the kill switch of a flag is set in the environment. */
export type Killed = (key: string) => boolean;

/**
 * Whether a flag is on for an id, and why. Order: kill switch, off, prerequisites, target id, segment,
 * percentage. The same as `private.evaluate_flag` in SQL, which has no kill switch.
 *
 * Failure policy: closed. A flag is off, never a random draw, if it is unknown, its metadata is invalid, a
 * prerequisite is not on for any reason, prerequisites are more than eight deep, or its percentage is
 * strictly between 0 and 100 and there is no id.
 *
 * @param targetingId the id to decide for, as {@linkcode subjectId} returns it; empty counts as missing
 * @param killed the feature's kill switch in the environment; a function is also called for the prerequisites
 */
export function evaluate(
  flags: ReadonlyMap<string, Flag>,
  key: string,
  targetingId = "",
  killed: boolean | Killed = false,
): Evaluation {
  if (killed === true) return DISABLED;
  const flag = flags.get(key);
  if (flag === undefined) return NOT_FOUND;
  return decide(flag, subjectId(targetingId), killed);
}

function decide(flag: Flag, id: string, killed: false | Killed): Evaluation {
  const alone = decideAlone(flag, id, killed);
  if (alone === DISABLED) return DISABLED;
  for (const needed of flag.prerequisites) {
    if (!decideAlone(needed, id, killed).value) return DISABLED;
  }
  return alone;
}

/** Evaluates the flag without its prerequisites. */
function decideAlone(flag: Flag, id: string, killed: false | Killed): Evaluation {
  if (!flag.on || (killed !== false && killed(flag.key))) return DISABLED;
  if (id !== "" && (flag.targets.has(id) || isIn(flag.segments, id))) return TARGETING_MATCH;
  if (flag.threshold === null) return UNREADABLE;
  if (flag.threshold === BUCKETS) return STATIC_ON;
  if (flag.threshold === 0) return STATIC_OFF;
  if (id === "") return KEY_MISSING;
  return bucket(flag.salt, id) < flag.threshold ? SPLIT_ON : SPLIT_OFF;
}

function isIn(segments: Flag["segments"], id: string): boolean {
  for (const segment of segments) if (segment.has(id)) return true;
  return false;
}

/** Whether a flag may be on for anybody at all; if not, callers need not ask for each id. */
export function onForAnybody(flags: ReadonlyMap<string, Flag>, key: string): boolean {
  const flag = flags.get(key);
  if (flag?.on !== true || flag.threshold === null) return false;
  return flag.threshold > 0 || flag.targets.size > 0 || flag.segments.some((segment) => segment.size > 0);
}
