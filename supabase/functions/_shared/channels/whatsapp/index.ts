/**
 * WhatsApp, through Meta's Cloud API, as a {@linkcode Channel}.
 *
 * @module
 */
import { type Decoded, decodeStorable } from "../../json/json.ts";
import type { Parsed, Sent, WebhookChannel } from "../channel.ts";
import { environment, isFailure, type WhatsAppCredentials } from "./credentials.ts";
import { challengeOf, SIGNATURE_HEADER, verify } from "./inbound/signature.ts";
import { mediaOf } from "./inbound/media.ts";
import { accountsOf, FIELDS, parseDecoded, unreadable } from "./inbound/updates.ts";
import { ownWebhook } from "./own_webhook.ts";
import { nextSendAttempt } from "../backoff.ts";
import { askTemplates, send } from "./outbound/graph.ts";
import { checkMessage, type OutboundMessage, wordsOf } from "./outbound/outbound.ts";
import { checkRequest } from "./outbound/request.ts";
import { mayHaveExpired, withMetaIds } from "./outbound/uploads.ts";

/** Meta sends at most 3 MB; the margin is for additions by a proxy. */
const WEBHOOK_BYTES = 3.5 * 1024 * 1024;

/** Graph bodies are small; the largest interactive list is far below this. */
const REQUEST_BYTES = 256 * 1024;

/** Creates WhatsApp with the given secrets; the functions share {@linkcode whatsapp}. */
export function createWhatsApp(options: Partial<WhatsAppCredentials> = {}): WebhookChannel {
  const { appSecrets, verifyToken, access, ready } = { ...environment, ...options };
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
    send: async ({ id, senderId, credentials, to, message, traceparent }, world): Promise<Sent> => {
      const account = access(credentials);
      if (isFailure(account)) return account;
      const from = { ...account, phoneNumberId: senderId };
      const attempt = (message: OutboundMessage) => send(world.fetch, from, { id, to, message, traceparent });
      const prepared = await withMetaIds(message as OutboundMessage, from, world);
      if (!prepared.ok) return prepared;
      const sent = await attempt(prepared.message);
      if (sent.ok || !prepared.reused || !mayHaveExpired(sent)) return sent;
      const fresh = await withMetaIds(message as OutboundMessage, from, world, true);
      return fresh.ok ? await attempt(fresh.message) : fresh;
    },
    ownWebhook,
    templates: async (asked, { fetch }) => {
      const account = access(asked.credentials);
      return isFailure(account) ? account : await askTemplates(fetch, account, asked);
    },
    nextAttempt: nextSendAttempt,
  };
}

function parseBytes(bytes: Uint8Array): Parsed {
  let body: Decoded;
  try {
    body = decodeStorable(bytes);
  } catch (cause) {
    // Signed by Meta and yet not JSON: somebody will want to see it.
    return { updates: [unreadable(bytes)], unreadable: cause };
  }
  return { updates: parseDecoded(body), accounts: accountsOf(body.value) };
}

/** WhatsApp with the secrets of the environment. */
export const whatsapp: WebhookChannel = createWhatsApp();
