/**
 * The fields of Meta's webhooks that Gatelink reads: what a setup subscribes to, and what the check asks about.
 *
 * Source: Meta, "Webhooks reference" (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference).
 *
 * @module
 */

/** Without it there are no messages and no statuses. */
export const MESSAGES_FIELD = "messages";

/** Fields that every app is offered. */
export const COMMON_FIELDS = [
  MESSAGES_FIELD,
  "account_update",
  "phone_number_quality_update",
  "message_template_status_update",
  "message_template_quality_update",
  "template_category_update",
  "user_preferences",
] as const;

/** All that Gatelink reads, the common ones first. */
export const WEBHOOK_FIELDS = [
  ...COMMON_FIELDS,
  "account_alerts",
  "account_review_update",
  "business_capability_update",
  "phone_number_name_update",
  "message_template_components_update",
  "calls",
  "smb_message_echoes",
  "smb_app_state_sync",
  "history",
] as const;

/** What nobody is told of without a field, for those that a check misses most. */
export const LOST_WITHOUT: Readonly<Record<string, string>> = {
  account_update: "bans and restrictions",
  account_alerts: "warnings about the account",
  message_template_status_update: "templates that Meta approves, rejects or pauses",
  template_category_update: "templates whose category Meta changes",
  phone_number_quality_update: "the numbers' quality and limits",
  user_preferences: "opt-outs from marketing",
};
