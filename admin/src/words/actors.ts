/** Who made a change, after its time: "by ada@example.com", or "automatic" for what the guard did by a rule. Pure. */

/** The members of a change that tell. */
interface Made {
  kind: string;
  figures: Readonly<Record<string, unknown>>;
  who: string;
  /** The reason that a person gave; the overview has the rule in its place where there is none. */
  why: string | null;
}

/** @param nameOf The name of an actor. */
export function madeBy(made: Made, nameOf: (who: string) => string): { by: string; why: string | null } {
  const { kind, figures: { rule }, who, why } = made;
  return kind === "rollout" && typeof rule === "string" && rule !== "by_hand"
    ? { by: "automatic", why: why === rule ? null : why }
    : { by: `by ${nameOf(who)}`, why };
}
