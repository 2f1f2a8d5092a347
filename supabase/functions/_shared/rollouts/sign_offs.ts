/**
 * The manual's launch gates that people sign before a feature goes live, because they cannot be checked
 * automatically.
 *
 * @module
 */
import { APPROVER_ROLES, type ApproverRole } from "../contract/states.ts";
import type { SignOff } from "./entry.ts";
import { GREEN_SIGN_OFFS } from "./green_gates.ts";

export type { SignOff } from "./entry.ts";

/** Who holds each role. */
export const APPROVERS: Readonly<Record<ApproverRole, string>> = {
  engineering: "Engineering Lead",
  security: "Security Lead",
  product: "Product Manager",
  cto: "CTO",
};

/** In the order of the manual; the approvals of {@link approversOf} follow. */
export const SIGN_OFFS: readonly SignOff[] = [
  {
    id: "code_review",
    section: "Code quality",
    title: "Code review approved by 2+ engineers",
    roles: ["engineering"],
    people: 2,
  },
  {
    id: "security_review",
    section: "Code quality",
    title: "Security review completed (if applicable)",
    roles: ["security"],
    asks: "security",
  },
  {
    id: "documentation",
    section: "Code quality",
    title: "Documentation updated",
    roles: ["engineering", "product"],
  },
  {
    id: "dashboards",
    section: "Observability",
    title: "Dashboards created or updated",
    roles: ["engineering"],
  },
  {
    id: "smoke_tests",
    section: "Testing",
    title: "Manual smoke tests completed",
    roles: ["engineering", "product"],
  },
  { id: "edge_cases", section: "Testing", title: "Edge cases validated", roles: ["engineering"] },
  { id: "on_call", section: "Approval", title: "On-call engineer briefed", roles: ["engineering"] },
  { id: "status_page", section: "Approval", title: "Status page ready", roles: ["product", "engineering"] },
  {
    id: "communication",
    section: "Approval",
    title: "User communication drafted (if needed)",
    roles: ["product"],
  },
  ...GREEN_SIGN_OFFS,
];

/**
 * Who must approve the launch of a flag: the list in its metadata, else everybody; always the engineering
 * lead. Failure policy: closed. An invalid list requires all four.
 */
export function approversOf(said: unknown): readonly ApproverRole[] {
  const known = Array.isArray(said) &&
    said.every((role) => (APPROVER_ROLES as readonly unknown[]).includes(role));
  return known
    ? APPROVER_ROLES.filter((role) => role === "engineering" || said.includes(role))
    : APPROVER_ROLES;
}
