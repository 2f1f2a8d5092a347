/**
 * The body of a notification: a signed event for programs, a text for chats, a mail for people. Pure.
 *
 * @module
 */
import type { Report } from "../contract/answers/reports.ts";
import type { AccountEvent } from "../contract/http/accounts.ts";
import type { RolloutEvent } from "../contract/http/flags.ts";
import type { IncidentEvent } from "../contract/http/incidents.ts";
import type { MailboxEvent } from "../contract/http/mailboxes.ts";
import type { HealthEvent, TestEvent } from "../contract/http/operation.ts";
import type { NoticeEvent, ReportEvent } from "../contract/http/reports.ts";
import {
  fillTemplate,
  type IncidentFacts,
  recommended,
  TEMPLATES,
  templateValues,
} from "../contract/incidents.ts";
import { MAIL_PROVIDER_NAMES } from "../contract/mail_providers.ts";
import type { RolloutState } from "../contract/states.ts";
import { accountAdvice, accountEventInWords } from "../contract/words/accounts.ts";
import { healthAdvice, healthInWords, type JudgedPart } from "../contract/words/health.ts";
import { reportAdvice, reportInWords, reportTitle } from "../contract/words/reports.ts";
import { adviceInWords, type EventFacts, eventInWords } from "../contract/words/rollouts.ts";
import type { SlackText } from "../delivery/deliver.ts";

/** An event, as stored in the table `notifications`. */
export type Notification =
  | RolloutNotification
  | PartNotification
  | IncidentNotification
  | ReportNotification
  | AccountNotification
  | NoticeNotification
  | MailboxNotification
  | TestNotification;

/** A test by somebody of the team. */
export interface TestNotification {
  kind: "test";
  /** ISO time. */
  at: string;
  /** Name of the endpoint. */
  endpoint: string;
}

/** What the provider reported of a template, a number or an account. */
export interface AccountNotification {
  /** As in `account_events`, with an underscore: `template_paused`. */
  kind: string;
  /** ISO time. */
  at: string;
  account_event: Omit<AccountEvent["data"], "message" | "what_to_do">;
}

/** The provider ended our access to a mailbox. */
export interface MailboxNotification {
  kind: "mailbox_reauthorise";
  /** ISO time. */
  at: string;
  mailbox: Omit<MailboxEvent["data"], "message" | "what_to_do">;
}

/** Somebody is to be told of a rollout. */
export interface NoticeNotification {
  kind: "notice";
  /** ISO time. */
  at: string;
  notice: Omit<NoticeEvent["data"], "message" | "what_to_do" | "report"> & { report: Report | null };
}

/** A report that was due. */
export interface ReportNotification {
  kind: "report";
  /** ISO time. */
  at: string;
  report: Report;
}

/** A step of an incident. */
export interface IncidentNotification {
  kind:
    | "incident_opened"
    | "incident_updated"
    | "incident_acknowledged"
    | "incident_escalated"
    | "incident_taken_back"
    | "incident_resolved";
  /** ISO time. */
  at: string;
  incident: IncidentFacts & Pick<IncidentEvent["data"], "severity" | "status">;
  /** Text by the person who acted. */
  text: string | null;
  /** Who is called; null except for an escalation. */
  role: string | null;
  /** The team's own text; null for the default one. */
  template: string | null;
}

/** The state of a health component. */
export interface PartNotification {
  kind: "failing" | "recovered";
  /** ISO time. */
  at: string;
  /** A component, or the pool of numbers of an organisation, which figures name. */
  part: JudgedPart;
}

/** An event of a rollout. */
export interface RolloutNotification extends EventFacts {
  /** ISO time. */
  at: string;
  event_id: string;
  rollout_id: string;
  flag: string;
  plan: string;
  verdict: RolloutEvent["data"]["verdict"];
  state: RolloutState;
  stage: { position: number; name: string; percentage: number } | null;
  actor: string;
  reason: string | null;
}

/** Most characters of a mail's subject. */
const MAX_SUBJECT = 150;

/** The mail for an endpoint of kind email: the first line of what happened is its subject. */
export function mailOf(told: Notification): { subject: string; text: string } {
  const { data } = bodyOf("webhook", told) as Exclude<ReturnType<typeof bodyOf>, SlackText>;
  const what = "title" in data && "report" in told
    ? String(data.title)
    : "flag" in data && "stage" in data
    ? `${data.flag}: ${data.message}`
    : data.message;
  const [first] = what.split("\n", 1);
  const subject = first.length <= MAX_SUBJECT ? first : `${first.slice(0, MAX_SUBJECT - 1).trimEnd()}…`;
  return { subject, text: `${data.message}\n\n${data.what_to_do}\n\n${told.at}\n` };
}

/** The body for an endpoint of this kind. */
export function bodyOf(
  endpoint: "webhook" | "slack",
  told: Notification,
):
  | RolloutEvent
  | HealthEvent
  | IncidentEvent
  | ReportEvent
  | NoticeEvent
  | AccountEvent
  | MailboxEvent
  | TestEvent
  | SlackText {
  if ("endpoint" in told) return bodyOfTest(endpoint, told);
  if ("account_event" in told) return bodyOfAccount(endpoint, told);
  if ("part" in told) return bodyOfPart(endpoint, told);
  if ("report" in told) return bodyOfReport(endpoint, told);
  if ("incident" in told) return bodyOfIncident(endpoint, told);
  if ("mailbox" in told) return bodyOfMailbox(endpoint, told);
  if ("notice" in told) return bodyOfNotice(endpoint, told);
  const { kind, at, figures: _, ...facts } = told;
  const message = eventInWords(told);
  const what_to_do = adviceInWords(told);
  return endpoint === "slack"
    ? { text: escaped(`${facts.flag}: ${message}\n${what_to_do}`) }
    : { type: `rollout.${kind}`, timestamp: at, data: { ...facts, message, what_to_do } };
}

function bodyOfTest(
  endpoint: "webhook" | "slack",
  { at, endpoint: name }: TestNotification,
): TestEvent | SlackText {
  const message = `This is a test of the notification endpoint ${name}.`;
  const what_to_do = "Nothing. Notifications arrive here.";
  return endpoint === "slack"
    ? { text: escaped(`${message}\n${what_to_do}`) }
    : { type: "test", timestamp: at, data: { endpoint: name, message, what_to_do } };
}

function bodyOfPart(
  endpoint: "webhook" | "slack",
  { kind, at, part }: PartNotification,
): HealthEvent | SlackText {
  const [{ component, status, why }] = healthInWords([part]);
  const what = component === "pool"
    ? `the pool of ${part.figures.name}`
    : component === "on_call"
    ? `the schedule ${part.figures.schedule}`
    : component;
  const message = kind === "recovered" ? `${what} does well again` : `${what} is ${status}: ${why}`;
  const what_to_do = kind === "recovered" ? "Nothing." : healthAdvice(component);
  return endpoint === "slack"
    ? { text: escaped(kind === "recovered" ? message : `${message}\n${what_to_do}`) }
    : { type: `health.${kind}`, timestamp: at, data: { component, status, why, message, what_to_do } };
}

const TEMPLATE_OF: Partial<Record<IncidentNotification["kind"], string>> = {
  incident_escalated: "escalation",
  incident_taken_back: "rollback_notice",
};

function bodyOfIncident(
  endpoint: "webhook" | "slack",
  { kind, at, incident, text, role, template }: IncidentNotification,
): IncidentEvent | SlackText {
  const said = text ?? (kind === "incident_acknowledged" ? "Somebody has it in hand." : "");
  const message = fillTemplate(
    template ?? TEMPLATES[TEMPLATE_OF[kind] ?? "incident_channel"].text,
    templateValues(incident, { text: said, role: role ?? "" }),
  );
  return endpoint === "slack" ? { text: escaped(message) } : {
    type: kind.replace("_", ".") as IncidentEvent["type"],
    timestamp: at,
    data: { ...incident, text, role, message, what_to_do: recommended(incident) },
  };
}

function bodyOfReport(
  endpoint: "webhook" | "slack",
  { at, report }: ReportNotification,
): ReportEvent | SlackText {
  const title = reportTitle(report);
  const message = reportInWords(report).join("\n");
  const what_to_do = reportAdvice(report);
  const { id, kind, rollout_id, flag_key, period_from, due_at, figures, look } = report;
  return endpoint === "slack" ? { text: escaped(`${title}\n${message}\n${what_to_do}`) } : {
    type: `report.${kind}`,
    timestamp: at,
    data: {
      id,
      rollout_id,
      flag_key,
      from: period_from,
      to: due_at,
      figures,
      look,
      title,
      message,
      what_to_do,
    },
  };
}

function bodyOfAccount(
  endpoint: "webhook" | "slack",
  { kind, at, account_event: event }: AccountNotification,
): AccountEvent | SlackText {
  const type = kind.replace("_", ".") as AccountEvent["type"];
  const message = accountEventInWords({ kind: type, ...event });
  const what_to_do = accountAdvice(type);
  return endpoint === "slack"
    ? { text: escaped(what_to_do === "Nothing." ? message : `${message}\n${what_to_do}`) }
    : { type, timestamp: at, data: { ...event, message, what_to_do } };
}

function bodyOfMailbox(
  endpoint: "webhook" | "slack",
  { at, mailbox }: MailboxNotification,
): MailboxEvent | SlackText {
  const message = `${
    MAIL_PROVIDER_NAMES[mailbox.provider]
  } ended the access to the mailbox ${mailbox.address}: ${
    mailbox.error ?? "no reason"
  }. Mail from it waits, and answers are not read.`;
  const what_to_do = "Connect the mailbox again, on the panel's page Mail, Mailboxes. See docs/mailboxes.md.";
  return endpoint === "slack"
    ? { text: escaped(`${message}\n${what_to_do}`) }
    : { type: "mailbox.reauthorise", timestamp: at, data: { ...mailbox, message, what_to_do } };
}

function bodyOfNotice(
  endpoint: "webhook" | "slack",
  { at, notice }: NoticeNotification,
): NoticeEvent | SlackText {
  const { report, ...facts } = notice;
  const what = `${facts.flag}, day ${facts.day}: ${facts.to}. ${facts.text}`;
  const message = report === null ? what : [what, ...reportInWords(report)].join("\n");
  const what_to_do = report === null ? "Tell them, unless you have." : reportAdvice(report);
  return endpoint === "slack" ? { text: escaped(`${message}\n${what_to_do}`) } : {
    type: "rollout.notice",
    timestamp: at,
    data: { ...facts, report: report === null ? null : { ...report }, message, what_to_do },
  };
}

/** Escapes the three characters that are special in Slack. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
