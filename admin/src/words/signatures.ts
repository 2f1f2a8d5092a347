/** Whom a person who may sign for several roles has to leave something to, said before they sign. Pure. */

/** Who signs the launch of a flag. */
export interface Signing {
  /** Roles whose approval is still missing. */
  missing: readonly string[];
  /** Roles that the reader holds. */
  mine: readonly string[];
  /** Role in which the reader approved already. */
  signedAs?: string;
  /** Roles that others of the team hold. */
  others: readonly string[];
  /** Whether `gates.one_person_many_roles` is on. */
  alone: boolean;
}

/** The notice; undefined if the reader can sign whatever is theirs to sign. */
export function signingInWords({ missing, mine, signedAs, others, alone }: Signing): string | undefined {
  const due = missing.filter((role) => mine.includes(role));
  if (due.length === 0 || (signedAs === undefined && due.length === 1)) return undefined;
  if (alone) {
    return due.length === 1
      ? undefined
      : `You may approve as ${listed(due)}: gates.one_person_many_roles is on.`;
  }
  const rule = signedAs === undefined
    ? `You hold ${listed(due)}, but each role needs another person: you can approve as one of them.`
    : `You approved as ${roleInWords(signedAs)}, and each role needs another person.`;
  const nobody = due.filter((role) => !others.includes(role));
  const spare = signedAs === undefined ? 1 : 0;
  if (nobody.length <= spare) return rule;
  return `${rule} Nobody else holds ${
    listed(nobody, "or")
  }: give a colleague the role in Settings, Team, or turn on gates.one_person_many_roles.`;
}

/** The role as people write it. */
export const roleInWords = (role: string): string => role === "cto" ? "CTO" : role;

function listed(of: readonly string[], and = "and"): string {
  const roles = of.map(roleInWords);
  return roles.length < 2 ? roles.join() : `${roles.slice(0, -1).join(", ")} ${and} ${roles.at(-1)}`;
}
