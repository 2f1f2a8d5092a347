/**
 * The calls of Meta's Graph API that a setup needs. Sources: "Debug Token", "Application subscriptions" and "WhatsApp
 * Business Account subscribed apps" of the Graph API reference.
 */
import { createHmac } from "node:crypto";
import { CliError, fetchReason } from "../../core/errors.ts";
import type { Target } from "./target.ts";

const GRAPH_URL = "https://graph.facebook.com/v26.0";
/** What the token has to allow. */
const SCOPES = ["whatsapp_business_messaging", "whatsapp_business_management"];

/** A token, and the secret of its app, with which calls prove that they are the app's. */
export interface Access {
  token: string;
  appSecret?: string;
}

/** What a token gives access to. */
export interface Account {
  appId: string;
  /** WhatsApp Business accounts; empty if the token does not say. */
  wabaIds: string[];
}

/** A subscription of an app. */
export interface Subscription {
  object: string;
  callback_url: string;
  active: boolean;
  fields: ({ name: string } | string)[];
}

/**
 * Calls the Graph API of a target, with `appsecret_proof` wherever the secret is known: an app may require it ("Securing
 * Graph API calls").
 */
export function graph({ session, stack, project }: Pick<Target, "session" | "stack" | "project">) {
  const base = (session.io.env.WHATSAPP_GRAPH_URL ??
    (project.local ? `${stack.url}/simulator/graph/v26.0` : GRAPH_URL)).replace(/\/+$/, "");

  async function call<T>(
    method: "GET" | "POST",
    path: string,
    { token, appSecret }: Access,
    asked: Record<string, string> = {},
  ): Promise<T> {
    const url = new URL(`${base}/${path}`);
    const params = appSecret === undefined
      ? asked
      : { ...asked, appsecret_proof: createHmac("sha256", appSecret).update(token).digest("hex") };
    if (method === "GET") {
      for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
    }
    let answer: Response;
    try {
      answer = await fetch(url, {
        method,
        headers: { authorization: `Bearer ${token}` },
        body: method === "POST" ? new URLSearchParams(params) : undefined,
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      throw new CliError("refused", `Meta does not answer: ${fetchReason(error)}`, "Try again in a minute.");
    }
    const body = await answer.json().catch(() => ({})) as T & {
      error?: { message?: string; code?: number; error_user_msg?: string };
    };
    if (answer.ok && body.error === undefined) return body;
    const { code, message, error_user_msg: more } = body.error ?? {};
    throw new CliError(
      "refused",
      `Meta refuses ${method} ${path}: ${more ?? message ?? answer.status}${
        code === undefined ? "" : ` (${code})`
      }`,
      code === 190 ? "Generate a new token: Business settings > System users > Generate token." : undefined,
    );
  }

  /** What a token is for. @throws {CliError} refused, if it is invalid, ends soon or allows too little */
  async function account(access: Access): Promise<Account> {
    const { data } = await call<{
      data: {
        app_id?: string | number;
        is_valid?: boolean;
        expires_at?: number;
        scopes?: string[];
        granular_scopes?: { scope: string; target_ids?: string[] }[];
      };
    }>("GET", "debug_token", access, { input_token: access.token });
    const again = "Generate a token of a system user that never expires, with " + SCOPES.join(" and ") + ".";
    if (data.is_valid === false) throw new CliError("refused", "Meta calls the access token invalid.", again);
    if (data.expires_at) {
      const day = new Date(data.expires_at * 1000).toISOString().slice(0, 10);
      throw new CliError("refused", `The access token expires on ${day}.`, again);
    }
    const missing = SCOPES.filter((scope) => !(data.scopes ?? []).includes(scope));
    if (missing.length > 0) {
      throw new CliError("refused", `The access token lacks ${missing.join(" and ")}.`, again);
    }
    const targets = (data.granular_scopes ?? []).filter(({ scope }) => SCOPES.includes(scope))
      .flatMap(({ target_ids }) => target_ids ?? []);
    return { appId: String(data.app_id ?? ""), wabaIds: [...new Set(targets)] };
  }

  /** The app's own token, which only its secret makes. */
  const appAccess = (appId: string, appSecret: string): Access => ({ token: `${appId}|${appSecret}` });

  return {
    account,
    /** The app's subscriptions. @throws {CliError} refused, if the secret is another app's */
    async subscriptions(appId: string, appSecret: string): Promise<Subscription[]> {
      const { data } = await call<{ data: Subscription[] }>(
        "GET",
        `${appId}/subscriptions`,
        appAccess(appId, appSecret),
      );
      return data;
    },
    /** Subscribes the app; Meta calls the address with the verify token before it answers. */
    async subscribe(
      appId: string,
      appSecret: string,
      to: { callbackUrl: string; verifyToken: string; fields: readonly string[] },
    ): Promise<void> {
      await call("POST", `${appId}/subscriptions`, appAccess(appId, appSecret), {
        object: "whatsapp_business_account",
        callback_url: to.callbackUrl,
        verify_token: to.verifyToken,
        fields: to.fields.join(","),
      });
    },
    /** Whether the app gets the webhooks of an account. */
    async isSubscribed(wabaId: string, appId: string, access: Access): Promise<boolean> {
      const { data } = await call<{ data: { whatsapp_business_api_data?: { id?: string } }[] }>(
        "GET",
        `${wabaId}/subscribed_apps`,
        access,
      );
      return data.some((one) => one.whatsapp_business_api_data?.id === appId);
    },
    async subscribeAccount(wabaId: string, access: Access): Promise<void> {
      await call("POST", `${wabaId}/subscribed_apps`, access);
    },
    /** The numbers of an account, as people write them. */
    async numbers(wabaId: string, access: Access): Promise<string[]> {
      const { data } = await call<{ data: { display_phone_number?: string }[] }>(
        "GET",
        `${wabaId}/phone_numbers`,
        access,
        { fields: "display_phone_number" },
      );
      return data.flatMap(({ display_phone_number: number }) => number === undefined ? [] : [number]);
    },
  };
}
