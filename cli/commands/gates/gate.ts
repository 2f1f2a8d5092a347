/** What a launch gate is, and what it has to look at. */
import type { Health as HealthAnswer } from "../../../supabase/functions/_shared/contract/http/operation.ts";
import type { LaunchFacts } from "../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import { APPROVER_ROLES, type ApproverRole } from "../../../supabase/functions/_shared/contract/states.ts";
import type { Entry, Section } from "../../../supabase/functions/_shared/rollouts/checklist.ts";
import {
  FACT_GATES,
  type FactGate,
  type Finding,
} from "../../../supabase/functions/_shared/rollouts/fact_gates.ts";
import type { Api } from "../../core/api.ts";
import type { Session } from "../../core/session.ts";

export { entry, type Section, SECTIONS } from "../../../supabase/functions/_shared/rollouts/checklist.ts";
export {
  type Finding,
  none,
  notApplicable,
  open,
  passed,
  signaturesOf,
  type Status,
} from "../../../supabase/functions/_shared/rollouts/fact_gates.ts";

/** Roles that approve launches. */
export const ROLES = APPROVER_ROLES;
export type Role = ApproverRole;

/** One gate of the checklist. */
export interface Gate extends Entry {
  /** Runs the check. An exception leaves the gate open. */
  check(world: GateContext): Promise<Finding> | Finding;
}

/** A gate and its result. */
export interface GateResult extends Finding {
  id: string;
  section: Section;
  title: string;
}

/** The gates that block a launch. */
export function openGates(results: readonly GateResult[]): GateResult[] {
  return results.filter(({ status }) => status === "open");
}

/** What `GET health` answers, as far as it matters; a problem where it refuses. */
export type Health = Partial<Pick<HealthAnswer, "config"> & { status: string; code: string }>;

/** The inputs of gates; expensive ones are requested once. */
export interface GateContext {
  session: Session;
  api: Api;
  /** Root of the checkout. */
  root: string;
  /** Reference of a hosted project; undefined if its URL contains it. */
  projectRef: string | undefined;
  /** The flag; undefined if the gates are checked without one. */
  flag: string | undefined;
  facts: LaunchFacts;
  health: Health;
  /** Whether this is a stack on this machine, with its own secrets. */
  local: boolean;
  now: Date;
}

/** The gate with this id that needs only the database. @throws {Error} if there is none */
export function factGate(id: string): FactGate {
  const found = FACT_GATES.find((one) => one.id === id);
  if (found === undefined) throw new Error(`no gate ${id} needs only the database`);
  return found;
}
