/** The business's accounts at the simulated Meta, and the part of the Graph API that manages them. */
import { createHmac } from "node:crypto";
import { WEBHOOK_FIELDS } from "../../supabase/functions/_shared/contract/webhook_fields.ts";
import type { GraphError } from "./faults.ts";
import type { Clock, Json } from "./model.ts";
import { faultOfComponents, firstTemplates, newTemplate, type SimulatedTemplate } from "./templates.ts";

/** What identifies an account. */
export interface AccountIds {
  /** What people call it. */
  name: string;
  wabaId: string;
  phoneNumberId: string;
  /** Digits only. */
  displayNumber: string;
  accessToken: string;
  appSecret: string;
}

/** What Meta thinks of an account; it survives a restart. */
export interface Standing {
  wabaId: string;
  state: "active" | "restricted" | "banned";
  quality: "GREEN" | "YELLOW" | "RED";
  limit: "TIER_250" | "TIER_1K" | "TIER_10K" | "TIER_100K";
  token: "valid" | "expired";
  templates: SimulatedTemplate[];
}

/** Something that the page or a test does as Meta. */
export type AccountAct =
  | { do: "ban" | "restrict" | "reinstate" | "expire_token" | "renew_token" }
  | { do: "quality"; quality: Standing["quality"] }
  | { do: "limit"; limit: Standing["limit"] }
  | { do: "approve" | "reject" | "pause" | "disable"; template: string }
  | { do: "category"; template: string; category: string };

/** A webhook about an account: its field and the whole `value`. */
export interface AccountChange {
  field: string;
  value: Json;
}

/** Dependencies of {@linkcode Accounts}. */
export interface AccountsOptions {
  clock: Clock;
  accounts: readonly AccountIds[];
  /** What is known from an earlier run. */
  standing: ReadonlyMap<string, Standing>;
  /** Stores a changed standing. */
  keep(standing: Standing): void;
  /** Reports a change to the webhook of the account's app. */
  tell(wabaId: string, change: AccountChange): void;
  /** How long a review of a template takes. */
  reviewMs(): number;
  /** Where the app's webhooks lead, which cannot be changed here. */
  webhookUrl: string;
}

const APP_ID = "900000000000001";
/** The accounts, by token, WABA id and number. */
export class Accounts {
  #options: AccountsOptions;
  #standing = new Map<string, Standing>();
  #timers = new Set<unknown>();
  #made = 0;

  constructor(options: AccountsOptions) {
    this.#options = options;
    for (const { wabaId } of options.accounts) {
      this.#standing.set(wabaId, options.standing.get(wabaId) ?? calm(wabaId));
    }
  }

  get all(): { ids: AccountIds; standing: Standing }[] {
    return this.#options.accounts.map((ids) => ({ ids, standing: this.#standing.get(ids.wabaId)! }));
  }

  /** The account of a number; the first one without a number. @throws {RangeError} if there is none. */
  ofNumber(phoneNumberId?: string): AccountIds {
    const { accounts } = this.#options;
    const found = phoneNumberId === undefined
      ? accounts[0]
      : accounts.find((account) => account.phoneNumberId === phoneNumberId);
    if (found === undefined) throw new RangeError(`there is no number ${phoneNumberId}`);
    return found;
  }

  standingOf(wabaId: string): Standing {
    const standing = this.#standing.get(wabaId);
    if (standing === undefined) throw new RangeError(`there is no account ${wabaId}`);
    return standing;
  }

  /** The account that a request's token belongs to, or Meta's refusal. */
  authenticate(request: Request): AccountIds | GraphError {
    const token = request.headers.get("authorization")?.replace(/^Bearer /, "");
    const account = this.#options.accounts.find(({ accessToken, appSecret }) =>
      accessToken === token || token === `${APP_ID}|${appSecret}`
    );
    if (account === undefined) {
      return { status: 401, code: 190, title: "Invalid OAuth access token - Cannot parse access token" };
    }
    const proof = new URL(request.url).searchParams.get("appsecret_proof");
    if (
      proof !== null &&
      proof !== createHmac("sha256", account.appSecret).update(account.accessToken).digest("hex")
    ) {
      return { status: 400, code: 100, title: "Invalid appsecret_proof provided in the API argument" };
    }
    if (this.standingOf(account.wabaId).token === "expired") {
      return { status: 401, code: 190, title: "Error validating access token: Session has expired" };
    }
    return account;
  }

  /** Starts anew. */
  reset(): void {
    this.stop();
    for (const wabaId of this.#standing.keys()) this.#change(calm(wabaId));
  }

  /** Ends the reviews under way. */
  stop(): void {
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
  }

  /** Does something as Meta, and reports it. @throws {RangeError} if it cannot be. */
  act(wabaId: string, act: AccountAct): void {
    const before = this.standingOf(wabaId);
    const ids = this.#options.accounts.find((account) => account.wabaId === wabaId)!;
    switch (act.do) {
      case "ban":
        this.#change({ ...before, state: "banned" });
        return this.#tell(wabaId, "account_update", {
          event: "DISABLED_UPDATE",
          ban_info: {
            waba_ban_state: "DISABLE",
            waba_ban_date: new Date(this.#options.clock.now()).toDateString(),
          },
        });
      case "restrict":
        this.#change({ ...before, state: "restricted" });
        return this.#tell(wabaId, "account_update", {
          event: "ACCOUNT_RESTRICTION",
          restriction_info: [{
            restriction_type: "RESTRICTED_BIZ_INITIATED_MESSAGING",
            expiration: Math.floor(this.#options.clock.now() / 1000) + 7 * 86_400,
          }],
        });
      case "reinstate":
        this.#change({ ...before, state: "active" });
        return this.#tell(wabaId, "account_update", {
          event: "DISABLED_UPDATE",
          ban_info: { waba_ban_state: "REINSTATE" },
        });
      case "expire_token":
        return this.#change({ ...before, token: "expired" });
      case "renew_token":
        return this.#change({ ...before, token: "valid" });
      case "quality":
        this.#change({ ...before, quality: act.quality });
        return this.#tell(wabaId, "phone_number_quality_update", {
          display_phone_number: ids.displayNumber,
          event: act.quality === "RED" ? "FLAGGED" : "UNFLAGGED",
          current_limit: before.limit,
        });
      case "limit":
        this.#change({ ...before, limit: act.limit });
        return this.#tell(wabaId, "phone_number_quality_update", {
          display_phone_number: ids.displayNumber,
          event: "UPGRADE",
          current_limit: act.limit,
        });
      case "category": {
        const template = this.#template(wabaId, act.template);
        if (!["MARKETING", "UTILITY", "AUTHENTICATION"].includes(act.category)) {
          throw new RangeError("no such category");
        }
        this.#put(wabaId, { ...template, category: act.category });
        return this.#tell(wabaId, "template_category_update", {
          ...named(template),
          previous_category: template.category,
          new_category: act.category,
        });
      }
      default:
        return this.#decide(wabaId, this.#template(wabaId, act.template), act.do);
    }
  }

  /** Answers a request that is about an account, a template or a token; undefined if it is about something else. */
  manage(
    request: Request,
    account: AccountIds,
    id: string,
    edge: string | undefined,
    body: Json,
  ): Json | GraphError | undefined {
    const { searchParams } = new URL(request.url);
    const standing = this.standingOf(account.wabaId);
    const { method } = request;
    if (id === "debug_token" && method === "GET") {
      return {
        data: {
          app_id: APP_ID,
          type: "SYSTEM_USER",
          application: "Gatelink simulator",
          expires_at: 0,
          is_valid: true,
          scopes: ["whatsapp_business_management", "whatsapp_business_messaging", "public_profile"],
          granular_scopes: [{ scope: "whatsapp_business_messaging", target_ids: [account.wabaId] }],
        },
      };
    }
    if (id === APP_ID && edge === "subscriptions" && method === "GET") {
      return {
        data: [{
          object: "whatsapp_business_account",
          callback_url: this.#options.webhookUrl,
          active: true,
          fields: WEBHOOK_FIELDS.map((name) => ({ name, version: "v26.0" })),
        }],
      };
    }
    const template = standing.templates.find((one) => one.id === id);
    if (template !== undefined && edge === undefined && method === "POST") {
      return this.#edit(account.wabaId, template, body);
    }
    if (id !== account.wabaId) return undefined;
    if (edge === undefined && method === "GET") {
      return {
        id,
        name: account.name,
        account_review_status: "APPROVED",
        health_status: {
          can_send_message: sending(standing),
          entities: [{
            entity_type: "WABA",
            id,
            can_send_message: sending(standing),
            ...(standing.state === "banned"
              ? {
                errors: [{
                  error_code: 141000,
                  error_description: "The account is banned",
                  possible_solution: "Request a review",
                }],
              }
              : {}),
          }],
        },
      };
    }
    if (edge === "subscribed_apps") {
      return { data: [{ whatsapp_business_api_data: { id: APP_ID, name: "Gatelink simulator", link: "" } }] };
    }
    if (edge === "phone_numbers" && method === "GET") {
      return {
        data: [{
          id: account.phoneNumberId,
          display_phone_number: `+${account.displayNumber}`,
          verified_name: account.name,
          name_status: "APPROVED",
          quality_rating: standing.quality,
          messaging_limit_tier: standing.limit,
          status: standing.state === "banned"
            ? "BANNED"
            : standing.quality === "RED"
            ? "FLAGGED"
            : "CONNECTED",
          platform_type: "CLOUD_API",
        }],
      };
    }
    if (edge !== "message_templates") return undefined;
    if (method === "POST") return this.#create(account.wabaId, body);
    if (method === "DELETE") {
      return this.#remove(account.wabaId, searchParams.get("name") ?? "", searchParams.get("hsm_id"));
    }
    return listed(standing.templates, searchParams);
  }

  #create(wabaId: string, body: Json): Json | GraphError {
    const { templates } = this.standingOf(wabaId);
    const id = `${wabaId.slice(-1)}9${String(this.#options.clock.now()).slice(-10)}${
      String(++this.#made).padStart(3, "0")
    }`;
    const made = newTemplate(body, id, templates);
    if ("code" in made) return made;
    this.#put(wabaId, made);
    this.#review(wabaId, made.id);
    return { id: made.id, status: made.status, category: made.category };
  }

  #edit(wabaId: string, template: SimulatedTemplate, body: Json): Json | GraphError {
    const wrong = body.components === undefined ? undefined : faultOfComponents(body.components);
    if (wrong) return { status: 400, code: 100, title: "Invalid parameter", details: wrong };
    this.#put(wabaId, {
      ...template,
      ...(body.components === undefined ? {} : { components: body.components as Json[] }),
      ...(typeof body.category === "string" ? { category: body.category.toUpperCase() } : {}),
      status: "PENDING",
    });
    this.#review(wabaId, template.id);
    return { success: true };
  }

  #remove(wabaId: string, name: string, id: string | null): Json | GraphError {
    const standing = this.standingOf(wabaId);
    const gone = standing.templates.filter((one) => one.name === name && (id === null || one.id === id));
    if (gone.length === 0) {
      return { status: 404, code: 100, title: "Invalid parameter", details: "Message Template Not Found" };
    }
    this.#change({ ...standing, templates: standing.templates.filter((one) => !gone.includes(one)) });
    for (const template of gone) {
      this.#tell(wabaId, "message_template_status_update", {
        event: "DELETED",
        ...named(template),
        reason: "NONE",
      });
    }
    return { success: true };
  }

  /** A name with "reject" is rejected, so that this can be tried out as well. */
  #review(wabaId: string, id: string): void {
    const { clock, reviewMs } = this.#options;
    const timer = clock.setTimeout(() => {
      this.#timers.delete(timer);
      const template = this.standingOf(wabaId).templates.find((one) => one.id === id);
      if (template?.status !== "PENDING") return;
      this.#decide(wabaId, template, template.name.includes("reject") ? "reject" : "approve");
    }, reviewMs());
    this.#timers.add(timer);
  }

  #decide(
    wabaId: string,
    template: SimulatedTemplate,
    act: "approve" | "reject" | "pause" | "disable",
  ): void {
    const [status, event, reason] = DECISIONS[act];
    const reinstated = act === "approve" && template.status === "PAUSED";
    this.#put(wabaId, { ...template, status, ...(act === "reject" ? { rejected_reason: reason } : {}) });
    this.#tell(wabaId, "message_template_status_update", {
      event: reinstated ? "REINSTATED" : event,
      ...named(template),
      message_template_category: template.category,
      reason,
      ...(act === "pause"
        ? { other_info: { title: "FIRST_PAUSE", description: "The quality of this template is low." } }
        : {}),
    });
  }

  #template(wabaId: string, id: string): SimulatedTemplate {
    const found = this.standingOf(wabaId).templates.find((one) => one.id === id);
    if (found === undefined) throw new RangeError(`there is no template ${id}`);
    return found;
  }

  #put(wabaId: string, template: SimulatedTemplate): void {
    const standing = this.standingOf(wabaId);
    const others = standing.templates.filter(({ id }) => id !== template.id);
    this.#change({ ...standing, templates: [...others, template] });
  }

  #change(standing: Standing): void {
    this.#standing.set(standing.wabaId, standing);
    this.#options.keep(standing);
  }

  #tell(wabaId: string, field: string, value: Json): void {
    this.#options.tell(wabaId, { field, value });
  }
}

const DECISIONS = {
  approve: ["APPROVED", "APPROVED", "NONE"],
  reject: ["REJECTED", "REJECTED", "INVALID_FORMAT"],
  pause: ["PAUSED", "PAUSED", "NONE"],
  disable: ["DISABLED", "DISABLED", "NONE"],
} as const;

/** Faults of the account itself, for a call that sends. */
export function accountFault({ state }: Standing, body: Json): GraphError | undefined {
  if (state === "banned") {
    return { status: 403, code: 131031, title: "Business Account locked", details: "The account is banned." };
  }
  if (state === "restricted" && body.type === "template") {
    return {
      status: 403,
      code: 368,
      title: "Temporarily blocked for policies violations",
      details: "The account may not start conversations.",
    };
  }
  return undefined;
}

function calm(wabaId: string): Standing {
  return {
    wabaId,
    state: "active",
    quality: "GREEN",
    limit: "TIER_1K",
    token: "valid",
    templates: firstTemplates(wabaId),
  };
}

function sending({ state }: Standing): string {
  return state === "banned" ? "BLOCKED" : state === "restricted" ? "LIMITED" : "AVAILABLE";
}

function named({ id, name, language }: SimulatedTemplate): Json {
  return {
    message_template_id: Number(id),
    message_template_name: name,
    message_template_language: language,
  };
}

/** Meta finds names that hold the given one; pages follow the cursor `after`. */
function listed(templates: readonly SimulatedTemplate[], query: URLSearchParams): Json {
  const name = query.get("name");
  const found = templates.filter((one) => name === null || one.name.includes(name));
  const from = Number(query.get("after") ?? 0);
  const limit = Math.min(Number(query.get("limit") ?? 25), 250);
  const page = found.slice(from, from + limit);
  const isLast = from + limit >= found.length;
  return {
    data: page.map(({ quality, ...template }) => ({ ...template, quality_score: { score: quality } })),
    paging: isLast ? {} : { cursors: { after: String(from + limit) }, next: "more" },
  };
}
