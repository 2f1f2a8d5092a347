/**
 * The launch gates that need only the database, for both the command line and the admin panel.
 *
 * Failure policy: closed. A gate that cannot be decided stays open.
 *
 * @module
 */
import type { Approval, LaunchFacts } from "../contract/answers/rollouts.ts";
import type { ApproverRole } from "../contract/states.ts";
import { audience } from "../contract/words/flags.ts";
import { counted } from "../contract/words/sentences.ts";
import { checkPattern } from "../delivery/allowlist.ts";
import type { Entry } from "./checklist.ts";

/** Closed: passed or not applicable. Open: failed, or undecided. */
export type Status = "passed" | "not_applicable" | "open";

/** The result of a gate. */
export interface Finding {
  status: Status;
  /** What was found, as a sentence without a full stop. */
  detail: string;
  /** How to close the gate, if it is open. */
  how?: string;
}

/** Inputs of such a gate. */
export interface FactWorld {
  readonly facts: LaunchFacts;
  /** The flag; undefined if the gates are checked without one. */
  readonly flag: string | undefined;
  /** Whether this is a stack on this machine, which may call itself. */
  readonly local: boolean;
}

/** A gate that needs only the database. */
export interface FactGate extends Entry {
  check(world: FactWorld): Finding | Promise<Finding>;
}

/** The result of a gate that passed. */
export const passed = (detail: string): Finding => ({ status: "passed", detail });
/** The result of a gate that has nothing to check, which closes it. */
export const notApplicable = (detail: string): Finding => ({ status: "not_applicable", detail });
/** The result of a gate that stays open. */
export const open = (detail: string, how: string): Finding => ({ status: "open", detail, how });

/** Open if the list is not empty. */
export function none(list: string[], good: string, bad: string, how: string): Finding {
  if (list.length === 0) return passed(good);
  const shown = list.slice(0, 5).join(", ");
  return open(`${bad}: ${shown}${list.length > 5 ? ` and ${list.length - 5} more` : ""}`, how);
}

/** The sign-offs of a gate that count: by a permitted role, and after the feature was last rolled back. */
export function signaturesOf(
  facts: Pick<LaunchFacts, "approvals" | "rolled_back_at">,
  gate: string,
  roles: readonly ApproverRole[],
): Approval[] {
  return facts.approvals.filter((approval) =>
    approval.gate === gate && roles.includes(approval.role) &&
    (facts.rolled_back_at === null || approval.signed_at > facts.rolled_back_at)
  );
}

/** In the order of the checklist. */
export const FACT_GATES: readonly FactGate[] = [
  {
    id: "rls",
    section: "Database",
    title: "RLS on every table, and tested",
    roles: ["security"],
    check({ facts }) {
      const faults = [
        ...facts.without_rls.map((table) => `${table} has no RLS`),
        ...facts.open_to_anon.map((name) => `anon may use ${name}`),
        ...facts.policies_for_anon.map((policy) => `policy ${policy} is for anon`),
      ];
      const good = `${facts.tables.length} tables, by the catalog`;
      return none(faults, good, "open", "Close it in a migration; see CONTRIBUTING.md");
    },
  },
  {
    id: "indexes",
    section: "Database",
    title: "Indexes verified (EXPLAIN)",
    roles: ["engineering"],
    check({ facts }) {
      const bad = facts.plans.filter(({ reads_whole }) => reads_whole.length > 0)
        .map(({ query, reads_whole }) => `${query} reads all of ${reads_whole.join(", ")}`);
      return none(
        bad,
        `${facts.plans.length} hot queries use indexes`,
        "queries without an index",
        "Restore the index",
      );
    },
  },
  {
    id: "allowlist",
    section: "Security",
    title: "Destination URL allowlist verified",
    roles: ["security"],
    async check({ facts, local }) {
      if (facts.allowlist.length === 0) {
        return open("it is empty, so nothing can be forwarded", "gatelink allowlist add HOST --for forward");
      }
      const bad: string[] = [];
      for (const { pattern, purpose } of facts.allowlist) {
        if (local && /^(127\.0\.0\.1|localhost)$/.test(pattern)) continue;
        const checked = await checkPattern(pattern);
        if (!checked.ok) bad.push(`${pattern} (${purpose}) ${checked.why}`);
      }
      return none(
        bad,
        `${counted(facts.allowlist.length, "host")}, none over a public suffix`,
        "must not be allowed",
        "gatelink allowlist remove HOST --for PURPOSE",
      );
    },
  },
  {
    id: "metrics",
    section: "Observability",
    title: "Metrics and counters added",
    ofFlag: true,
    roles: ["engineering"],
    check({ facts }) {
      if (Number(facts.outcomes) > 0) return passed(`${facts.outcomes} outcomes were counted for it`);
      if (facts.evaluated_at !== null) return passed(`it was last evaluated at ${facts.evaluated_at}`);
      return open(
        "it has not been evaluated yet, so nothing is counted",
        "Deploy the code that reads it and use it once: the guard needs outcomes",
      );
    },
  },
  {
    id: "flag_exists",
    section: "Feature flag",
    title: "Flag exists in database",
    ofFlag: true,
    roles: ["engineering"],
    check({ facts, flag }) {
      return facts.flag === null
        ? open("the flag does not exist", `gatelink flags set ${flag} off --new --why "…"`)
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
      if (facts.under_way) return notApplicable("its rollout is in progress");
      if (facts.flag === null) return passed("a missing flag is off");
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
        ? passed(`${facts.operators} team members can`)
        : open("no team member is an operator or admin", "set_team_member; see docs/deploy.md, Team");
    },
  },
];
