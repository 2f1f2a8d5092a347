/**
 * Sends mails through Resend: `POST /emails`.
 *
 * Source: Resend, "Send Email", "Idempotency Keys" and "Errors" (resend.com/docs). The same `Idempotency-Key` within
 * 24 hours sends one mail, so a call without an answer is repeated under the same key.
 *
 * @module
 */
import { parseRetryAfter, readAnswer } from "../../../http/answers.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { MailAddress, OutgoingMail } from "../../../mail/types.ts";
import type { SendFailure, Sent } from "../../channel.ts";
import {
  base64Of,
  type MailAccount,
  type MailIds,
  type MailProvider,
  TIMEOUT_MS,
  unanswered,
  wordsFor,
} from "./provider.ts";

/** Resend as a {@linkcode MailProvider}. @param account Read at each call. */
export function createResend(account: () => MailAccount): MailProvider {
  return {
    name: "resend",
    /** Failure policy: a call without an answer is a `retry`, under the same key. */
    async send(mail, contents, ids, { fetch, traceparent }) {
      const { url, key, timeoutMs = TIMEOUT_MS } = account();
      let response: Response;
      try {
        response = await fetch(`${url}/emails`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            authorization: `Bearer ${key}`,
            "idempotency-key": `${ids.kind}/${ids.id}`,
            ...(traceparent === undefined ? {} : { traceparent }),
          },
          body: JSON.stringify(resendBody(mail, contents, ids)),
          redirect: "manual",
          signal: AbortSignal.timeout(timeoutMs),
        });
      } catch (error) {
        return unanswered(error, timeoutMs, true);
      }
      return await outcomeOf(response, key);
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

async function outcomeOf(response: Response, key: string): Promise<Sent> {
  const { status, headers } = response;
  let body: JsonObject | undefined;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode((await readAnswer(response.body)).bytes));
    body = isObject(value) ? value : undefined;
  } catch {
    // No JSON, or it broke off.
  }
  if (response.ok) {
    // A success whose body cannot be read is one: the mail went.
    return { ok: true, ...(typeof body?.id === "string" && body.id !== "" ? { providerId: body.id } : {}) };
  }
  const words = wordsFor(key);
  const name = words(body?.name);
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"), Date.now());
  return {
    ok: false,
    ...meaningOf(status, name),
    code: status,
    status,
    message: words(body?.message) ?? `HTTP ${status} without an error of Resend's`,
    ...(name === undefined ? {} : { details: name }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function meaningOf(status: number, name: string | undefined): Pick<SendFailure, "kind" | "scope"> {
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
