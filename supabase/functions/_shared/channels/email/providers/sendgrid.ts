/**
 * Sends mails through Twilio SendGrid: `POST /v3/mail/send`.
 *
 * Source: Twilio SendGrid, "Mail Send" (docs.sendgrid.com/api-reference/mail-send): limits, headers that cannot be
 * set, errors. It has **no idempotency key**: after a call without an answer nobody knows whether the mail went.
 *
 * @module
 */
import { parseRetryAfter } from "../../../http/answers.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { MailAddress, OutgoingMail } from "../../../mail/types.ts";
import type { SendFailure, Sent } from "../../channel.ts";
import {
  accepted,
  base64Of,
  type MailAccount,
  type MailIds,
  type MailProvider,
  postMail,
  type ProviderAnswer,
  refused,
} from "./provider.ts";

/** Headers that SendGrid sets itself and refuses in `headers`. */
const RESERVED = new Set([
  "x-sg-id",
  "x-sg-eid",
  "received",
  "dkim-signature",
  "content-type",
  "content-transfer-encoding",
  "to",
  "from",
  "subject",
  "reply-to",
  "cc",
  "bcc",
]);

/**
 * Off, whatever the account's defaults are: SendGrid would rewrite our links, and add a pixel and a footer of its own.
 */
const TRACKING = {
  click_tracking: { enable: false, enable_text: false },
  open_tracking: { enable: false },
  subscription_tracking: { enable: false },
  ganalytics: { enable: false },
};

/** SendGrid as a {@linkcode MailProvider}. @param account Read at each call, because keys are rotated. */
export function createSendGrid(account: () => MailAccount): MailProvider {
  return {
    name: "sendgrid",
    /**
     * Failure policy: a call that may have reached SendGrid is `unknown` and is never repeated by itself. What
     * SendGrid refuses in its own words (any 4xx, 500, 503) was not taken. 502 and 504 come from something in
     * between that gave up waiting.
     */
    async send(mail, contents, ids, world) {
      const current = account();
      const request = { body: sendGridBody(mail, contents, ids), repeatable: false };
      const posted = await postMail(current, "/v3/mail/send", request, world);
      return "failure" in posted ? posted.failure : outcomeOf(posted.answer, current.key);
    },
  };
}

/** The body of a request for one mail: one personalization, because all of a request share one message id. */
export function sendGridBody(mail: OutgoingMail, contents: readonly Uint8Array[], ids: MailIds): JsonObject {
  const to = distinct(mail.to);
  const cc = distinct(mail.cc ?? []).filter(({ address }) => !to.some((other) => other.address === address));
  const headers = Object.entries(mail.headers).filter(([name]) => !RESERVED.has(name.toLowerCase()));
  const attachments = mail.attachments.map(({ name, type, cid, inline }, i) => ({
    content: base64Of(contents[i]),
    filename: name,
    // SendGrid decodes text that is not ASCII as if it were.
    type: /^text\//i.test(type) ? "application/octet-stream" : type,
    disposition: inline && cid !== null ? "inline" : "attachment",
    ...(cid === null ? {} : { content_id: cid }),
  }));
  return {
    personalizations: [{
      to: to.map(addressOf),
      ...(cc.length > 0 ? { cc: cc.map(addressOf) } : {}),
      custom_args: {
        [ids.kind]: ids.id,
        ...(ids.campaign === undefined ? {} : { gl_campaign: ids.campaign }),
      },
    }],
    from: addressOf(mail.from),
    ...(mail.replyTo === undefined ? {} : { reply_to: addressOf(mail.replyTo) }),
    // Neither may be empty.
    subject: mail.subject === "" ? "(no subject)" : mail.subject,
    content: [
      { type: "text/plain", value: mail.text === "" ? " " : mail.text },
      ...(mail.html === undefined || mail.html === "" ? [] : [{ type: "text/html", value: mail.html }]),
    ],
    ...(headers.length > 0 ? { headers: Object.fromEntries(headers) } : {}),
    ...(attachments.length > 0 ? { attachments } : {}),
    tracking_settings: TRACKING,
  };
}

function addressOf({ address, name }: MailAddress): JsonObject {
  return name === "" ? { email: address } : { email: address, name };
}

/** SendGrid refuses a mail that names an address twice. */
function distinct(addresses: readonly MailAddress[]): MailAddress[] {
  return [...new Map(addresses.map((each) => [each.address, each])).values()];
}

function outcomeOf(answer: ProviderAnswer, key: string): Sent {
  const { status, headers, body } = answer;
  if (status === 200 || status === 202) return accepted(headers.get("x-message-id"));
  const first = Array.isArray(body?.errors) && isObject(body.errors[0]) ? body.errors[0] : undefined;
  const words = { by: "SendGrid", key, message: first?.message, details: first?.field };
  return refused(answer, meaningOf(status, headers), words);
}

function meaningOf(status: number, headers: Headers): Pick<SendFailure, "kind" | "scope" | "retryAfterMs"> {
  if (status === 429) {
    const retryAfterMs = parseRetryAfter(headers.get("retry-after"), Date.now()) ?? resetMs(headers);
    return { kind: "throttle", scope: "number", ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  // The key, or a From that the account may not use.
  if (status === 401 || status === 403) return { kind: "held", scope: "number" };
  if (status === 500 || status === 503 || status >= 300 && status < 400) return { kind: "retry" };
  return { kind: status === 408 || status >= 500 || status < 300 ? "unknown" : "final" };
}

/** `X-RateLimit-Reset` is a Unix time in seconds. */
function resetMs(headers: Headers): number | undefined {
  const reset = headers.get("x-ratelimit-reset");
  return reset !== null && /^\d{9,11}$/.test(reset)
    ? Math.max(0, Number(reset) * 1000 - Date.now())
    : undefined;
}
