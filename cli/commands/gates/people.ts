/** Gates that people sign. */
import type { Approval } from "../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { APPROVERS, approversOf, SIGN_OFFS } from "../../../supabase/functions/_shared/rollouts/sign_offs.ts";
import {
  type Finding,
  type Gate,
  type GateContext,
  notApplicable,
  open,
  passed,
  type Role,
  ROLES,
  signaturesOf,
} from "./gate.ts";
import { notDue } from "./green.ts";
import { time } from "../../core/output.ts";

/**
 * Who must approve the launch of the flag: the list in its metadata, else everybody; always the engineering
 * lead.
 */
export function requiredRoles({ facts }: GateContext): readonly Role[] {
  return approversOf(facts.flag?.metadata.approvers);
}

export const SIGNED_GATES: Gate[] = [
  ...SIGN_OFFS.map(({ people = 1, asks, ...gate }): Gate => ({
    ...gate,
    ofFlag: true,
    async check(world) {
      if (asks && !requiredRoles(world).includes(asks)) return notApplicable("not required by the flag");
      if (gate.flag !== undefined) {
        const found = await notDue(gate.section, world);
        if (found !== undefined) return found;
      }
      return signed(world, gate.id, gate.roles, people);
    },
  })),
  ...ROLES.map((role): Gate => ({
    id: `approval_${role}`,
    section: "Approval",
    title: `Approved by the ${APPROVERS[role]}`,
    ofFlag: true,
    roles: [role],
    check(world) {
      if (!requiredRoles(world).includes(role)) return notApplicable("not required by the flag");
      return signed(world, "approval", [role], 1, `gatelink gates sign ${world.flag} --role ${role}`);
    },
  })),
];

function signed(
  world: GateContext,
  gate: string,
  roles: readonly Role[],
  people: number,
  how?: string,
): Finding {
  const found = signaturesOf(world.facts, gate, roles);
  const persons = new Map(found.map((approval) => [approval.signed_by, approval]));
  const said = [...persons.values()].map(describeSignature).join(", ");
  if (persons.size >= people) return passed(said);
  return open(
    persons.size > 0 ? `${persons.size} of ${people}: ${said}` : "not signed",
    how ?? `gatelink gates sign ${world.flag} --role ${roles[0]} --gate ${gate}`,
  );
}

/** `lead@example.com (engineering) 2026-11-21 14:05:09Z`. */
export function describeSignature({ signed_as, role, signed_at, note }: Approval): string {
  return `${signed_as} (${role}) ${time(signed_at)}${note ? `: ${note}` : ""}`;
}
