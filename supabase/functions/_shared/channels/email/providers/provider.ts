/**
 * What a provider of mail does for us: it takes a mail, or says why not.
 *
 * @module
 */
import type { MailProviderName } from "../../../contract/mail_providers.ts";
import { readResponse } from "../../../http/answers.ts";
import { withoutAnswer } from "../../../http/failures.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { OutgoingMail } from "../../../mail/types.ts";
import type { SendDeps, SendFailure, Sent } from "../../channel.ts";

/** Our ids of a mail, which the provider returns in its events. They name nobody. */
export interface MailIds {
  /** The message; for a forward the delivery; for a code that confirms an address an id that nothing else has. */
  readonly kind: "gl_message" | "gl_delivery" | "gl_code";
  readonly id: string;
  readonly campaign?: string;
}

/** A provider with its account. */
export interface MailProvider {
  readonly name: MailProviderName;
  /**
   * Sends a mail. Never throws.
   *
   * @param contents Bytes of the attachments, in their order.
   */
  send(
    mail: OutgoingMail,
    contents: readonly Uint8Array[],
    ids: MailIds,
    world: SendDeps & { traceparent?: string },
  ): Promise<Sent>;
}

/** Account of a provider. */
export interface MailAccount {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly key: string;
  /** Longest wait for the response. @default {15_000} */
  readonly timeoutMs?: number;
}

/** The answer of a provider. */
export interface ProviderAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Its JSON object; undefined if it is none, or breaks off. */
  readonly body: JsonObject | undefined;
}

/** Time limit of a call if the account sets none, in milliseconds; the lease of a message is longer. */
const TIMEOUT_MS = 15_000;

const MAX_WORDS = 500;

/**
 * Posts a mail to a provider's API. Never throws. A redirect is an answer, because the key must not go elsewhere.
 *
 * @param repeatable Whether the provider takes the same request only once, so that it may be repeated.
 */
export async function postMail(
  { url, key, timeoutMs = TIMEOUT_MS }: MailAccount,
  path: string,
  { body, headers = {}, repeatable }: {
    body: JsonObject;
    headers?: Record<string, string>;
    repeatable: boolean;
  },
  { fetch, traceparent }: Parameters<MailProvider["send"]>[3],
): Promise<{ answer: ProviderAnswer } | { failure: SendFailure }> {
  let response: Response;
  try {
    response = await fetch(`${url}${path}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${key}`,
        ...headers,
        ...(traceparent === undefined ? {} : { traceparent }),
      },
      body: JSON.stringify(body),
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    return { failure: unanswered(error, timeoutMs, repeatable) };
  }
  return { answer: { status: response.status, headers: response.headers, body: await jsonOf(response) } };
}

async function jsonOf(response: Response): Promise<JsonObject | undefined> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode((await readResponse(response)).bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A provider's refusal, in its own words as far as it has any: `details` is what it names beside its message. */
export function refused(
  { status }: ProviderAnswer,
  meaning: Pick<SendFailure, "kind" | "scope" | "retryAfterMs">,
  { by, key, message, details }: { by: string; key: string; message: unknown; details: unknown },
): SendFailure {
  const words = wordsFor(key);
  const named = words(details);
  return {
    ok: false,
    ...meaning,
    code: status,
    status,
    message: words(message) ?? `HTTP ${status} without an error of ${by}'s`,
    ...(named === undefined ? {} : { details: named }),
  };
}

/** A success; a provider that names no id of the mail has taken it all the same. */
export function accepted(id: unknown): Sent {
  return { ok: true, ...(typeof id === "string" && id !== "" ? { providerId: id } : {}) };
}

/** A provider's words, without the key and truncated. */
function wordsFor(key: string): (value: unknown) => string | undefined {
  return (value) =>
    typeof value === "string" && value !== ""
      ? value.replaceAll(key, "…").slice(0, MAX_WORDS).toWellFormed()
      : undefined;
}

/** The failure of a call without an answer. */
function unanswered(error: unknown, timeoutMs: number, repeatable: boolean): SendFailure {
  const kind = repeatable ? "retry" : "unknown";
  switch (withoutAnswer(error)) {
    case "not_connected":
      return { ok: false, kind: "retry", code: "network", message: "no connection" };
    case "timeout":
      return { ok: false, kind, code: "timeout", message: `no answer within ${timeoutMs} ms` };
    case "broken":
      return { ok: false, kind, code: "network", message: "the connection broke before an answer" };
  }
}

/** Bytes in base64, in pieces that `String.fromCharCode` takes. */
export function base64Of(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}
