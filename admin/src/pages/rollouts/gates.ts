/** The gates of a flag's launch, and their state. The list and the checks are the same as the CLI's. */
import type {
  Approval,
  LaunchFacts,
} from "../../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import type { ApproverRole } from "../../../../supabase/functions/_shared/contract/states.ts";
import {
  CLI_ENTRIES,
  type Entry,
  type Section,
  SECTIONS,
} from "../../../../supabase/functions/_shared/rollouts/checklist.ts";
import {
  FACT_GATES,
  type Finding,
  signaturesOf,
} from "../../../../supabase/functions/_shared/rollouts/fact_gates.ts";
import {
  APPROVERS,
  approversOf,
  SIGN_OFFS,
} from "../../../../supabase/functions/_shared/rollouts/sign_offs.ts";
import { project } from "../../data/client.ts";
import { rpc, useRead, useRows } from "../../data/query.ts";

/** A gate and its state. */
export interface GateState {
  /** As in `gate_approvals.gate`. */
  gate: string;
  /** Unique, unlike `gate`: the approvals of the four roles are four gates. */
  id: string;
  section: Section;
  title: string;
  /** The roles that may sign it, or declare it not applicable. */
  roles: readonly ApproverRole[];
  /** Who closes it: people, by signing; the database; or the CLI, for what only the CLI can check. */
  by: "people" | "database" | "command";
  /** Number of signatures required; 0 for none. */
  people: number;
  signed: Approval[];
  /** The database's finding. */
  finding?: Finding;
  /** undefined: only the CLI can check it. */
  passed: boolean | undefined;
}

/** Polling interval. Each request makes the database plan every hot query. */
const EVERY_MS = 30_000;

/** All gates of a flag's launch, in the order of the checklist; undefined while loading. */
export function useGates(flag: string, enabled = true) {
  return useRead<GateState[]>(["launch_facts", flag], () => readGates(flag), { every: EVERY_MS, enabled });
}

/** What a launch still needs: the roles whose approval is missing, and the number of other open gates. */
export function standOf(gates: readonly GateState[]): { unsigned: ApproverRole[]; open: number } {
  const open = gates.filter(({ passed }) => passed === false);
  const approvals = open.filter(({ gate }) => gate === "approval");
  return { unsigned: approvals.flatMap(({ roles }) => roles), open: open.length - approvals.length };
}

/** The role in which this person approved the launch. */
export const approvedAs = (gates: readonly GateState[], person: string): string | undefined =>
  gates.filter(({ gate }) => gate === "approval").flatMap(({ signed }) => signed)
    .find(({ signed_by }) => signed_by === person)?.role;

/** Whether one person may sign for several roles; undefined while loading. */
export function useOnePerson(): boolean | undefined {
  return useRows(
    ["settings", ONE_PERSON],
    (db) => db.from("settings").select("value").eq("key", ONE_PERSON).limit(1),
    { every: EVERY_MS },
  ).data?.some(({ value }) => value === "true");
}
const ONE_PERSON = "gates.one_person_many_roles";

async function readGates(flag: string): Promise<GateState[]> {
  const facts = await rpc("launch_facts", { p_flag_key: flag });
  const local = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(new URL(project().url).hostname);
  const looked = FACT_GATES.map(async (gate): Promise<GateState> => {
    const state = waivable(gate, facts, "database");
    if (state.passed) return state;
    const finding = await gate.check({ facts, flag, local });
    return { ...state, finding, passed: finding.status !== "open" };
  });
  const all = [
    ...signedGates(facts, flag),
    ...await Promise.all(looked),
    ...CLI_ENTRIES.filter((entry) => entry.flag === undefined || entry.flag === flag).map((entry) =>
      waivable(entry, facts, "command")
    ),
  ];
  return all.sort((a, b) => SECTIONS.indexOf(a.section) - SECTIONS.indexOf(b.section));
}

/** A gate that needs no signature. A person with the role can declare it not applicable. */
function waivable(
  { id, section, title, roles }: Entry,
  facts: LaunchFacts,
  by: "database" | "command",
): GateState {
  const signed = signaturesOf(facts, id, roles).filter(({ applies }) => !applies);
  const passed = signed.length > 0 ? true : by === "command" ? undefined : false;
  return { gate: id, id, section, title, roles, by, people: 0, signed, passed };
}

function signedGates(facts: LaunchFacts, flag: string): GateState[] {
  const required = approversOf(facts.flag?.metadata.approvers);
  const all = [
    ...SIGN_OFFS.filter((gate) => gate.flag === undefined || gate.flag === flag)
      .filter(({ asks }) => asks === undefined || required.includes(asks))
      .map(({ id, section, title, roles, people = 1 }) => ({ gate: id, id, section, title, roles, people })),
    ...required.map((role) => ({
      gate: "approval",
      id: `approval_${role}`,
      section: "Approval" as const,
      title: `Approved by the ${APPROVERS[role]}`,
      roles: [role],
      people: 1,
    })),
  ];
  return all.map((gate) => {
    const signed = signaturesOf(facts, gate.gate, gate.roles);
    // One person who declares it not applicable closes it, as in the CLI.
    const waived = gate.gate !== "approval" && signed.some(({ applies }) => !applies);
    const passed = waived || new Set(signed.map(({ signed_by }) => signed_by)).size >= gate.people;
    return { ...gate, by: "people", signed, passed };
  });
}
