/**
 * From "this is how it went for this person" to outcomes of the flags that had a say in it.
 *
 * @module
 */
import { evaluate, type Flag } from "../flags/evaluate.ts";
import { subjectId } from "../flags/subject.ts";
import { type Arm, evaluated, type Outcome, outcome, type Outcomes } from "./outcomes.ts";

/**
 * Which arm of a flag somebody is in; undefined where that says nothing about the flag.
 *
 * Before its rollout a flag is off and everybody is in the arm `off`: that is how the forecast knows the traffic. Who is
 * kept out by a prerequisite, or cannot be decided, is in neither: they differ from the others in more than the flag.
 */
export function armOf(flags: ReadonlyMap<string, Flag>, key: string, subject: string): Arm | undefined {
  const flag = flags.get(key);
  if (flag === undefined) return undefined;
  if (!flag.on) return "off";
  const { value, reason } = evaluate(flags, key, subject);
  if (reason === "DISABLED" || reason === "ERROR") return undefined;
  return value ? "on" : "off";
}

/** Counts how it went for a person under each of these flags. Never throws, never waits. */
export function observe(
  flags: ReadonlyMap<string, Flag>,
  keys: Iterable<string>,
  subject: string,
  result: Outcome,
  into: Pick<Outcomes, "outcome" | "evaluated"> = { outcome, evaluated },
): void {
  const id = subjectId(subject);
  for (const key of keys) {
    into.evaluated(key);
    const arm = armOf(flags, key, id);
    if (arm !== undefined) into.outcome(key, arm, id, result);
  }
}
