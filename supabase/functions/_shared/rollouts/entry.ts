/**
 * What a launch gate is, and the sections of the checklist.
 *
 * @module
 */
import type { ApproverRole } from "../contract/states.ts";

/** The sections of the checklist, in its order; the last three are those of two environments. */
export const SECTIONS = [
  "Code quality",
  "Database",
  "Security",
  "Observability",
  "Feature flag",
  "Testing",
  "Approval",
  "Before a ramp",
  "During a ramp",
  "After a ramp",
] as const;
/** One of {@link SECTIONS}. */
export type Section = typeof SECTIONS[number];

/** A gate. */
export interface Entry {
  /** Its id, as in `gate_approvals.gate`. */
  readonly id: string;
  readonly section: Section;
  /** Its title in the checklist. */
  readonly title: string;
  /** Whether it applies only if a flag is named. @default {false} */
  readonly ofFlag?: boolean;
  /** The only flag that it applies to. @default any */
  readonly flag?: string;
  /** Who may sign that it is not applicable. */
  readonly roles: readonly ApproverRole[];
}

/** A gate that people sign. */
export interface SignOff {
  /** As in `gate_approvals.gate`. */
  id: string;
  section: Section;
  title: string;
  /** Who may sign it. */
  roles: readonly ApproverRole[];
  /** Number of people who must sign. @default 1 */
  people?: number;
  /** Applies only to flags whose approvers include this role. @default all flags */
  asks?: ApproverRole;
  /** The only flag that it applies to. @default any */
  flag?: string;
}
