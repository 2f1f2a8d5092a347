/**
 * Flags in OpenFeature's Remote Evaluation Protocol (OFREP 0.3). Pure.
 *
 * @see https://github.com/open-feature/protocol/blob/main/service/openapi.yaml
 * @module
 */
import type { FlagErrorCode, FlagFailure, FlagMetadata, FlagValue } from "../contract/http/flags.ts";
import { evaluate, type Flag, type Killed, prepareFlags, type Setting } from "./evaluate.ts";

/** A setting that is a flag, read once for each load of the configuration. */
export interface RemoteFlag {
  readonly key: string;
  /** A value that is the same for everybody, of the metadata's `type`; undefined for a switch. */
  readonly fixed?: { readonly value: unknown } | { readonly fault: string };
  /**
   * Whether apps may read it: `client: true` in the setting's metadata. Never true for Gatelink's own flags.
   */
  readonly client: boolean;
  /** For callers with a secret key. */
  readonly metadata: FlagMetadata;
}

/** One evaluation: a success or a failure. The members are in OFREP's names. */
export interface RemoteAnswer extends Partial<FlagValue & Omit<FlagFailure, "metadata">> {
  key: string;
}

/** The checked context of a request. */
export type RemoteContext =
  | { ok: true; targetingKey: string; signature: string }
  | { ok: false; errorCode: FlagErrorCode; errorDetails: string };

/** Members of metadata that make a setting a flag whose key does not end in `.enabled`. */
const MARKS = ["type", "rollout_percentage", "target_user_ids", "target_segments", "prerequisites", "client"];

/**
 * Flags of Gatelink's own features, which apps do not need and others must not see. The constraint
 * `settings_client` in SQL has the same list.
 */
const OWN = /^(?:deeplinks|(?:wa|email|sms|telegram)_(?:webhook|router|send))\.enabled$/;

/**
 * The settings that are flags, by key. Other settings are not exposed: everybody who has the app has a
 * publishable key.
 */
export function prepareRemote(settings: Iterable<Setting>): ReadonlyMap<string, RemoteFlag> {
  const remote = new Map<string, RemoteFlag>();
  for (const setting of settings) {
    const { key, value, metadata } = setting;
    if (!key.endsWith(".enabled") && !MARKS.some((mark) => mark in metadata)) continue;
    const fixed = fixedValue(value, metadata.type);
    remote.set(key, {
      key,
      client: metadata.client === true && !OWN.test(key),
      metadata: describe(setting),
      ...(fixed === undefined ? {} : { fixed }),
    });
  }
  return remote;
}

/**
 * The flags that apps may read with a publishable key, which anybody can have. Failure policy: closed. A flag
 * reveals what a team works on, so only marked ones are included.
 */
export function forApps(remote: ReadonlyMap<string, RemoteFlag>): ReadonlyMap<string, RemoteFlag> {
  return new Map([...remote].filter(([, { client }]) => client));
}

/** The flags without their target ids and segments, as they are for an id that is on no list. */
export function withoutTargets(settings: Iterable<Setting>): ReadonlyMap<string, Flag> {
  return prepareFlags(
    [...settings].map((setting) => {
      const { target_user_ids, target_segments } = setting.metadata;
      return {
        ...setting,
        metadata: {
          ...setting.metadata,
          ...(target_user_ids === undefined ? {} : { target_user_ids: [] }),
          ...(target_segments === undefined ? {} : { target_segments: [] }),
        },
      };
    }),
  );
}

/**
 * Whether an id identifies a person by itself: an e-mail address or a phone number, which anybody can guess.
 */
export function saysWho(id: string): boolean {
  return id.includes("@") || /^\+?[\d\s().\/-]{7,40}$/.test(id);
}

function fixedValue(value: string, type: unknown): RemoteFlag["fixed"] {
  switch (type) {
    case "string":
      return { value };
    case "number": {
      const number = value.trim() === "" ? NaN : Number(value);
      return Number.isFinite(number) ? { value: number } : { fault: "The value is not a number." };
    }
    case "object":
      try {
        const parsed = JSON.parse(value);
        if (typeof parsed === "object" && parsed !== null) return { value: parsed };
      } catch {
        // Told below.
      }
      return { fault: "The value is not a JSON object." };
    default:
      return undefined;
  }
}

function describe({ metadata, version }: Setting): FlagMetadata {
  const { rollout_percentage, target_user_ids, target_segments, prerequisites, description, launched_at } =
    metadata;
  return {
    version,
    client: metadata.client === true,
    ...(typeof rollout_percentage === "number" ? { rolloutPercentage: rollout_percentage } : {}),
    ...(Array.isArray(target_user_ids) ? { targets: target_user_ids.length } : {}),
    ...(Array.isArray(target_segments) ? { segments: target_segments.join(",") } : {}),
    ...(Array.isArray(prerequisites) ? { prerequisites: prerequisites.join(",") } : {}),
    ...(typeof description === "string" ? { description } : {}),
    ...(typeof launched_at === "string" ? { launchedAt: launched_at } : {}),
  };
}

/**
 * The context of a request's body. OFREP 0.3 requires no body (undefined here), no context in it and no
 * targeting key: a value that is the same for everybody needs none.
 */
export function readContext(body: unknown): RemoteContext {
  const invalid = (errorDetails: string): RemoteContext => ({
    ok: false,
    errorCode: "INVALID_CONTEXT",
    errorDetails,
  });
  if (body === undefined) return { ok: true, targetingKey: "", signature: "" };
  const object = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!object(body)) return invalid("The body must be an object.");
  const { context = {} } = body as { context?: unknown };
  if (!object(context)) return invalid('"context" must be an object.');
  const { targetingKey = "", sig } = context as { targetingKey?: unknown; sig?: unknown };
  return typeof targetingKey === "string"
    ? { ok: true, targetingKey, signature: typeof sig === "string" ? sig : "" }
    : invalid('"targetingKey" must be a string.');
}

const FAULTS: Partial<Record<FlagErrorCode, string>> = {
  FLAG_NOT_FOUND: "There is no such flag.",
  TARGETING_KEY_MISSING:
    'This flag is on for a part of all people: "targetingKey" must say for whom to evaluate.',
  PARSE_ERROR: "The flag's configuration cannot be understood.",
};

/** Evaluates one flag. */
export function answer(
  remote: ReadonlyMap<string, RemoteFlag>,
  flags: ReadonlyMap<string, Flag>,
  key: string,
  targetingKey: string,
  options: { killed: Killed; metadata: boolean },
): RemoteAnswer {
  const flag = remote.get(key);
  if (flag === undefined) {
    return { key, errorCode: "FLAG_NOT_FOUND", errorDetails: FAULTS.FLAG_NOT_FOUND };
  }
  const answer = evaluated(flag, flags, targetingKey, options.killed);
  if (options.metadata) answer.metadata = flag.metadata;
  return answer;
}

function evaluated(
  { key, fixed }: RemoteFlag,
  flags: ReadonlyMap<string, Flag>,
  targetingKey: string,
  killed: Killed,
): RemoteAnswer {
  if (fixed !== undefined) {
    return "fault" in fixed
      ? { key, errorCode: "PARSE_ERROR", errorDetails: fixed.fault }
      : { key, value: fixed.value, reason: "STATIC" };
  }
  const { value, reason, errorCode } = evaluate(flags, key, targetingKey, killed);
  if (errorCode !== undefined) return { key, errorCode, errorDetails: FAULTS[errorCode] };
  return { key, value, reason, variant: value ? "on" : "off" };
}

/** HTTP status of a single evaluation. */
export function statusOf({ errorCode }: RemoteAnswer): 200 | 400 | 404 {
  return errorCode === undefined ? 200 : errorCode === "FLAG_NOT_FOUND" ? 404 : 400;
}
