/**
 * The credentials of WhatsApp's accounts: those without a suffix are the default, `WHATSAPP_ACCESS_TOKEN_ACME` and
 * `WHATSAPP_APP_SECRET_ACME` belong to the account named acme.
 *
 * @module
 */
import { configFaults, env, envByAccount } from "../../config/env.ts";
import type { Missing, SendFailure } from "../channel.ts";
import type { GraphAccess } from "./graph_call.ts";

const TOKEN = "WHATSAPP_ACCESS_TOKEN";
const SENDING = [TOKEN, "WHATSAPP_GRAPH_URL"] as const;

/** Sources of the secrets: functions, because secrets may change while a worker lives. */
export interface WhatsAppCredentials {
  /** The app secrets that are valid now, of all accounts: Meta signs with the one of the app that is subscribed. */
  appSecrets(): readonly string[];
  /** The token of Meta's handshake. */
  verifyToken(): string;
  /**
   * Access of one account.
   * @param variable The name of its token's variable, from `senders.credentials`; undefined for the default.
   */
  access(variable?: string): GraphAccess | SendFailure;
  /** Access of every account that has a token, the default first. */
  all(): readonly GraphAccess[];
  /** Whether any account can send: true, or what is missing. */
  ready(): true | readonly Missing[];
}

/** Whether an answer of {@linkcode WhatsAppCredentials.access} is a failure. */
export function isFailure(access: GraphAccess | SendFailure): access is SendFailure {
  return "ok" in access;
}

/** The credentials of the environment. */
export const environment: WhatsAppCredentials = {
  all: () => {
    const named = [...envByAccount(TOKEN).keys()].map((name) => `${TOKEN}_${name}`);
    return [undefined, ...named].flatMap((variable) => {
      const access = environment.access(variable);
      return isFailure(access) ? [] : [access];
    });
  },
  appSecrets: () => {
    const others = envByAccount("WHATSAPP_APP_SECRET");
    // An installation may have named accounts only.
    if (others.size > 0 && configFaults("WHATSAPP_APP_SECRET").length > 0) return [...others.values()].flat();
    const { WHATSAPP_APP_SECRET: own } = env("WHATSAPP_APP_SECRET");
    return others.size === 0 ? own : [...own, ...[...others.values()].flat()];
  },
  verifyToken: () => env("WHATSAPP_VERIFY_TOKEN").WHATSAPP_VERIFY_TOKEN,
  access: (variable) => {
    const { WHATSAPP_GRAPH_URL: graphUrl } = env("WHATSAPP_GRAPH_URL");
    const name = variable?.startsWith(`${TOKEN}_`) ? variable.slice(TOKEN.length + 1) : undefined;
    if (variable !== undefined && name === undefined) {
      return missing(variable, "it is not an access token's name");
    }
    const token = name === undefined ? defaultToken() : envByAccount(TOKEN).get(name);
    if (token === undefined) return missing(variable, "it is not set");
    const own = name === undefined ? undefined : envByAccount("WHATSAPP_APP_SECRET").get(name);
    return { graphUrl, token, appSecrets: own ?? defaultSecrets() };
  },
  ready: () => {
    const faults = configFaults(...SENDING);
    if (faults.length === 0) return true;
    return faults.every(({ variable }) => variable === TOKEN) && envByAccount(TOKEN).size > 0 ? true : faults;
  },
};

function defaultToken(): string | undefined {
  return configFaults(TOKEN).length > 0 ? undefined : env(TOKEN)[TOKEN];
}

function defaultSecrets(): readonly string[] {
  return configFaults("WHATSAPP_APP_SECRET").length > 0 ? [] : env("WHATSAPP_APP_SECRET").WHATSAPP_APP_SECRET;
}

/** Failure policy: an account without its own credentials holds its numbers alone. */
function missing(variable: string | undefined, fault: string): SendFailure {
  const message = `${variable ?? TOKEN}: ${fault}`;
  return variable === undefined
    ? { ok: false, kind: "retry", code: "not_ready", message }
    : { ok: false, kind: "held", scope: "account", code: "not_ready", message };
}
