/** What a launch gate is, and what it has to look at. */
import { APPROVER_ROLES, type ApproverRole } from "../supabase/functions/_shared/rollouts/sign_offs.ts";
import type { FlagRow } from "./flags_api.ts";
import type { Api } from "./api.ts";
import type { Session } from "./session.ts";

/** Roles that approve launches. */
export const ROLES = APPROVER_ROLES;
export type Role = ApproverRole;

/** The part of the checklist that a gate belongs to. */
export type Section =
  | "Code quality"
  | "Database"
  | "Security"
  | "Observability"
  | "Feature flag"
  | "Testing"
  | "Approval";

/** Closed: passed, or does not apply. Open: failed, or cannot be told. */
export type Status = "passed" | "not_applicable" | "open";

/** What a gate found. */
export interface Finding {
  status: Status;
  /** What was seen, in a sentence without its full stop. */
  detail: string;
  /** How to close it, when it is open. */
  how?: string;
}

/** One gate of the checklist. */
export interface Gate {
  id: string;
  section: Section;
  /** As the checklist has it. */
  title: string;
  /** Left out where no flag is named. @default {false} */
  ofFlag?: boolean;
  /** Who may sign it: closes it where people have to, and as not applicable anywhere. */
  roles: readonly Role[];
  /** Looks. What it throws leaves the gate open. */
  check(world: World): Promise<Finding> | Finding;
}

/** A sign-off; a row of `gate_approvals`. */
export interface Approval {
  gate: string;
  role: Role;
  applies: boolean;
  note: string | null;
  signed_by: string;
  signed_as: string;
  signed_with: "session" | "secret_key";
  signed_at: string;
}

/** What the SQL function `launch_facts` gives. */
export interface Facts {
  flag: Pick<FlagRow, "key" | "value" | "metadata" | "version"> | null;
  approvals: Approval[];
  migrations: string[] | null;
  without_rls: string[];
  open_to_anon: string[];
  policies_for_anon: string[];
  plans: { query: string; reads_whole: string[] }[];
  allowlist: { pattern: string; purpose: string }[];
  rolled_back_at: string | null;
  under_way: boolean;
  evaluated_at: string | null;
  outcomes: number;
  told: string[];
  tables: string[];
  operators: number;
  archive: { mode: string; last_at: string | null; failing: boolean };
}

/** What `GET health` answers, as far as it matters. */
export interface Health {
  status?: string;
  code?: string;
  config?: { variable: string; fault: string }[];
}

/** All that gates look at; what costs something is asked for once. */
export interface World {
  session: Session;
  api: Api;
  /** Root of the checkout. */
  root: string;
  /** Reference of a hosted project; undefined where its address tells. */
  projectRef: string | undefined;
  /** The flag; undefined where the gates are looked at without one. */
  flag: string | undefined;
  facts: Facts;
  health: Health;
  /** A stack on this machine, whose secrets are its own. */
  local: boolean;
  now: Date;
}

export const passed = (detail: string): Finding => ({ status: "passed", detail });
export const notApplicable = (detail: string): Finding => ({ status: "not_applicable", detail });
export const open = (detail: string, how: string): Finding => ({ status: "open", detail, how });

/** Open when the list names anything. */
export function none(list: string[], good: string, bad: string, how: string): Finding {
  if (list.length === 0) return passed(good);
  const shown = list.slice(0, 5).join(", ");
  return open(`${bad}: ${shown}${list.length > 5 ? ` and ${list.length - 5} more` : ""}`, how);
}
