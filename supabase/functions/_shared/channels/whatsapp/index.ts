/**
 * WhatsApp, through Meta's Cloud API, as a {@linkcode Channel}.
 *
 * @module
 */
import { configFaults, env } from "../../config/env.ts";
import { decode } from "../../json/json.ts";
import type { Channel, Parsed, SendFailure, Sent, WebhookChannel } from "../channel.ts";
import { challengeOf, SIGNATURE_HEADER, verify } from "./inbound/signature.ts";
import { mediaOf } from "./inbound/media.ts";
import { accountsOf, FIELDS, parse, unreadable } from "./inbound/updates.ts";
import { ownWebhook } from "./own_webhook.ts";
import { nextSendAttempt } from "../backoff.ts";
import { askTemplates, type GraphAccount, send } from "./outbound/graph.ts";
import { checkMessage, type OutboundMessage, wordsOf } from "./outbound/outbound.ts";
import { checkRequest } from "./outbound/request.ts";
import { mayHaveExpired, withMetaIds } from "./outbound/uploads.ts";

/** Meta sends at most 3 MB; the margin is for additions by a proxy. */
const WEBHOOK_BYTES = 3.5 * 1024 * 1024;

/** Graph bodies are small; the largest interactive list is far below this. */
const REQUEST_BYTES = 256 * 1024;

/** Sources of the secrets: functions, because secrets may change while a worker lives. */
export interface WhatsAppOptions {
  /** The app secrets that are valid now. */
  appSecrets(): readonly string[];
  /** The token of Meta's handshake. */
  verifyToken(): string;
  /** URL and token of the account. */
  account(): Pick<GraphAccount, "graphUrl" | "token">;
  ready: Channel["ready"];
}

const SENDING = ["WHATSAPP_ACCESS_TOKEN", "WHATSAPP_GRAPH_URL"] as const;

const environment: WhatsAppOptions = {
  appSecrets: () => env("WHATSAPP_APP_SECRET").WHATSAPP_APP_SECRET,
  verifyToken: () => env("WHATSAPP_VERIFY_TOKEN").WHATSAPP_VERIFY_TOKEN,
  account: () => {
    const { WHATSAPP_ACCESS_TOKEN: token, WHATSAPP_GRAPH_URL: graphUrl } = env(...SENDING);
    return { token, graphUrl };
  },
  ready: () => {
    const faults = configFaults(...SENDING);
    return faults.length === 0 ? true : faults;
  },
};

/**
 * URL and token of the account of a number, for calls besides sending.
 * @throws {Problem} `config_invalid` while the token is missing.
 */
export function whatsappAccount(_numberId?: string): Pick<GraphAccount, "graphUrl" | "token"> {
  return environment.account();
}

/** Creates WhatsApp with the given secrets; the functions share {@linkcode whatsapp}. */
export function createWhatsApp(options: Partial<WhatsAppOptions> = {}): WebhookChannel {
  const { appSecrets, verifyToken, account, ready } = { ...environment, ...options };
  function notReady(): SendFailure | undefined {
    const missing = ready();
    if (missing === true) return undefined;
    const message = missing.map(({ variable, fault }) => `${variable}: ${fault}`).join("; ");
    return { ok: false, kind: "retry", code: "not_ready", message };
  }

  return {
    name: "whatsapp",
    provider: "graph",
    flags: { intake: "wa_webhook", send: "wa_send.enabled" },
    // Meta, "Messaging limits" and "Throughput"; an opt-out is about marketing templates (`user_preferences`).
    policy: {
      windowMs: 24 * 60 * 60 * 1000,
      optOut: "until_resumed",
      pace: { perSecond: 80, pairSeconds: 6 },
    },
    fields: FIELDS,
    limits: { webhookBytes: WEBHOOK_BYTES, requestBytes: REQUEST_BYTES },
    ready,
    isSigned: ({ headers }) => headers.has(SIGNATURE_HEADER),
    verify: ({ headers }, bytes) => verify(bytes, headers.get(SIGNATURE_HEADER), appSecrets()),
    handshake: (query) => challengeOf(query, verifyToken()),
    parse: parseBytes,
    check: checkMessage,
    checkRequest,
    mediaOf,
    wordsOf: (message) => wordsOf(message as OutboundMessage),
    addressOf: ({ group, phone, bsuid, parent_bsuid }) => group ?? phone ?? bsuid ?? parent_bsuid,
    send: async ({ id, senderId, to, message, traceparent }, world): Promise<Sent> => {
      const missing = notReady();
      if (missing !== undefined) return missing;
      const from = { ...account(), phoneNumberId: senderId };
      const attempt = (message: OutboundMessage) => send(world.fetch, from, { id, to, message, traceparent });
      const prepared = await withMetaIds(message as OutboundMessage, from, world);
      if (!prepared.ok) return prepared;
      const sent = await attempt(prepared.message);
      if (sent.ok || !prepared.reused || !mayHaveExpired(sent)) return sent;
      const fresh = await withMetaIds(message as OutboundMessage, from, world, true);
      return fresh.ok ? await attempt(fresh.message) : fresh;
    },
    ownWebhook,
    templates: async (asked, { fetch }) => notReady() ?? await askTemplates(fetch, account(), asked),
    nextAttempt: nextSendAttempt,
  };
}

function parseBytes(bytes: Uint8Array): Parsed {
  let body: unknown;
  try {
    body = decode(bytes);
  } catch (cause) {
    // Signed by Meta and yet not JSON: somebody will want to see it.
    return { updates: [unreadable(bytes)], unreadable: cause };
  }
  return { updates: parse(body), accounts: accountsOf(body) };
}

/** WhatsApp with the secrets of the environment. */
export const whatsapp: WebhookChannel = createWhatsApp();
