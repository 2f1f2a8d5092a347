/**
 * From "this is how it went for this person" to outcomes of the flags that had a say in it.
 *
 * @module
 */
import { killed } from "../config/kill_switch.ts";
import { evaluate, type Flag, type Killed } from "../flags/evaluate.ts";
import { subjectId } from "../flags/subject.ts";
import { type Arm, evaluated, type Outcome, outcome, type Outcomes } from "./outcomes.ts";

/**
 * Which arm of a flag somebody is in; undefined where that says nothing about the flag.
 *
 * Before its rollout a flag is off and everybody is in the arm `off`: that is how the forecast knows the traffic; and so
 * they are where its kill switch is set. Who is kept out by a prerequisite, or cannot be decided, is in neither: they differ
 * from the others in more than the flag.
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

/** What an outcome is of, where the flags as they are now do not tell. */
export interface ObserveOptions {
  /** Takes the outcomes. @default the process's own */
  into?: Pick<Outcomes, "outcome" | "evaluated">;
  /** The arm that the person was in, for who knows: it happened to somebody who had the feature. */
  had?: Arm;
}

/** Counts how it went for a person under each of these flags. Never throws, never waits. */
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
