/**
 * Metrics of mails that go to chats. Six have names without the product's prefix, because a rollout plan has them
 * (`docs/mail-monitoring.md`): its alerts are to work as they stand there, so these have no labels of ours but one,
 * the source of an analysis.
 *
 * @module
 */
import type { MetricsSnapshot } from "../_shared/contract/answers/operations.ts";
import type { Metric, Sample } from "./exposition.ts";

/** The counters and measurements of a snapshot, by name; each label is split at its spaces into these. */
export interface Recorded {
  snapshot: Pick<MetricsSnapshot, "ai_accuracy" | "chats">;
  counted(name: string, ...labels: string[]): Sample[];
  measured(name: string, ...labels: string[]): Sample[];
  timed(name: string, ...labels: string[]): Sample[];
}

const STATUSES = ["delivered", "failed"];
const REASONS = ["no_route", "unknown_address", "route_error"];

/** All of them. What is alerted on begins at 0: without it Prometheus sees no increase to the first 1. */
export function mailMetrics({ snapshot, counted, measured, timed }: Recorded): Metric[] {
  const cards = counted("mail_cards", "domain", "scope", "type", "status");
  const faults = measured("happened", "what", "reason")
    .filter(([{ what }]) => what === "mail.route_failed" || what === "mail.address_unknown")
    .map((
      [{ what, reason }, n],
    ): Sample => [{ reason: what === "mail.address_unknown" ? "unknown_address" : reason }, n]);
  const failures = counted("mail_analysis_failures", "reason");
  const { ai_accuracy, chats } = snapshot;
  return [
    counter(
      "tgk_email_delivery_total",
      "Mails for chats: delivered when the card is sent, failed when its first attempt fails (it is tried again).",
      STATUSES.map((status) => [{ status }, total(cards.filter(([labels]) => labels.status === status))]),
    ),
    histogram(
      "tgk_email_routing_duration_seconds",
      "Time from receiving a mail until its card is in the chat.",
      timed("mail_card"),
    ),
    counter(
      "tgk_email_route_failures_total",
      "Mails that no route takes, where routes ask for addresses, and mails that could not be decided about.",
      [[{}, total(faults)]],
    ),
    histogram(
      "tgk_email_ai_processing_seconds",
      "Duration of analyses of mails, by source: model or rules.",
      timed("mail_analysis", "source"),
    ),
    counter(
      "tgk_email_ai_failures_total",
      "Analyses of mails that failed; the mail is delivered all the same.",
      [[{}, total(failures)]],
    ),
    gauge(
      "tgk_email_ai_accuracy_ratio",
      "Share of analyses that people found right, by source; absent without samples.",
      ai_accuracy.map(({ source, ratio }) => [{ source }, ratio]),
    ),
    counter(
      "gatelink_mail_cards_total",
      "Mails for chats by domain, scope and type of their address (other: no route names it) and status: delivered, failed.",
      cards,
    ),
    counter(
      "gatelink_mail_route_failures_total",
      "Mails that found no way, by reason: no_route, unknown_address (no route names a part of it), route_error.",
      REASONS.map((reason) => [{ reason }, total(faults.filter(([labels]) => labels.reason === reason))]),
    ),
    counter(
      "gatelink_mail_analysis_failures_total",
      "Analyses of mails that failed, by reason.",
      failures,
    ),
    counter(
      "gatelink_mail_analyses_total",
      "Analyses of mails, by source (model or rules) and outcome: done, failed.",
      counted("mail_analyses", "source", "outcome"),
    ),
    counter(
      "gatelink_oncall_lookups_total",
      "Questions who is on call, by source and outcome: found, stale, empty, failed, unlinked.",
      counted("oncall_lookups", "source", "outcome"),
    ),
    gauge(
      "gatelink_chats",
      "Chats that got a card within 30 days, and those of them in which somebody of the team acted on one.",
      [[{ what: "reached" }, chats.reached], [{ what: "active" }, chats.active]],
    ),
    gauge(
      "gatelink_chat_people",
      "People of the team who are linked to Telegram, and those of them who acted on a card within 30 days.",
      [[{ what: "linked" }, chats.linked], [{ what: "active" }, chats.acting]],
    ),
  ];
}

function total(samples: readonly Sample[]): number {
  return samples.reduce((sum, [, value]) => sum + (value as number), 0);
}

const counter = (name: string, help: string, samples: readonly Sample[]): Metric => ({
  name,
  type: "counter",
  help,
  samples,
});
const gauge = (name: string, help: string, samples: readonly Sample[]): Metric => ({
  name,
  type: "gauge",
  help,
  samples,
});

const histogram = (name: string, help: string, samples: readonly Sample[]): Metric => ({
  name,
  type: "histogram",
  help,
  samples,
});
