/**
 * The three flags of masked messaging, by organisation. Pure.
 *
 * Each may come from two places: a setting, evaluated for `org:<id>`, and the environment. `ENABLE_…=false`
 * always stops the feature. `ENABLE_…=true` turns it on where no setting exists; a setting that exists
 * decides alone, so a rollout by organisation is not overridden by a variable from before.
 *
 * Failure policy: closed. A feature of which nothing is said is off.
 *
 * @module
 */
import { evaluate, type Flag, onForAnybody } from "../flags/evaluate.ts";

/** The flags, with the variable that a manual names for each. */
export const MESSAGING_FLAGS = {
  core: { key: "messaging_v1.enabled", variable: "ENABLE_MESSAGING_V1" },
  proactive: { key: "proactive_thread_creation.enabled", variable: "ENABLE_PROACTIVE_THREAD_CREATION" },
  sitter: { key: "sitter_messages_v1.enabled", variable: "ENABLE_SITTER_MESSAGES_V1" },
} as const;

export type MessagingFlag = keyof typeof MESSAGING_FLAGS;

/** Whether a flag is on, and what says so. */
export interface FlagState {
  readonly value: boolean;
  readonly from: "environment" | "setting" | "default";
}

/** What is known of one flag. */
export interface FlagFacts {
  /** Whether the environment stops it. */
  readonly killed: boolean;
  /** What its setting says for the organisation; undefined if there is none. */
  readonly setting: boolean | undefined;
  /** Whether the environment turns it on. */
  readonly switchedOn: boolean;
}

/** Whether a flag is on, and what says so. */
export function messagingFlag({ killed, setting, switchedOn }: FlagFacts): FlagState {
  if (killed) return { value: false, from: "environment" };
  if (setting !== undefined) return { value: setting, from: "setting" };
  return switchedOn ? { value: true, from: "environment" } : { value: false, from: "default" };
}

/** The flags of one organisation. */
export type OrgFlags = Readonly<Record<MessagingFlag, FlagState>>;

/** What the environment says of a feature. */
export interface Switches {
  killed(feature: string): boolean;
  switchedOn(feature: string): boolean;
}

/** The flags for an organisation; without one, whether each may be on for anybody. */
export function orgFlags(
  flags: ReadonlyMap<string, Flag>,
  { killed, switchedOn }: Switches,
  org?: string,
): OrgFlags {
  const stateOf = ({ key }: { key: string }) => {
    const setting = !flags.has(key)
      ? undefined
      : org === undefined
      ? onForAnybody(flags, key)
      : evaluate(flags, key, orgTarget(org), killed).value;
    return messagingFlag({ killed: killed(key), setting, switchedOn: switchedOn(key) });
  };
  return {
    core: stateOf(MESSAGING_FLAGS.core),
    proactive: stateOf(MESSAGING_FLAGS.proactive),
    sitter: stateOf(MESSAGING_FLAGS.sitter),
  };
}

/** The id with which flags are evaluated for an organisation. */
export const orgTarget = (org: string): string => `org:${org}`;
