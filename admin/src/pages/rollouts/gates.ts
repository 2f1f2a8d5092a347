/** Which sign-offs a flag's launch waits for, and which it has. The list is the command line's. */
import {
  type ApproverRole,
  APPROVERS,
  approversOf,
  SIGN_OFFS,
} from "../../../../supabase/functions/_shared/rollouts/sign_offs.ts";
import { useRows } from "../../data/query.ts";
import { useFlags } from "../../data/flags.ts";

/** A row of `gate_approvals` that stands. */
export interface Approval {
  gate: string;
  role: ApproverRole;
  signed_by: string;
  signed_as: string;
  signed_at: string;
  note: string | null;
}

/** A gate as it stands. */
export interface GateState {
  /** As in `gate_approvals.gate`. */
  gate: string;
  /** Unlike `gate`, one of its kind: the approvals of the four roles are four gates. */
  id: string;
  title: string;
  roles: readonly ApproverRole[];
  /** How many have to sign. */
  people: number;
  signed: Approval[];
  passed: boolean;
}

/** All sign-offs that a flag's launch needs; undefined while they are on their way. */
export function useGates(flag: string): GateState[] | undefined {
  const flags = useFlags();
  const approvals = useRows<Approval>(
    ["gate_approvals", { flag }],
    (client) =>
      client.from("gate_approvals").select("gate,role,signed_by,signed_as,signed_at,note").eq(
        "flag_key",
        flag,
      ).is("revoked_at", null)
        .order("signed_at"),
  );
  const rolledBack = useRows<{ finished_at: string }>(
    ["rollouts", { flag, rolledBack: true }],
    (client) =>
      client.from("rollouts").select("finished_at").eq("flag_key", flag).eq("state", "rolled_back").order(
        "finished_at",
        { ascending: false },
      )
        .limit(1),
  );
  if (!flags.data || !approvals.data || !rolledBack.data) return undefined;
  const required = approversOf(flags.data.find(({ key }) => key === flag)?.metadata.approvers);
  // What was signed before the feature was last taken back does not count.
  const since = rolledBack.data[0] ? Date.parse(rolledBack.data[0].finished_at) : -Infinity;
  const all = [
    ...SIGN_OFFS.filter(({ asks }) => asks === undefined || required.includes(asks))
      .map(({ id, title, roles, people = 1 }) => ({ gate: id, id, title, roles, people })),
    ...required.map((role) => ({
      gate: "approval",
      id: `approval_${role}`,
      title: `Approved by the ${APPROVERS[role]}`,
      roles: [role],
      people: 1,
    })),
  ];
  return all.map((gate) => {
    const signed = approvals.data.filter((approval) =>
      approval.gate === gate.gate && gate.roles.includes(approval.role) &&
      Date.parse(approval.signed_at) > since
    );
    return { ...gate, signed, passed: new Set(signed.map(({ signed_by }) => signed_by)).size >= gate.people };
  });
}
