/**
 * What somebody can be told of: steps of rollouts, parts that fail and recover, steps of incidents, reports, notices of
 * rollouts, and what Meta reports of templates, numbers and accounts, and
 * mailboxes whose access ended. `notification_endpoints` takes the same.
 */
export const EVENTS = [
  "started",
  "advanced",
  "held",
  "paged",
  "paused",
  "resumed",
  "rolled_back",
  "completed",
  "failing",
  "recovered",
  "incident_opened",
  "incident_updated",
  "incident_acknowledged",
  "incident_escalated",
  "incident_resolved",
  "report",
  "notice",
  "template_paused",
  "template_disabled",
  "template_rejected",
  "template_category_changed",
  "template_category_announced",
  "number_quality",
  "number_limit",
  "account_alert",
  "account_restricted",
  "account_banned",
  "account_reinstated",
  "mailbox_reauthorise",
];
