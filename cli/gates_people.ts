/** Gates of the flag itself, and those that only people can close. */
import { APPROVERS, approversOf, SIGN_OFFS } from "../supabase/functions/_shared/rollouts/sign_offs.ts";
import { join } from "../local/paths.ts";
import { audience } from "./flags_api.ts";
import {
  type Approval,
  type Finding,
  type Gate,
  notApplicable,
  open,
  passed,
  type Role,
  ROLES,
  type World,
} from "./gates_world.ts";
import { time } from "./output.ts";

/** The alert rules, for Prometheus. */
const RULES = "ops/prometheus/alerts.yml";

export const FLAG_GATES: Gate[] = [
  {
    id: "flag_exists",
    section: "Feature flag",
    title: "Flag exists in database",
    ofFlag: true,
    roles: ["engineering"],
    check({ facts, flag }) {
      return facts.flag === null
        ? open("there is none", `gatelink flags set ${flag} off --new --why "…"`)
        : passed(`version ${facts.flag.version}`);
    },
  },
  {
    id: "flag_off",
    section: "Feature flag",
    title: "Default value set (OFF in production)",
    ofFlag: true,
    roles: ["engineering"],
    check({ facts, flag }) {
      if (facts.under_way) return notApplicable("its rollout is under way");
      if (facts.flag === null) return passed("a flag that is not there is off");
      const who = audience(facts.flag);
      return who === "nobody"
        ? passed("off")
        : open(`it is on for ${who}`, `gatelink rollback 1 ${flag} --why "not launched yet"`);
    },
  },
  {
    id: "toggle",
    section: "Feature flag",
    title: "Somebody can turn it off in the admin panel",
    ofFlag: true,
    roles: ["engineering"],
    check({ facts }) {
      return facts.operators > 0
        ? passed(`${facts.operators} in the team may`)
        : open("nobody in the team is operator or admin", "set_team_member; see docs/deploy.md, Team");
    },
  },
  {
    id: "alerts",
    section: "Observability",
    title: "Alerts configured",
    roles: ["engineering"],
    async check({ facts, root }) {
      const text = await Deno.readTextFile(join(root, RULES)).catch(() => "");
      const rules = text.match(/^ +- alert: /gm)?.length ?? 0;
      if (rules === 0) {
        return open(`${RULES} has no alert rules`, "Take those of the release: docs/operations.md");
      }
      return facts.told.length > 0
        ? passed(`${rules} rules in ${RULES}; told of pages and rollbacks: ${facts.told.join(", ")}`)
        : open(
          "nobody is told when a rollout pages or is taken back",
          "gatelink rollout notify add NAME URL",
        );
    },
  },
];

/** Who has to approve the launch of the flag: what it says, else everybody; the engineering lead in any case. */
export function requiredRoles({ facts }: World): readonly Role[] {
  return approversOf(facts.flag?.metadata.approvers);
}

export const SIGNED_GATES: Gate[] = [
  ...SIGN_OFFS.map(({ people = 1, asks, ...gate }): Gate => ({
    ...gate,
    ofFlag: true,
    check(world) {
      if (asks && !requiredRoles(world).includes(asks)) return notApplicable("the flag does not ask for it");
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
      if (!requiredRoles(world).includes(role)) return notApplicable("the flag does not ask for it");
      return signed(world, "approval", [role], 1, `gatelink gates sign ${world.flag} --role ${role}`);
    },
  })),
];

/** The sign-offs of a gate that count: in a role that may, and since the feature was last taken back. */
export function signaturesOf({ facts }: World, gate: string, roles: readonly Role[]): Approval[] {
  return facts.approvals.filter((approval) =>
    approval.gate === gate && roles.includes(approval.role) &&
    (facts.rolled_back_at === null || approval.signed_at > facts.rolled_back_at)
  );
}

function signed(world: World, gate: string, roles: readonly Role[], people: number, how?: string): Finding {
  const found = signaturesOf(world, gate, roles);
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
