/**
 * What services may want to know of Meta's other reports: templates, numbers, accounts, calls. Messages, statuses and
 * opt-outs become events in the database.
 *
 * Source: Meta, the webhook references of the fields named below
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference).
 *
 * @module
 */
import type { EventType } from "../../../contract/event_types.ts";
import { id, type JsonObject, list, object, text } from "../../../json/json.ts";

/** An event besides messages and statuses, as the SQL function `ingest_updates` takes it. */
export interface ReportedEvent {
  type: EventType;
  /** Meta's WABA id; absent for an event about a person. */
  account?: string;
  /** Members of the event's data. */
  detail: Record<string, unknown>;
}

/** The event that a change reports; undefined if services are told nothing of it. */
export function changeEvent(field: string, value: JsonObject, account: string): ReportedEvent | undefined {
  switch (field) {
    case "message_template_status_update":
      return templateStatus(value, account);
    case "template_category_update":
      // Only announced, it has no new_category.
      return id(value.new_category) === undefined
        ? undefined
        : templateEvent("template.category_changed", value, account);
    case "phone_number_quality_update":
      return numberEvent(
        value,
        account,
        /^(?:UN)?FLAGGED$/.test(text(value.event) ?? "") ? "number.quality" : "number.limit",
      );
    case "business_capability_update":
      return numberEvent(value, account, "number.limit");
    case "account_alerts":
      return accountEvent("account.alert", value, account);
    case "account_review_update":
      return value.decision === "APPROVED" ? undefined : accountEvent("account.alert", value, account);
    case "account_update":
      return HARMLESS.has(text(value.event) ?? "")
        ? undefined
        : accountEvent(accountType(value), value, account);
  }
}

const TEMPLATE_STATUSES: Readonly<Record<string, EventType>> = {
  APPROVED: "template.approved",
  REINSTATED: "template.approved",
  REJECTED: "template.rejected",
  PAUSED: "template.paused",
  DISABLED: "template.disabled",
};

function templateStatus(value: JsonObject, account: string): ReportedEvent | undefined {
  const status = text(value.event) ?? "";
  return Object.hasOwn(TEMPLATE_STATUSES, status)
    ? templateEvent(TEMPLATE_STATUSES[status], value, account)
    : undefined;
}

function templateEvent(type: EventType, value: JsonObject, account: string): ReportedEvent {
  const reason = id(value.reason);
  return {
    type,
    account,
    detail: {
      template: {
        account,
        id: id(value.message_template_id),
        name: id(value.message_template_name),
        language: id(value.message_template_language),
        category: (id(value.new_category) ?? id(value.message_template_category))?.toLowerCase(),
        previous_category: id(value.previous_category)?.toLowerCase(),
        reason: reason === "NONE" ? undefined : reason,
      },
    },
  };
}

function numberEvent(value: JsonObject, account: string, type: EventType): ReportedEvent {
  return {
    type,
    account,
    detail: {
      number: {
        account,
        address: text(value.display_phone_number)?.replace(/\D/g, "") || undefined,
        event: id(value.event),
        limit: id(value.current_limit) ?? id(value.max_daily_conversations_per_business) ??
          id(value.max_daily_conversation_per_phone),
        previous_limit: id(value.old_limit),
      },
    },
  };
}

/** What `account_update` reports that is nothing to worry about. A word that is not known is an alert. */
const HARMLESS = new Set([
  ...[
    "VERIFIED_ACCOUNT",
    "ACCOUNT_RECONNECTED",
    "PARTNER_ADDED",
    "PARTNER_APP_INSTALLED",
    "AD_ACCOUNT_LINKED",
  ],
  ...["MM_LITE_TERMS_SIGNED", "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE", "VOLUME_BASED_PRICING_TIER_UPDATE"],
  ...["PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE", "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE"],
]);

function accountType(value: JsonObject): EventType {
  switch (text(value.event)) {
    case "DISABLED_UPDATE":
      return id(object(value.ban_info)?.waba_ban_state) === "REINSTATE" ? "account.alert" : "account.banned";
    case "ACCOUNT_RESTRICTION":
      return "account.restricted";
    default:
      return "account.alert";
  }
}

function accountEvent(type: EventType, value: JsonObject, account: string): ReportedEvent {
  const alert = object(value.alert_info) ?? value;
  return {
    type,
    account,
    detail: {
      account: {
        id: account,
        event: id(value.event) ?? id(alert.alert_type) ?? id(value.decision),
        state: id(object(value.ban_info)?.waba_ban_state),
        severity: id(alert.alert_severity),
        description: text(alert.alert_description) ?? id(object(value.violation_info)?.violation_type),
        restrictions: list(value.restriction_info)?.flatMap((each) =>
          id(object(each)?.restriction_type) ?? []
        ),
      },
    },
  };
}

const CALL_EVENTS: Readonly<Record<string, EventType>> = {
  connect: "call.connect",
  terminate: "call.terminate",
  RINGING: "call.ringing",
  ACCEPTED: "call.accepted",
  REJECTED: "call.rejected",
};

/** The event of an item of `calls` or of its `statuses`; undefined for an unknown one. */
export function callEvent(item: JsonObject): ReportedEvent | undefined {
  const what = text(item.event) ?? text(item.status) ?? "";
  if (!Object.hasOwn(CALL_EVENTS, what)) return undefined;
  return {
    type: CALL_EVENTS[what],
    detail: {
      call: {
        id: id(item.id),
        direction: id(item.direction),
        status: item.event === "terminate" ? id(item.status) : undefined,
        seconds: typeof item.duration === "number" ? item.duration : undefined,
      },
    },
  };
}
