/**
 * What a provider of mail does for us: it takes a mail, or says why not.
 *
 * @module
 */
import { withoutAnswer } from "../../../http/failures.ts";
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
  readonly name: "sendgrid" | "resend";
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

/** Time limit of a call if the account sets none, in milliseconds; the lease of a message is longer. */
export const TIMEOUT_MS = 15_000;

const MAX_WORDS = 500;

/** A provider's words, without the key and truncated. */
export function wordsFor(key: string): (value: unknown) => string | undefined {
  return (value) =>
    typeof value === "string" && value !== ""
      ? value.replaceAll(key, "…").slice(0, MAX_WORDS).toWellFormed()
      : undefined;
}

/**
 * The failure of a call without an answer.
 *
 * @param repeatable Whether the provider takes the same request only once, so that it may be repeated.
 */
export function unanswered(error: unknown, timeoutMs: number, repeatable: boolean): SendFailure {
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
