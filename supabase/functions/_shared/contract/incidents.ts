/**
 * Incidents: severities, the decision matrix and templates of texts. One list each, read by the command line, the
 * panel, notifications and docs/runbooks/incident.md. `private.incident_severities()` and `private.incident_kinds()` say
 * the same in SQL, where escalation and gates are decided; a test holds them together.
 *
 * @module
 */

export type Severity = "P0" | "P1" | "P2";

/** The duties that come with a severity. */
export interface SeverityFacts {
  severity: Severity;
  about: string;
  /** Minutes within which somebody must acknowledge it; null if nobody is called. */
  acknowledgeMinutes: number | null;
  /** Minutes between two calls to the last role of the escalation, and between two public updates. */
  repeatMinutes: number | null;
}

/** The most severe first. */
export const SEVERITIES: readonly SeverityFacts[] = [
  {
    severity: "P0",
    about: "people cannot use it, data is at risk, or it is a matter of security",
    acknowledgeMinutes: 5,
    repeatMinutes: 30,
  },
  {
    severity: "P1",
    about: "much worse than usual for many people",
    acknowledgeMinutes: 15,
    repeatMinutes: 60,
  },
  {
    severity: "P2",
    about: "can wait for the next working day",
    acknowledgeMinutes: null,
    repeatMinutes: null,
  },
];

/** Statuses in the order in which an incident passes through them. Any may be skipped. */
export const STATUSES = ["investigating", "identified", "monitoring", "resolved"] as const;
export type IncidentStatus = typeof STATUSES[number];

/** A line of the decision matrix. */
export interface KindFacts {
  kind: string;
  /** Its name for people. */
  issue: string;
  /** The default severity. */
  severity: Severity;
  /** Levels of `gatelink rollback` in the order in which they are run; empty if a rollback does not help. */
  wayBack: readonly (1 | 2 | 3 | 4)[];
  /** What to do if a rollback does not help. */
  instead?: string;
  /** How long the rollback may take. */
  within: string;
  /** Pages of docs/runbooks with the steps, in the order in which they are needed. */
  runbooks: readonly string[];
}

/** The decision matrix. */
export const KINDS: readonly KindFacts[] = [
  {
    kind: "error_rate",
    issue: "High error rate (above 5 %)",
    severity: "P0",
    wayBack: [1],
    within: "1 min",
    runbooks: ["1-flag.md", "traffic.md"],
  },
  {
    kind: "security",
    issue: "Security vulnerability",
    severity: "P0",
    wayBack: [1, 3],
    within: "5 min",
    runbooks: ["1-flag.md", "3-code.md"],
  },
  {
    kind: "performance",
    issue: "Performance degradation",
    severity: "P1",
    wayBack: [1],
    within: "1 min",
    runbooks: ["1-flag.md", "traffic.md"],
  },
  {
    kind: "critical_bug",
    issue: "Critical bug",
    severity: "P1",
    wayBack: [1],
    within: "1 min",
    runbooks: ["1-flag.md"],
  },
  {
    kind: "complaints",
    issue: "Many user complaints",
    severity: "P1",
    wayBack: [1],
    within: "1 min",
    runbooks: ["1-flag.md"],
  },
  {
    kind: "flag_stuck",
    issue: "The flag cannot be changed",
    severity: "P0",
    wayBack: [2],
    within: "5 min",
    runbooks: ["2-environment.md"],
  },
  {
    kind: "release",
    issue: "A whole release is broken",
    severity: "P0",
    wayBack: [3],
    within: "15 min",
    runbooks: ["traffic.md", "3-code.md"],
  },
  {
    kind: "data",
    issue: "A migration corrupts data",
    severity: "P0",
    wayBack: [3, 4],
    within: "30 min",
    runbooks: ["3-code.md", "4-database.md", "restore.md"],
  },
  {
    kind: "outage",
    issue: "A component or a provider is down",
    severity: "P1",
    wayBack: [],
    instead: "check the component: gatelink status",
    within: "15 min",
    runbooks: ["incident.md", "traffic.md"],
  },
  {
    kind: "bug",
    issue: "Minor bug",
    severity: "P2",
    wayBack: [],
    instead: "hotfix in the next deployment",
    within: "next day",
    runbooks: ["incident.md"],
  },
  {
    kind: "confusion",
    issue: "User confusion",
    severity: "P2",
    wayBack: [],
    instead: "improve documentation, adjust the interface",
    within: "next sprint",
    runbooks: ["incident.md"],
  },
  {
    kind: "other",
    issue: "Anything else",
    severity: "P2",
    wayBack: [],
    instead: "decide, and record it: gatelink incident update",
    within: "next day",
    runbooks: ["incident.md"],
  },
];

/** The line of the matrix for a kind; a kind that this version does not know gets `other`. */
export function kindFacts(kind: string): KindFacts {
  return KINDS.find((known) => known.kind === kind) ?? KINDS[KINDS.length - 1];
}

const LEVELS: Record<1 | 2 | 3 | 4, (flag: string | null, why: string) => string> = {
  1: (flag, why) => `gatelink rollback 1 ${flag ?? "<flag>"} --why "${why}"`,
  2: (flag, why) => `gatelink rollback 2 ${flag ?? "<flag>"} --why "${why}"`,
  3: (_, why) => `gatelink rollback 3 HEAD --why "${why}"`,
  4: (_, why) => `gatelink rollback 4 --steps 1 --why "${why}"`,
};

/** The members of an incident that determine its rollback commands. */
export interface WayBackOf {
  number: number;
  kind: string;
  flag_key: string | null;
}

/** The flag whose percentage is green's share of the visitors. */
const GREEN = "green.enabled";

/** The exact commands that the matrix recommends, in order; empty if a rollback does not help. */
export function wayBackCommands({ number, kind, flag_key }: WayBackOf): string[] {
  const why = `incident ${number}`;
  return kindFacts(kind).wayBack.map((level) =>
    // The same switch, verified at the gateway, which is what visitors see.
    level === 1 && flag_key === GREEN ? `gatelink traffic back --why "${why}"` : LEVELS[level](flag_key, why)
  );
}

/** The pages with the steps for a kind of incident, as paths in the repository. */
export const runbooksOf = (kind: string): string[] =>
  kindFacts(kind).runbooks.map((page) => `docs/runbooks/${page}`);

/** The recommendation of the matrix in one line. */
export function recommended(incident: WayBackOf): string {
  const { instead, within } = kindFacts(incident.kind);
  const commands = wayBackCommands(incident);
  return `${commands.length > 0 ? commands.join(" && ") : instead} (within ${within})`;
}

/** Placeholders that a template may contain, as `{{…}}`. */
export const PLACEHOLDERS = [
  "number",
  "title",
  "severity",
  "status",
  "kind",
  "flag",
  "component",
  "opened_at",
  "text",
  "way_back",
  "role",
  "next_update",
] as const;
export type Placeholder = typeof PLACEHOLDERS[number];

/** Placeholders of the two notices of a rollback besides. */
export const ROLLBACK_PLACEHOLDERS = [
  "system",
  "outcome",
  "timestamp",
  "impact",
  "minutes",
  "reason",
  "phase_1",
  "phase_2",
  "phase_3",
  "incident_commander",
  "technical_lead",
] as const;
export type RollbackPlaceholder = typeof ROLLBACK_PLACEHOLDERS[number];

/** A text's audience: texts for the team may contain notes and commands, texts for the public may not. */
export interface TemplateFacts {
  about: string;
  audience: "team" | "public";
  text: string;
  /** Placeholders that it may contain in addition. */
  more?: readonly RollbackPlaceholder[];
}

/**
 * Templates of incidents' texts with their defaults, which the team may change (setting `incident_template.<name>`).
 * The status page shows a status's template for updates without a text.
 */
export const TEMPLATES: Readonly<Record<string, TemplateFacts>> = {
  incident_channel: {
    about: "incident channel: each step of an incident",
    audience: "team",
    text:
      "{{severity}} #{{number}} {{status}}: {{title}}\n{{text}}\nWhat to do: {{way_back}}\nAcknowledge: gatelink incident acknowledge {{number}}",
  },
  escalation: {
    about: "escalation: the role that is called if nobody acknowledges in time",
    audience: "team",
    text:
      "Nobody has acknowledged {{severity}} #{{number}} since {{opened_at}}. {{role}}: please take over.\n{{title}}\nWhat to do: {{way_back}}\nAcknowledge: gatelink incident acknowledge {{number}}",
  },
  status_investigating: {
    about: "status page: the problem is being investigated",
    audience: "public",
    text: "We are looking into it. The next update follows within {{next_update}}.",
  },
  status_identified: {
    about: "status page: the cause is known",
    audience: "public",
    text: "We have found the cause and are working on it. The next update follows within {{next_update}}.",
  },
  status_monitoring: {
    about: "status page: a fix is in place and being monitored",
    audience: "public",
    text: "A fix is in place, and we are monitoring the result.",
  },
  status_resolved: {
    about: "status page: the incident is resolved",
    audience: "public",
    text: "This incident is resolved. We apologise for the disruption.",
  },
  affected_users: {
    about: "people affected by an incident",
    audience: "public",
    text:
      "Something did not work when you used it: {{title}}. It began at {{opened_at}} and is now {{status}}. You do not need to do anything. We apologise.",
  },
  announcement_beta: {
    about: "people who get a feature first",
    audience: "public",
    text:
      "You are among the first to get {{flag}}. If something does not work, reply to this message: a person will read it.",
  },
  announcement_all: {
    about: "everybody, after a launch",
    audience: "public",
    text: "{{flag}} is now available to everybody. {{text}}",
  },
  rollback_notice: {
    about: "incident channel: a rollback was run",
    audience: "team",
    text:
      "Rolled back: {{title}} (#{{number}}, {{severity}}). {{text}}\nThe next update follows within {{next_update}}.",
  },
  emergency_rollback: {
    about: "gatelink incident say: everybody was taken back at once",
    audience: "team",
    more: ROLLBACK_PLACEHOLDERS,
    text: [
      "🚨 EMERGENCY ROLLBACK - {{system}}",
      "",
      "Status: {{outcome}}",
      "Time: {{timestamp}}",
      "Impact: {{impact}}",
      "Downtime: {{minutes}}",
      "",
      "Next Steps:",
      "- Monitoring system stability",
      "- Investigating root cause",
      "- Will provide update in 1 hour",
      "",
      "Team: {{incident_commander}}",
    ].join("\n"),
  },
  planned_rollback: {
    about: "gatelink incident say: visitors are taken back by steps",
    audience: "team",
    more: ROLLBACK_PLACEHOLDERS,
    text: [
      "📢 PLANNED ROLLBACK - {{system}}",
      "",
      "Status: {{outcome}}",
      "Reason: {{reason}}",
      "Expected Duration: {{minutes}}",
      "Impact: {{impact}}",
      "",
      "Progress:",
      "{{phase_1}} Phase 1: Traffic reduction started",
      "{{phase_2}} Phase 2: Rollback in progress",
      "{{phase_3}} Phase 3: Verification pending",
      "",
      "Team: {{technical_lead}}",
    ].join("\n"),
  },
};

/** The name of a status's template for the status page. */
export const statusTemplate = (status: string): string => `status_${status}`;

/** Placeholders for the team's texts only, because they reveal internals. */
const INTERNAL: readonly string[] = ["kind", "component", "way_back", "role"];
export const TEMPLATE_LENGTH = 2000;

/** The errors in a template's text; empty if it is valid. The database checks the same. */
export function templateFaults(name: string, text: string): string[] {
  const template = TEMPLATES[name];
  if (template === undefined) return [`there is no template ${name}: ${Object.keys(TEMPLATES).join(", ")}`];
  const allowed: readonly string[] = [
    ...PLACEHOLDERS.filter((name) => template.audience === "team" || !INTERNAL.includes(name)),
    ...template.more ?? [],
  ];
  const rest = text.replace(/\{\{([a-z_0-9]+)\}\}/g, (whole, name) => allowed.includes(name) ? "" : whole);
  const unknown = /\{\{.{0,40}|\}\}/s.exec(rest)?.[0];
  return [
    ...!/\S/.test(text) || [...text].length > TEMPLATE_LENGTH ? [`1 to ${TEMPLATE_LENGTH} characters`] : [],
    ...unknown === undefined ? [] : [
      `${unknown} is not one of its placeholders: ${allowed.map((name) => `{{${name}}}`).join(", ")}`,
    ],
  ];
}

/** Fills in a template. Unknown values are left empty; a line whose placeholders are all empty is dropped. */
export function fillTemplate(
  text: string,
  values: Readonly<Partial<Record<Placeholder | RollbackPlaceholder, string>>>,
): string {
  return text.split("\n").flatMap((line) => {
    let asked = 0, given = 0;
    const filled = line.replace(/\{\{([a-z_0-9]+)\}\}/g, (_, name: Placeholder) => {
      asked++;
      const value = values[name] ?? "";
      if (value !== "") given++;
      return value;
    });
    return asked > 0 && given === 0 ? [] : [filled];
  }).join("\n").trim();
}

/** The members of an incident that fill its templates. */
export interface IncidentFacts extends WayBackOf {
  title: string;
  severity: string;
  status: string;
  component: string | null;
  /** ISO time. */
  opened_at: string;
}

/** The values of an incident's placeholders. @param role The role that is called, for an escalation */
export function templateValues(
  incident: IncidentFacts,
  { text = "", role = "" }: { text?: string; role?: string } = {},
): Record<Placeholder, string> {
  const minutes = SEVERITIES.find(({ severity }) => severity === incident.severity)?.repeatMinutes ?? null;
  return {
    number: String(incident.number),
    title: incident.title,
    severity: incident.severity,
    status: incident.status,
    kind: kindFacts(incident.kind).issue,
    flag: (incident.flag_key ?? "").replace(/\.enabled$/, ""),
    component: incident.component ?? "",
    opened_at: `${new Date(incident.opened_at).toISOString().slice(0, 16).replace("T", " ")} UTC`,
    text,
    way_back: recommended(incident),
    role,
    next_update: minutes === null ? "a day" : `${minutes} minutes`,
  };
}

/** The public text of an update: its own text, or else its status's template. */
export function publicText(
  { status, text }: { status: string; text: string | null },
  severity: string,
  template?: string | null,
): string {
  if (text !== null) return text;
  const minutes = SEVERITIES.find((known) => known.severity === severity)?.repeatMinutes ?? null;
  return fillTemplate(template ?? TEMPLATES[statusTemplate(status)]?.text ?? "", {
    status,
    severity,
    next_update: minutes === null ? "a day" : `${minutes} minutes`,
  });
}
