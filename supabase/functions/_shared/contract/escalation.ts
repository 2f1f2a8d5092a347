/**
 * Escalation policies that a team can choose by name instead of writing the steps itself: who is called when nobody
 * acknowledges an incident, and after how many minutes. `gatelink incident escalation --policy` sets them.
 *
 * @module
 */
import type { Severity } from "./incidents.ts";

/** One call. Steps are in ascending order of their minutes. */
export interface PolicyStep {
  /** Minutes since the incident was opened. */
  after_minutes: number;
  /** Who is called. */
  role: string;
}

/** A policy: its steps by severity. Nobody is called for a severity without steps. */
export interface EscalationPolicy {
  about: string;
  steps: Readonly<Record<Severity, readonly PolicyStep[]>>;
}

const step = (after_minutes: number, role: string): PolicyStep => ({ after_minutes, role });

/** The policies by name. `standard` is what a new database has. */
export const ESCALATION_POLICIES: Readonly<Record<string, EscalationPolicy>> = {
  standard: {
    about: "engineering lead after 5 minutes, product manager after 15, CTO after 30; P1: 15 and 60",
    steps: {
      P0: [step(5, "engineering lead"), step(15, "product manager"), step(30, "CTO")],
      P1: [step(15, "engineering lead"), step(60, "CTO")],
      P2: [],
    },
  },
  four_levels: {
    about:
      "automated rollback within 5 minutes, engineering within 15, management within 30, executives within an hour",
    steps: {
      // The guard has gone back by itself by then, or it has not: the commander looks, and goes back by hand.
      P0: [
        step(5, "incident commander"),
        step(15, "engineering team"),
        step(30, "management"),
        step(60, "executives"),
      ],
      P1: [step(15, "engineering team"), step(30, "management"), step(60, "executives")],
      P2: [],
    },
  },
  one_day: {
    about:
      "on-call engineer after 5 minutes, engineering after 30, management after 2 hours, executives after 24",
    steps: {
      P0: [
        step(5, "on-call engineer"),
        step(30, "engineering team"),
        step(120, "management"),
        step(1440, "executives"),
      ],
      P1: [step(30, "engineering team"), step(120, "management"), step(1440, "executives")],
      P2: [],
    },
  },
};

/** The name of the policy that a list of steps follows, whatever its endpoints; undefined for steps of the team's own. */
export function policyOf(
  steps: readonly (PolicyStep & { severity: string })[],
): string | undefined {
  const said = (list: readonly PolicyStep[]) =>
    list.map(({ after_minutes, role }) => `${after_minutes}=${role}`).join();
  return Object.entries(ESCALATION_POLICIES).find(([, policy]) =>
    Object.entries(policy.steps).every(([severity, wanted]) =>
      said(wanted) ===
        said(
          steps.filter((one) => one.severity === severity).toSorted((a, b) =>
            a.after_minutes - b.after_minutes
          ),
        )
    )
  )?.[0];
}
