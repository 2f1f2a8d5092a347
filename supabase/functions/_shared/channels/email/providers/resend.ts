/**
 * Sends mails through Resend: `POST /emails`.
 *
 * Source: Resend, "Send Email", "Idempotency Keys" and "Errors" (resend.com/docs). The same `Idempotency-Key` within
 * 24 hours sends one mail, so a call without an answer is repeated under the same key.
 *
 * @module
 */
import { parseRetryAfter } from "../../../http/answers.ts";
import type { JsonObject } from "../../../json/json.ts";
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

/** Resend as a {@linkcode MailProvider}. @param account Read at each call. */
export function createResend(account: () => MailAccount): MailProvider {
  return {
    name: "resend",
    /** Failure policy: a call without an answer is a `retry`, under the same key. */
    async send(mail, contents, ids, world) {
      const current = account();
      const request = {
        body: resendBody(mail, contents, ids),
        headers: { "idempotency-key": `${ids.kind}/${ids.id}` },
        repeatable: true,
      };
      const posted = await postMail(current, "/emails", request, world);
      return "failure" in posted ? posted.failure : outcomeOf(posted.answer, current.key);
    },
  };
}

/** The body of a request for one mail. The same mail gives the same body, which the idempotency key requires. */
export function resendBody(mail: OutgoingMail, contents: readonly Uint8Array[], ids: MailIds): JsonObject {
  return {
    from: mailbox(mail.from),
    to: mail.to.map(mailbox),
    ...(mail.cc !== undefined && mail.cc.length > 0 ? { cc: mail.cc.map(mailbox) } : {}),
    ...(mail.replyTo === undefined ? {} : { reply_to: mailbox(mail.replyTo) }),
    subject: mail.subject,
    text: mail.text,
    ...(mail.html === undefined || mail.html === "" ? {} : { html: mail.html }),
    headers: mail.headers,
    tags: [
      { name: ids.kind, value: ids.id },
      ...(ids.campaign === undefined ? [] : [{ name: "gl_campaign", value: ids.campaign }]),
    ],
    ...(mail.attachments.length > 0
      ? {
        attachments: mail.attachments.map(({ name, type, cid }, i) => ({
          filename: name,
          content: base64Of(contents[i]),
          content_type: type,
          ...(cid === null ? {} : { content_id: cid }),
        })),
      }
      : {}),
  };
}

/** `"Name" <address>`, as RFC 5322 3.4 has it. */
function mailbox({ address, name }: MailAddress): string {
  return name === "" ? address : `"${name.replace(/[\\"]/g, "\\$&").replace(/[\r\n]+/g, " ")}" <${address}>`;
}

function outcomeOf(answer: ProviderAnswer, key: string): Sent {
  const { status, headers, body } = answer;
  if (status >= 200 && status < 300) return accepted(body?.id);
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"), Date.now());
  const meaning = {
    ...meaningOf(status, body?.name),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  return refused(answer, meaning, { by: "Resend", key, message: body?.message, details: body?.name });
}

function meaningOf(status: number, name: unknown): Pick<SendFailure, "kind" | "scope"> {
  // The day's or the month's quota: nothing goes until it is raised or over.
  if (name === "daily_quota_exceeded" || name === "monthly_quota_exceeded") {
    return { kind: "held", scope: "number" };
  }
  if (status === 429) return { kind: "throttle", scope: "number" };
  if (status === 401 || status === 403) return { kind: "held", scope: "number" };
  if (status === 409) {
    // The same key with another body: it went, in an earlier form.
    return { kind: name === "invalid_idempotent_request" ? "unknown" : "retry" };
  }
  return { kind: status >= 500 || status === 408 || status < 400 ? "retry" : "final" };
}
