/**
 * The gates of a ramp to green: a rollout plan's checklists of what is done before, during and after it. They apply to
 * `green.enabled` alone; those of a later list are not due before it begins.
 *
 * @module
 */
import type { Entry, SignOff } from "./entry.ts";

const FLAG = "green.enabled";

/** The percentages of the plan's six phases, in their order. */
export const PHASES = [1, 5, 10, 25, 50, 100] as const;
const NUMBERS = ["one", "two", "three", "four", "five", "six"];
/** The gate of a phase, by its place among {@link PHASES}. */
export const phaseGate = (index: number): string => `green_phase_${NUMBERS[index]}`;

const checked = (section: Entry["section"], id: string, title: string): Entry => ({
  id,
  section,
  title,
  ofFlag: true,
  flag: FLAG,
  roles: ["engineering"],
});
const BEFORE = "Before a ramp", DURING = "During a ramp", AFTER = "After a ramp";

/** Those that the command line checks. */
export const GREEN_ENTRIES: readonly Entry[] = [
  checked(BEFORE, "green_infrastructure", "Blue-green infrastructure provisioned and tested"),
  checked(BEFORE, "green_dashboards", "Monitoring dashboards configured and operational"),
  checked(BEFORE, "green_alerts", "Alerting rules configured and tested"),
  checked(BEFORE, "green_rehearsed", "Rollback procedures documented and rehearsed"),
  checked(BEFORE, "green_status_page", "Status page prepared for updates"),
  checked(BEFORE, "green_contacts", "Emergency contacts confirmed and available"),
  ...PHASES.map((share, index) =>
    checked(DURING, phaseGate(index), `Phase ${index + 1}: ${share}% traffic routed successfully`)
  ),
  checked(DURING, "green_metrics", "Monitoring: all metrics within acceptable ranges"),
  checked(DURING, "green_no_alerts", "Alerts: no critical alerts triggered"),
  checked(DURING, "green_performance", "Performance: response times within SLA"),
  checked(AFTER, "green_health", "System health validated for 2+ hours"),
  checked(AFTER, "green_post_mortem", "Post-mortem scheduled (if any issues occurred)"),
  checked(AFTER, "green_retired", "Old environment safely decommissioned"),
];

/** Those that people sign. */
export const GREEN_SIGN_OFFS: readonly SignOff[] = [
  {
    id: "green_staging",
    section: BEFORE,
    title: "Staging validation completed successfully",
    roles: ["engineering", "product"],
    flag: FLAG,
  },
  {
    id: "green_load",
    section: BEFORE,
    title: "Load testing completed at 10x capacity",
    roles: ["engineering"],
    flag: FLAG,
  },
  {
    id: "green_security",
    section: BEFORE,
    title: "Security testing completed with no critical issues",
    roles: ["security", "engineering"],
    flag: FLAG,
  },
  {
    id: "green_team_told",
    section: BEFORE,
    title: "Team notification sent to all stakeholders",
    roles: ["engineering", "product"],
    flag: FLAG,
  },
  {
    id: "green_functionality",
    section: DURING,
    title: "Functionality: all features working correctly",
    roles: ["engineering", "product"],
    flag: FLAG,
  },
  {
    id: "green_figures_reviewed",
    section: AFTER,
    title: "Performance metrics reviewed and documented",
    roles: ["engineering"],
    flag: FLAG,
  },
  {
    id: "green_logs_reviewed",
    section: AFTER,
    title: "Error logs reviewed for any issues",
    roles: ["engineering"],
    flag: FLAG,
  },
  {
    id: "green_business",
    section: AFTER,
    title: "Business metrics validated (open rates, click rates)",
    roles: ["product", "engineering"],
    flag: FLAG,
  },
  {
    id: "green_success_told",
    section: AFTER,
    title: "Team notification of successful deployment",
    roles: ["engineering", "product"],
    flag: FLAG,
  },
  {
    id: "green_status_updated",
    section: AFTER,
    title: "Status page updated with success message",
    roles: ["product", "engineering"],
    flag: FLAG,
  },
  {
    id: "green_documentation",
    section: AFTER,
    title: "Documentation updated with lessons learned",
    roles: ["engineering", "product"],
    flag: FLAG,
  },
  {
    id: "green_success_documented",
    section: AFTER,
    title: "Success metrics documented for future reference",
    roles: ["engineering", "product"],
    flag: FLAG,
  },
];
