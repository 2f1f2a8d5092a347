/**
 * Turns one person's result into outcomes of the flags that affected it.
 *
 * @module
 */
import { killed } from "../config/kill_switch.ts";
import { evaluate, type Flag, type Killed } from "../flags/evaluate.ts";
import { subjectId } from "../flags/subject.ts";
import { type Arm, evaluated, type Outcome, outcome, type Outcomes } from "./outcomes.ts";

/**
 * The arm of a flag that a person is in; undefined if the person says nothing about the flag.
 *
 * Before its rollout a flag is off and everybody is in the arm `off`, which tells the forecast the traffic;
 * the same applies while its kill switch is set. A person who is excluded by a prerequisite, or who cannot be
 * decided, is in neither arm: they differ from the others in more than the flag.
 */
export function armOf(
  flags: ReadonlyMap<string, Flag>,
  key: string,
  subject: string,
  switchedOff: Killed = killed,
): Arm | undefined {
  const flag = flags.get(key);
  if (flag === undefined) return undefined;
  if (!flag.on || switchedOff(key)) return "off";
  const { value, reason } = evaluate(flags, key, subject, switchedOff);
  if (reason === "DISABLED" || reason === "ERROR") return undefined;
  return value ? "on" : "off";
}

/** Overrides for outcomes that the current flags do not describe. */
export interface ObserveOptions {
  /** Receives the outcomes. @default the process's own */
  into?: Pick<Outcomes, "outcome" | "evaluated">;
  /** The arm that the person was in, if the caller knows that they had the feature. */
  had?: Arm;
}

/** Counts a person's result under each of these flags. Never throws, never waits. */
export function observe(
  flags: ReadonlyMap<string, Flag>,
  keys: Iterable<string>,
  subject: string,
  result: Outcome,
  { into = { outcome, evaluated }, had }: ObserveOptions = {},
): void {
  const id = subjectId(subject);
  for (const key of keys) {
    into.evaluated(key);
    const arm = had ?? armOf(flags, key, id);
    if (arm !== undefined) into.outcome(key, arm, id, result);
  }
}
