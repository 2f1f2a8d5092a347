import { bucket, BUCKETS, prepareSalt, type Salt } from "./bucket.ts";
import { subjectId } from "./subject.ts";

/** A row of the table `settings` as `load_config` gives it. */
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

/** Segments as `load_config` gives them: the members' ids by the segment's key. */
export type Segments = Readonly<Record<string, readonly string[]>>;

/** A setting, read once into what evaluation needs. */
export interface Flag {
  readonly key: string;
  readonly on: boolean;
  readonly targets: ReadonlySet<string>;
  /** Members of the segments that it targets. */
  readonly segments: readonly ReadonlySet<string>[];
  /** All that have to be on for the same id: the flags that it names, those that they name, and so on, each once. */
  readonly prerequisites: readonly Flag[];
  /** How long the longest way through prerequisites is. */
  readonly depth: number;
  /** How many of the buckets are on, 0 to 10000; null when the metadata cannot be understood. */
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

/** Stands for a prerequisite that is missing, or that would lead back to the flag that needs it. */
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

/** What needs flags through more others than these is off: nobody can tell any more what such a flag depends on. */
const MAX_DEPTH = 8;

/** Reads settings into flags, once for each load of the configuration. */
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
  /** Flags under way: one of them as a prerequisite closes a circle. */
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
 * A flag that is "true" and says nothing else is on for everybody: whoever typed it meant on. With targets present, be
 * it an empty list, and no percentage it is on only for these: taking the last tester off the list must not open the
 * feature to everybody.
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

/** Is told of evaluations, to count them: which flag, and the reason of its answer. */
export type OnFlag = (key: string, reason: Evaluation["reason"]) => void;

/** Says of each flag whether its kill switch in the environment is set. */
export type Killed = (key: string) => boolean;

/**
 * Whether a flag is on for an id, and why. Order: kill switch, off, prerequisites, target id, segment, percentage. The
 * same as `private.evaluate_flag` in SQL, which knows no kill switch.
 *
 * Failure policy: closed. An unknown flag, metadata that cannot be understood, a prerequisite that is not on for
 * whatever reason, prerequisites more than eight deep, and a percentage strictly between 0 and 100 with nobody to apply it to, are off, never a random draw.
 *
 * @param targetingId whom to decide for, as {@linkcode subjectId} reads it; empty is the same as missing
 * @param killed the feature's kill switch in the environment; as a function it is asked for the prerequisites too
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

/** As if the flag had no prerequisites. */
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

/** Whether a flag may be on for anybody at all; when not, there is no need to ask for each. */
export function onForAnybody(flags: ReadonlyMap<string, Flag>, key: string): boolean {
  const flag = flags.get(key);
  if (flag?.on !== true || flag.threshold === null) return false;
  return flag.threshold > 0 || flag.targets.size > 0 || flag.segments.some((segment) => segment.size > 0);
}
