/**
 * What Meta reports about an account itself: its templates, its numbers, its standing. Read from the changes that
 * contain no messages.
 *
 * Source: Meta, "Webhooks reference" (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/
 * reference): account_alerts, account_review_update, account_update, business_capability_update,
 * message_template_components_update, message_template_quality_update, message_template_status_update,
 * phone_number_name_update, phone_number_quality_update, template_category_update.
 *
 * @module
 */
import { id, isObject, type JsonObject, list, object, text } from "../../../json/json.ts";

/** The part that all news has. Members that do not apply are absent. */
interface Common {
  /** Meta's WABA id. */
  account: string;
  /** What happened, if it is worth a row in `account_events`: `template.paused`, `number.limit`, `account.banned`. */
  kind?: string;
  /** Meta's details, for people. */
  data?: JsonObject;
}

/** About a template, which is given by name and language or else by id. */
export interface TemplateNews extends Common {
  what: "template";
  id?: string;
  name?: string;
  language?: string;
  /** In Meta's spelling: `MARKETING`. */
  category?: string;
  /** In lower case: approved, pending, rejected, paused, disabled, deleted, … */
  status?: string;
  /** green, yellow, red or unknown. */
  quality?: string;
  reason?: string;
}

/** About a number, which Meta names as it is dialled. */
export interface NumberNews extends Common {
  what: "number";
  /** Digits only; absent if it is about every number of the account. */
  address?: string;
  quality?: string;
  /** How many people may be written to in 24 hours, in Meta's spelling: `TIER_1K`. */
  limit?: string;
  /** The verified name. */
  name?: string;
}

/** About the account. */
export interface AccountNews extends Common {
  what: "account";
  state?: "active" | "restricted" | "banned";
  /** ISO 8601: when a restriction ends. */
  until?: string;
  /** Why, in Meta's spelling: `RESTRICTED_BIZ_INITIATED_MESSAGING`. */
  why?: string;
}

/** How far the import of the app's chats is, see history.ts. */
export interface HistoryNews extends Common {
  what: "history";
  /** Meta's `phone_number_id`. */
  number: string;
  address?: string;
  /** 0 to 2: the last day, up to 90 days, up to 180 days. */
  phase?: number;
  /** The chunk's place in its phase. */
  chunk?: number;
  /** Percent of the whole. */
  progress?: number;
  /** Why nothing is shared: 2593109 if the business did not agree. */
  error?: { code: string; title?: string };
}

/** What a change reports of an account. */
export type News = TemplateNews | NumberNews | AccountNews | HistoryNews;

/** What a change reports; undefined if it is nothing of this, or names no account. */
export function newsOf(field: string, value: unknown, account: string): News | undefined {
  if (!isObject(value) || account === "") return undefined;
  const read = Object.hasOwn(READERS, field) ? READERS[field] : undefined;
  // Meta sends a template's category in more places each year.
  return read?.(value, account) ?? categoryOf(value, account);
}

const READERS: Readonly<Record<string, (value: JsonObject, account: string) => News | undefined>> = {
  message_template_status_update: templateStatus,
  message_template_quality_update: templateQuality,
  message_template_components_update: (value, account) => templateOf(value, account),
  template_category_update: templateCategory,
  phone_number_quality_update: numberQuality,
  phone_number_name_update: numberName,
  business_capability_update: (value, account) => ({
    what: "number",
    account,
    kind: "number.limit",
    limit: limitOf(value),
    data: value,
  }),
  account_alerts: (value, account) => ({ what: "account", account, kind: "account.alert", data: value }),
  account_review_update: (value, account) =>
    word(value.decision) === "rejected"
      ? { what: "account", account, kind: "account.alert", why: "REVIEW_REJECTED", data: value }
      : undefined,
  account_update: accountUpdate,
};

/** Events of `message_template_status_update` that have a row, and what they make of the status. */
const TEMPLATE_EVENTS: Readonly<Record<string, { kind?: string; status?: string }>> = {
  approved: { kind: "template.approved", status: "approved" },
  reinstated: { kind: "template.approved", status: "approved" },
  rejected: { kind: "template.rejected", status: "rejected" },
  paused: { kind: "template.paused", status: "paused" },
  disabled: { kind: "template.disabled", status: "disabled" },
  deleted: { kind: "template.deleted", status: "deleted" },
  // People block it; it is still sent.
  flagged: { kind: "template.flagged" },
};

function templateStatus(value: JsonObject, account: string): News | undefined {
  const event = word(value.event);
  const template = templateOf(value, account);
  if (event === undefined || template === undefined) return undefined;
  const known = Object.hasOwn(TEMPLATE_EVENTS, event) ? TEMPLATE_EVENTS[event] : { status: event };
  const reason = text(value.reason);
  return {
    ...template,
    ...known,
    ...(reason === undefined || reason === "NONE" ? {} : { reason }),
    data: picked(value, ["reason", "other_info", "disable_info", "rejection_info"]),
  };
}

function templateQuality(value: JsonObject, account: string): News | undefined {
  const template = templateOf(value, account);
  return template && {
    ...template,
    kind: "template.quality",
    quality: word(value.new_quality_score),
    data: picked(value, ["previous_quality_score", "new_quality_score"]),
  };
}

/** A change that was made, or one that is announced: until then the template has its `new_category`. */
function templateCategory(value: JsonObject, account: string): News | undefined {
  const template = templateOf(value, account);
  if (template === undefined) return undefined;
  const isAnnounced = id(value.correct_category) !== undefined;
  return {
    ...template,
    kind: isAnnounced ? "template.category_announced" : "template.category_changed",
    data: picked(value, [
      "previous_category",
      "new_category",
      "correct_category",
      "category_update_timestamp",
    ]),
  };
}

/** A template with its category, if the change reports one. An announced change does not count. */
function categoryOf(value: JsonObject, account: string): TemplateNews | undefined {
  const template = templateOf(value, account);
  return template?.category === undefined ? undefined : template;
}

function templateOf(value: JsonObject, account: string): TemplateNews | undefined {
  const category = id(value.new_category) ?? id(value.message_template_category) ?? id(value.category);
  const name = id(value.message_template_name);
  const language = id(value.message_template_language);
  const templateId = id(value.message_template_id);
  if ((name === undefined || language === undefined) && templateId === undefined) return undefined;
  return { what: "template", account, id: templateId, name, language, category };
}

function numberQuality(value: JsonObject, account: string): News | undefined {
  const event = word(value.event);
  const address = digits(value.display_phone_number);
  if (event === undefined || address === undefined) return undefined;
  const isQuality = event === "flagged" || event === "unflagged";
  return {
    what: "number",
    account,
    address,
    kind: isQuality ? "number.quality" : "number.limit",
    ...(event === "flagged" ? { quality: "red" } : event === "unflagged" ? { quality: "unknown" } : {}),
    limit: limitOf(value),
    data: picked(value, ["event", "current_limit", "old_limit", "max_daily_conversations_per_business"]),
  };
}

function numberName(value: JsonObject, account: string): News | undefined {
  const address = digits(value.display_phone_number);
  if (address === undefined) return undefined;
  const isApproved = word(value.decision) === "approved";
  return {
    what: "number",
    account,
    address,
    kind: "number.name",
    ...(isApproved ? { name: text(value.requested_verified_name) } : {}),
    data: picked(value, ["decision", "requested_verified_name", "rejection_reason"]),
  };
}

function accountUpdate(value: JsonObject, account: string): News | undefined {
  const event = word(value.event);
  const common = { what: "account", account, data: value } as const;
  switch (event) {
    case "account_deleted":
      return { ...common, kind: "account.banned", state: "banned", why: "ACCOUNT_DELETED" };
    case "account_violation":
      return { ...common, kind: "account.alert", why: id(object(value.violation_info)?.violation_type) };
    case "account_restriction":
      return { ...common, kind: "account.restricted", state: "restricted", ...restrictionOf(value) };
    case "disabled_update": {
      const state = word(object(value.ban_info)?.waba_ban_state);
      if (state === "reinstate") return { ...common, kind: "account.reinstated", state: "active" };
      return state === "disable"
        ? { ...common, kind: "account.banned", state: "banned", why: "DISABLE" }
        : { ...common, kind: "account.alert", why: id(object(value.ban_info)?.waba_ban_state) };
    }
    default:
      return undefined;
  }
}

/** The restriction that lasts longest. */
function restrictionOf(value: JsonObject): { why?: string; until?: string } {
  let why: string | undefined, until = 0;
  for (const each of list(value.restriction_info) ?? []) {
    if (!isObject(each)) continue;
    why ??= id(each.restriction_type);
    const end = Number(each.expiration) * 1000;
    if (end > until && end < 8.64e15) {
      until = end;
      why = id(each.restriction_type) ?? why;
    }
  }
  return { why, ...(until > 0 ? { until: new Date(until).toISOString() } : {}) };
}

/** Meta has moved the limit from the number to the business, and names it by tier or by count. */
function limitOf(value: JsonObject): string | undefined {
  return id(value.max_daily_conversations_per_business) ?? id(value.current_limit) ??
    id(value.max_daily_conversation_per_phone);
}

function digits(value: unknown): string | undefined {
  return id(value)?.replace(/\D/g, "") || undefined;
}

function word(value: unknown): string | undefined {
  return id(value)?.toLowerCase();
}

function picked(value: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.flatMap((name) => value[name] == null ? [] : [[name, value[name]]]));
}
