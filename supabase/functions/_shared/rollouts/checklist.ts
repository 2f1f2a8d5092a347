/**
 * The launch gates that are checked automatically: their ids, their section of the manual's checklist, and
 * who may declare them not applicable. `sign_offs.ts` has the gates that people sign, `fact_gates.ts` the
 * checks that need only the database; the command line has all others.
 *
 * @module
 */
import type { Entry } from "./entry.ts";
import { GREEN_ENTRIES } from "./green_gates.ts";

export { type Entry, type Section, SECTIONS } from "./entry.ts";

const ENGINEERING = ["engineering"] as const, SECURITY = ["security"] as const;

/** Gates that examine a checkout, running functions or the platform, which only the command line can. */
export const CLI_ENTRIES: readonly Entry[] = [
  {
    id: "ci",
    section: "Code quality",
    title: "All CI checks passing (lint, typecheck, unit and integration tests)",
    roles: ENGINEERING,
  },
  {
    id: "load_test",
    section: "Code quality",
    title: "Performance benchmarks met, load testing completed",
    roles: ENGINEERING,
  },
  { id: "migrations", section: "Database", title: "Migrations applied", roles: ENGINEERING },
  { id: "reverses", section: "Database", title: "Rollback SQL prepared", roles: ENGINEERING },
  { id: "backup", section: "Database", title: "Backup taken before migration", roles: ENGINEERING },
  { id: "no_secrets", section: "Security", title: "No hardcoded secrets in code", roles: SECURITY },
  { id: "signatures", section: "Security", title: "WhatsApp signature tests passing", roles: SECURITY },
  { id: "rate_limits", section: "Security", title: "Rate limits configured", roles: SECURITY },
  { id: "secrets", section: "Security", title: "Secrets present", roles: SECURITY },
  { id: "secrets_age", section: "Security", title: "Secrets rotated (if needed)", roles: SECURITY },
  {
    id: "structured_logs",
    section: "Observability",
    title: "Structured logging in place",
    roles: ENGINEERING,
  },
  {
    id: "runbook",
    section: "Observability",
    title: "Runbook updated, rollback plan documented",
    roles: ENGINEERING,
  },
  { id: "alerts", section: "Observability", title: "Alerts configured", roles: ENGINEERING },
  {
    id: "flag_documented",
    section: "Feature flag",
    title: "Flag documented in docs/flags.md",
    ofFlag: true,
    roles: ENGINEERING,
  },
  ...GREEN_ENTRIES,
];

/** The entry with this id. @throws {Error} if there is none */
export function entry(id: string): Entry {
  const found = CLI_ENTRIES.find((one) => one.id === id);
  if (found === undefined) throw new Error(`the checklist has no gate ${id}`);
  return found;
}
