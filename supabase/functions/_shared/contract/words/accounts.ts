/**
 * What Meta reports of accounts, numbers and templates, in words: for notifications, the panel and the command line.
 * Pure.
 *
 * @module
 */

/** Kinds of events that somebody may have to do something about. */
export const GRAVE_KINDS = [
  "account.banned",
  "account.restricted",
  "account.alert",
  "number.quality",
  "number.limit",
  "template.paused",
  "template.disabled",
  "template.rejected",
  "template.category_changed",
] as const;

/** An event of `account_events`. */
export interface AccountFacts {
  readonly kind: string;
  readonly account: string;
  readonly account_name: string | null;
  readonly subject: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A row of `imports`, as far as it is put into words. */
export interface ImportFacts {
  readonly state: "importing" | "complete" | "declined" | "failed";
  readonly progress: number;
  readonly messages: number;
  readonly error: string | null;
}

/** The account as people know it: its name, else its id. */
export function accountInWords(
  { account, account_name }: Pick<AccountFacts, "account" | "account_name">,
): string {
  return account_name ?? account;
}

/** What happened, as one sentence without a full stop. */
export function accountEventInWords(facts: AccountFacts): string {
  const { kind, subject, data } = facts;
  const text = (name: string) => typeof data[name] === "string" ? data[name] : undefined;
  const because = (name: string) => text(name) === undefined ? "" : `: ${text(name)}`;
  const template = `Template ${subject ?? "(unknown)"}`;
  const number = subject === null ? `Numbers of ${accountInWords(facts)}` : `+${subject}`;
  const account = `Account ${accountInWords(facts)}`;
  switch (kind) {
    case "template.approved":
      return `${template} was approved`;
    case "template.rejected":
      return `${template} was rejected${because("reason")}`;
    case "template.paused":
      return `${template} was paused, because people block or report it${because("reason")}`;
    case "template.disabled":
      return `${template} was disabled for good${because("reason")}`;
    case "template.deleted":
      return `${template} was deleted`;
    case "template.flagged":
      return `${template} is about to be paused: people block or report it`;
    case "template.quality":
      return `${template} has quality ${text("quality") ?? "unknown"}`;
    case "template.category_changed":
      return `${template} is now ${(text("category") ??
        "in another category")}, which changes its price and who may get it`;
    case "template.category_announced":
      return `${template} will be ${
        text("correct_category")?.toLowerCase() ?? "in another category"
      }: Meta announces the change`;
    case "number.quality":
      return `${number}: ${
        text("quality") === "red" ? "the quality is low, and the limit may fall" : "the quality has changed"
      }`;
    case "number.limit":
      return `${number} may write to ${limitInWords(text("limit"))} in 24 hours`;
    case "number.name":
      return `${number}: Meta decided about its name${because("decision")}`;
    case "number.history_complete":
      return `${number}: the chats of the WhatsApp Business app were imported`;
    case "number.history_declined":
      return `${number}: the chats of the WhatsApp Business app are not shared`;
    case "number.history_failed":
      return `${number}: Meta could not share the chats of the WhatsApp Business app${because("error")}`;
    case "account.alert":
      return `${account}: ${
        text("alert_description") ?? text("alert_type") ?? text("why") ?? "Meta sent an alert"
      }`;
    case "account.restricted":
      return `${account} is restricted${because("why")}${
        text("until") === undefined ? "" : `, until ${text("until")}`
      }`;
    case "account.banned":
      return `${account} is banned: nothing is sent from its numbers`;
    case "account.reinstated":
      return `${account} may send again`;
    default:
      return `${account}: ${kind}`;
  }
}

/** What the team can do about it; "Nothing." if nothing is needed. */
export function accountAdvice(kind: string): string {
  switch (kind) {
    case "template.paused":
      return "Send another template meanwhile. It is resumed after 3 hours, the second time after 6; the third time it is disabled.";
    case "template.disabled":
    case "template.rejected":
      return "Edit it and have it reviewed again, or send another template: gatelink templates list.";
    case "template.category_changed":
    case "template.category_announced":
      return "Ask for a review in WhatsApp Manager within 60 days if it is wrong. Marketing reaches nobody who opted out.";
    case "number.quality":
      return "Write to fewer people, and only to those who expect it: WhatsApp Manager, Phone numbers, Insights.";
    case "number.history_declined":
      return "Connect the number anew, and agree to share the chats in the app; messages come in either way.";
    case "account.alert":
    case "account.restricted":
      return "See Account quality in Meta Business Support; a review can be requested there.";
    case "account.banned":
      return "Request a review in Meta Business Support. What is queued waits; other accounts send as before.";
    default:
      return "Nothing.";
  }
}

/** A messaging limit: `TIER_1K` -> 1,000 people. */
export function limitInWords(limit: string | null | undefined): string {
  if (limit === null || limit === undefined) return "an unknown number of people";
  if (limit.includes("UNLIMITED")) return "any number of people";
  const digits = /^(?:TIER_)?(\d+)(K?)$/.exec(limit);
  return digits === null
    ? limit
    : `${(Number(digits[1]) * (digits[2] === "K" ? 1000 : 1)).toLocaleString("en")} people`;
}

/** How far an import is: "Chats of the app: 55 % imported, 1,234 messages". */
export function importInWords({ state, progress, messages, error }: ImportFacts): string {
  const many = `${messages.toLocaleString("en")} ${messages === 1 ? "message" : "messages"}`;
  switch (state) {
    case "importing":
      return `Chats of the app: ${progress} % imported, ${many}`;
    case "complete":
      return `Chats of the app: imported, ${many}`;
    case "declined":
      return `Chats of the app: the business does not share them${
        messages === 0 ? "" : `; ${many} imported before`
      }`;
    case "failed":
      return `Chats of the app: not shared (${error ?? "Meta does not say why"}); ${many} imported`;
  }
}
