/**
 * Texts (SMS and MMS), through Twilio or Telnyx, as a {@linkcode Channel}. Its doors, where providers report and texts
 * come in, are in `doors.ts`.
 *
 * @module
 */
import { isObject, list, text as textOf } from "../../json/json.ts";
import { nextSendAttempt } from "../backoff.ts";
import type { Channel, MessageMedia, Outbound, Outgoing, SendDeps, SendFailure, Sent } from "../channel.ts";
import { providerOf, ready } from "./config.ts";
import { checkMessage, checkRequest, wordsOf } from "./outbound/check.ts";

/** Texts are short; addresses of files have room, too. */
const REQUEST_BYTES = 64 * 1024;

/**
 * How long a provider may keep a text in its queue, in seconds. We pace by ourselves, so its queue is short unless
 * something is wrong; and "I am at the door" is worse late than never.
 */
const VALIDITY_SECONDS = 600;

/** Texts with the secrets of the environment. */
export const sms: Channel = {
  name: "sms",
  provider: "sms",
  flags: { intake: "sms_webhook", send: "sms_send.enabled" },
  // People may write at any time. Who has ended texts from a number gets none from it until they write START.
  policy: { windowMs: null, optOut: "until_start", pace: { perSecond: 1, pairSeconds: 0 } },
  limits: { requestBytes: REQUEST_BYTES },
  ready,
  check: checkMessage,
  checkRequest,
  wordsOf,
  addressOf: ({ phone }) => phone,
  mediaPath: "sms-webhook/media",
  mediaOf,
  send: sendText,
  nextAttempt: nextSendAttempt,
};

async function sendText(outgoing: Outgoing, world: SendDeps): Promise<Sent> {
  const missing = ready();
  if (missing !== true) {
    const message = missing.map(({ variable, fault }) => `${variable}: ${fault}`).join("; ");
    return { ok: false, kind: "retry", code: "not_ready", message };
  }
  const provider = providerOf(outgoing.sms?.provider ?? "twilio");
  if ("ok" in provider) return provider;
  const { id, senderId: from, to, message, traceparent } = outgoing;
  if (isTooOld(id, message, Date.now())) return EXPIRED;
  return await provider.send({
    id,
    from,
    ...(outgoing.sms?.account ? { account: outgoing.sms.account } : {}),
    to,
    text: wordsOf(message) ?? "",
    media: (list(message.media) ?? []).filter((url) => typeof url === "string"),
    validitySeconds: typeof message.validity_seconds === "number"
      ? message.validity_seconds
      : VALIDITY_SECONDS,
    traceparent,
  }, world);
}

const EXPIRED: SendFailure = {
  ok: false,
  kind: "final",
  code: "expired",
  message: "it waited longer than its validity_seconds",
};

/** Whether a text with a validity of its own waited longer than that. Our ids (UUID v7) begin with their time. */
export function isTooOld(id: string, { validity_seconds: seconds }: Outbound, now: number): boolean {
  if (typeof seconds !== "number") return false;
  const made = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
  return Number.isFinite(made) && now - made > seconds * 1000;
}

/** The first file of a text that came in; the others are in its `native`. */
function mediaOf(type: string, native: unknown): MessageMedia | undefined {
  const first = isObject(native) ? list(native.media)?.[0] : undefined;
  const url = isObject(first) ? textOf(first.url) : undefined;
  if (type !== "mms" || !isObject(first) || url === undefined) return undefined;
  const mimeType = textOf(first.type) ?? null;
  return {
    id: url,
    mimeType,
    sha256: null,
    size: typeof first.size === "number" ? first.size : null,
    name: null,
  };
}
