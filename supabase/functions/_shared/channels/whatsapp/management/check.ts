/**
 * Asks Meta about an account: its token, its subscriptions, its numbers; and says what is wrong and what to do.
 *
 * Source: Meta, "Access token debugging" (debug_token), "Application subscriptions", "Subscribed apps", "WhatsApp Business Account" and "WhatsApp
 * Business Phone Number" of the Graph API reference, "Messaging health status".
 *
 * @module
 */
import type { NumberCheckFinding } from "../../../contract/http/numbers.ts";
import { LOST_WITHOUT, MESSAGES_FIELD } from "../../../contract/webhook_fields.ts";
import { id, isObject, type JsonObject, list, object, text } from "../../../json/json.ts";
import type { SendFailure } from "../../channel.ts";
import { callGraph, type Fetch, type GraphAccess } from "../graph_call.ts";

/** An account to check. */
export interface CheckedAccount {
  /** Meta's WABA id. */
  readonly id: string;
  /** Its name, or its id. */
  readonly label: string;
  /** Name of the variable with its token. */
  readonly variable: string;
  /** The numbers of it that Gatelink knows. */
  readonly numbers: readonly { readonly id: string; readonly address: string | null }[];
}

/** What Meta says of a number. */
export interface FoundNumber {
  readonly id: string;
  readonly account: string;
  readonly address?: string;
  readonly name?: string;
  readonly quality?: string;
  readonly messaging_limit?: string;
  readonly status?: string;
}

/** The result of a check. */
export interface AccountCheck {
  readonly findings: NumberCheckFinding[];
  readonly numbers: FoundNumber[];
}

const NEEDED = ["whatsapp_business_messaging", "whatsapp_business_management"];
const NUMBER_FIELDS = "id,display_phone_number,verified_name,name_status,quality_rating,status," +
  "messaging_limit_tier,whatsapp_business_manager_messaging_limit,throughput,platform_type,health_status";
const DAY_MS = 86_400_000;
/** Before a token's end, people want to know. */
const EXPIRES_SOON_MS = 14 * DAY_MS;

/**
 * Checks one account. Never throws.
 *
 * Failure policy: each question by itself. One that Meta does not answer is a finding, and the others are still asked;
 * only an invalid token ends the check.
 *
 * @param now Milliseconds since 1970.
 */
export async function checkAccount(
  fetch: Fetch,
  access: GraphAccess,
  account: CheckedAccount,
  now: number,
): Promise<AccountCheck> {
  const findings: NumberCheckFinding[] = [];
  const add = (
    level: NumberCheckFinding["level"],
    about: string,
    what: string,
    advice?: string,
    number?: string,
  ) => {
    findings.push({
      account: account.label,
      number: number ?? null,
      level,
      about,
      what,
      advice: advice ?? null,
    });
  };
  const ask = (path: string, query: Record<string, string> = {}) =>
    callGraph(fetch, { timeoutMs: 10_000, ...access }, { path, query, maxBytes: 1 << 20 });
  const couldNot = (about: string, failure: SendFailure, advice?: string) =>
    add("warning", about, `Meta did not say: ${failure.message}`, advice);

  const debugged = await ask("debug_token", { input_token: access.token });
  const token = debugged.ok ? object(debugged.body?.data) : undefined;
  if (!debugged.ok) {
    add(
      isDead(debugged) ? "problem" : "warning",
      "token",
      `Meta refuses ${account.variable}: ${debugged.message}`,
      "Create a system user's token in Meta's business settings, and set it.",
    );
    if (isDead(debugged)) return { findings, numbers: [] };
  }
  if (token !== undefined) {
    const ends = endOf(token);
    if (token.is_valid === false) {
      add(
        "problem",
        "token",
        `${account.variable} is not valid: ${
          text(object(token.error)?.message) ?? "it was revoked or has expired"
        }`,
        "Create a system user's token in Meta's business settings, and set it.",
      );
      return { findings, numbers: [] };
    }
    if (ends === undefined) add("ok", "token", "valid, without an end");
    else {
      const days = Math.floor((ends - now) / DAY_MS);
      add(
        ends - now < EXPIRES_SOON_MS ? "problem" : "warning",
        "token",
        `expires in ${days} ${days === 1 ? "day" : "days"}, ${new Date(ends).toISOString().slice(0, 10)}`,
        "Use a system user's token without an end: Business settings, System users, Generate token, Never.",
      );
    }
    const scopes = list(token.scopes)?.map(String) ?? [];
    const missing = NEEDED.filter((scope) => !scopes.includes(scope));
    if (missing.length === 0) add("ok", "scopes", NEEDED.join(", "));
    else {
      add(
        "problem",
        "scopes",
        `${missing.join(" and ")} ${missing.length === 1 ? "is" : "are"} missing`,
        "Generate the token again with these permissions.",
      );
    }
    const elsewhere = missing.length === 0 && isElsewhere(token, account.id);
    if (elsewhere) {
      add(
        "problem",
        "scopes",
        `the token is for other accounts than ${account.id}`,
        "Assign the account to the system user, or name the account for its own token: gatelink numbers account.",
      );
    }
  }

  const subscribed = await ask(`${encodeURIComponent(account.id)}/subscribed_apps`);
  if (!subscribed.ok) couldNot("subscription", subscribed, "The token needs whatsapp_business_management.");
  else {
    const apps = (list(subscribed.body?.data) ?? []).filter(isObject)
      .map((item) => ({
        app: object(item.whatsapp_business_api_data),
        url: text(item.override_callback_uri),
      }));
    const appId = id(token?.app_id);
    const own = apps.find(({ app }) => appId === undefined || id(app?.id) === appId);
    if (own === undefined) {
      add(
        "problem",
        "subscription",
        apps.length === 0
          ? "no app gets the account's webhooks"
          : "the token's app does not get the account's webhooks",
        `Subscribe it: POST /${account.id}/subscribed_apps with this token.`,
      );
    } else {
      add(
        "ok",
        "subscription",
        own.url === undefined ? "the app gets the webhooks" : `webhooks go to ${own.url}`,
      );
    }
  }

  const fields = await fieldsOf(fetch, access, id(token?.app_id));
  if (fields !== undefined) {
    const lost = Object.keys(LOST_WITHOUT).filter((name) => !fields.has(name));
    const advice = "App Dashboard, WhatsApp, Configuration, Webhook fields: subscribe to them.";
    if (!fields.has(MESSAGES_FIELD)) {
      add("problem", "fields", "the app is not subscribed to messages: none arrive", advice);
    } else if (lost.length === 0) add("ok", "fields", [...fields].join(", "));
    else {
      add(
        "warning",
        "fields",
        `the app is not subscribed to ${lost.join(", ")}: nobody learns of ${
          lost.map((name) => LOST_WITHOUT[name]).join("; ")
        }`,
        advice,
      );
    }
  }

  const about = await ask(encodeURIComponent(account.id), {
    fields: "id,name,account_review_status,business_verification_status,health_status",
  });
  if (!about.ok) couldNot("account", about);
  else {
    const review = id(about.body?.account_review_status);
    if (review !== undefined && review !== "APPROVED") {
      add(
        "problem",
        "account",
        `its review says ${review}`,
        "See WhatsApp Manager, Account tools, Overview.",
      );
    }
    health(
      about.body?.health_status,
      account.id,
      (what, advice, level) => add(level, "account", what, advice),
    );
    if (!findings.some((finding) => finding.about === "account")) {
      add("ok", "account", text(about.body?.name) ?? account.id);
    }
  }

  const listed = await ask(`${encodeURIComponent(account.id)}/phone_numbers`, {
    fields: NUMBER_FIELDS,
    limit: "100",
  });
  if (!listed.ok) {
    couldNot("numbers", listed);
    return { findings, numbers: [] };
  }
  const numbers: FoundNumber[] = [];
  for (const item of list(listed.body?.data) ?? []) {
    if (!isObject(item) || id(item.id) === undefined) continue;
    const number = numberOf(item, account.id);
    numbers.push(number);
    judge(
      item,
      number,
      (level, about, what, advice) => add(level, about, what, advice, number.address ?? number.id),
    );
  }
  for (const known of account.numbers) {
    if (numbers.some((number) => number.id === known.id)) continue;
    add(
      "problem",
      "number",
      "the account has no such number any more",
      "It was moved or deleted: gatelink numbers remove, or name its new account.",
      known.address ?? known.id,
    );
  }
  return { findings, numbers };
}

/**
 * The webhook fields that the app is subscribed to. Undefined if no secret of ours is the app's, or Meta does not say: then
 * the webhooks are another app's, and there is nothing to say of this one's.
 */
async function fieldsOf(
  fetch: Fetch,
  { graphUrl, appSecrets = [] }: GraphAccess,
  appId: string | undefined,
): Promise<ReadonlySet<string> | undefined> {
  if (appId === undefined) return undefined;
  for (const secret of appSecrets) {
    const access = { graphUrl, token: `${appId}|${secret}`, timeoutMs: 10_000 };
    const answer = await callGraph(fetch, access, { path: `${encodeURIComponent(appId)}/subscriptions` });
    if (!answer.ok) continue;
    const own = list(answer.body?.data)?.filter(isObject)
      .find((one) => one.object === "whatsapp_business_account" && one.active !== false);
    return new Set(
      (list(own?.fields) ?? []).flatMap((field) => text(isObject(field) ? field.name : field) ?? []),
    );
  }
  return undefined;
}

function numberOf(item: JsonObject, account: string): FoundNumber {
  return {
    id: id(item.id)!,
    account,
    address: id(item.display_phone_number)?.replace(/\D/g, "") || undefined,
    name: text(item.verified_name),
    quality: id(item.quality_rating)?.toLowerCase(),
    messaging_limit: id(item.whatsapp_business_manager_messaging_limit) ?? id(item.messaging_limit_tier),
    status: id(item.status)?.toLowerCase(),
  };
}

/** What is to be said of a number. */
function judge(
  item: JsonObject,
  { name, quality, messaging_limit: limit, status }: FoundNumber,
  add: (level: NumberCheckFinding["level"], about: string, what: string, advice?: string) => void,
): void {
  if (status === undefined || status === "connected") add("ok", "status", status ?? "not said");
  else {
    add(
      status === "flagged" ? "warning" : "problem",
      "status",
      status,
      ADVICE[status] ?? "See WhatsApp Manager, Phone numbers.",
    );
  }
  if (quality === "red" || quality === "yellow") {
    add(
      quality === "red" ? "problem" : "warning",
      "quality",
      quality,
      "People block or report what they get: write to fewer, and only to those who expect it.",
    );
  } else add("ok", "quality", quality ?? "unknown");
  add("ok", "limit", limit ?? "not said");
  const decision = id(item.name_status);
  if (decision === undefined || /^(APPROVED|AVAILABLE_WITHOUT_REVIEW|NONE)$/.test(decision)) {
    add("ok", "name", name ?? "none");
  } else {
    add(
      decision === "DECLINED" || decision === "EXPIRED" ? "problem" : "warning",
      "name",
      `${name ?? "the name"}: ${decision.toLowerCase()}`,
      "See WhatsApp Manager, Phone numbers, Profile.",
    );
  }
  health(item.health_status, id(item.id)!, (what, advice, level) => add(level, "sending", what, advice));
}

const ADVICE: Readonly<Record<string, string>> = {
  banned: "Request a review in Meta Business Support.",
  flagged: "The quality is low: the number may be restricted in 7 days.",
  pending: "Register it: POST /{phone_number_id}/register with its PIN.",
  disconnected: "Register it again: POST /{phone_number_id}/register with its PIN.",
  unverified: "Verify it by SMS or call in WhatsApp Manager.",
};

/** What Meta's own health check says of one entity. */
function health(
  value: unknown,
  entity: string,
  add: (what: string, advice: string | undefined, level: "warning" | "problem") => void,
): void {
  for (const each of list(object(value)?.entities) ?? []) {
    if (!isObject(each) || id(each.id) !== entity) continue;
    const can = id(each.can_send_message);
    if (can === undefined || can === "AVAILABLE") continue;
    const errors = (list(each.errors) ?? []).filter(isObject);
    const level = can === "BLOCKED" ? "problem" : "warning";
    if (errors.length === 0) add(`sending is ${can.toLowerCase()}`, undefined, level);
    for (const error of errors) {
      add(
        text(error.error_description) ?? `error ${text(error.error_code)}`,
        text(error.possible_solution),
        level,
      );
    }
  }
}

/** When the token ends, in milliseconds; undefined for never. */
function endOf(token: JsonObject): number | undefined {
  const ends = [token.expires_at, token.data_access_expires_at].map(Number).filter((at) => at > 0);
  return ends.length === 0 ? undefined : Math.min(...ends) * 1000;
}

/** Whether the token's permission is limited to accounts among which this one is not. */
function isElsewhere(token: JsonObject, account: string): boolean {
  const granular = (list(token.granular_scopes) ?? []).filter(isObject)
    .find(({ scope }) => scope === "whatsapp_business_messaging");
  const targets = list(granular?.target_ids);
  return targets !== undefined && targets.length > 0 && !targets.map(String).includes(account);
}

/** Whether the token itself is refused. */
function isDead({ status, code }: SendFailure): boolean {
  return status === 401 || code === 190 || code === 0;
}
