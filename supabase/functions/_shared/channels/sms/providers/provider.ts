/**
 * What a provider of texts does for us.
 *
 * @module
 */
import { readResponse } from "../../../http/answers.ts";
import { withoutAnswer } from "../../../http/failures.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { SendDeps, SendFailure, Sent } from "../../channel.ts";
import type { SmsProviderName, SmsUpdate } from "../inbound/update.ts";

/** A text to send. */
export interface OutgoingText {
  /** Our id of it, which comes back with its statuses. */
  readonly id: string;
  /** Our number, digits. */
  readonly from: string;
  /** The provider's account that has it, if that is not the main one. */
  readonly account?: string;
  /** Digits. */
  readonly to: string;
  readonly text: string;
  /** Addresses of files. */
  readonly media: readonly string[];
  /** How long the provider may keep it in its queue, in seconds. */
  readonly validitySeconds: number;
  readonly traceparent?: string;
}

/** Which messages to list. */
export interface ListQuery {
  /** Milliseconds since 1970: messages sent since then, and perhaps some that are older. */
  readonly since: number;
  /** Whether a number is one of ours that it is asked about. */
  isOurs(number: string): boolean;
  /** Which of these ids are texts that came in and are stored; the others are read one by one. */
  known(ids: readonly string[]): Promise<ReadonlySet<string>>;
}

/** What a provider has, from its list. */
export interface Listed {
  readonly updates: readonly SmsUpdate[];
  /** Texts that we sent, for those of which nobody knows whether they went. */
  readonly sent: readonly ListedText[];
  /** Whether the list reached back to {@linkcode ListQuery.since}. */
  readonly complete: boolean;
  /** Why the list of one of several accounts is missing; such a list is not complete. */
  readonly error?: string;
}

/** A text that we sent, as the provider has it. */
export interface ListedText {
  readonly provider_id: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  /** ISO 8601. */
  readonly at: string;
  /** Our id of it, where the provider gives it back. */
  readonly ours?: string;
}

/** A provider with its account. */
export interface SmsProvider {
  readonly name: SmsProviderName;
  /**
   * Sends a text. Never throws.
   *
   * Failure policy: no provider has an idempotency key. A call that may have been taken is `unknown`, and is never
   * repeated by itself.
   */
  send(text: OutgoingText, world: Pick<SendDeps, "fetch">): Promise<Sent>;
  /**
   * The messages that the provider has. Absent where it has no list.
   *
   * @throws {Error} if it does not answer.
   */
  list?(query: ListQuery, world: Pick<SendDeps, "fetch">): Promise<Listed>;
  /** Whether an address is one of a file of our account. Others are never called. */
  owns(url: string): boolean;
  /**
   * Opens a file that came with a text; undefined if it is gone, or the address is not one of ours.
   *
   * @param signal Ends the download.
   * @throws {Error} if the provider does not answer.
   */
  openMedia(url: string, world: Pick<SendDeps, "fetch">, signal?: AbortSignal): Promise<Response | undefined>;
  /**
   * Deletes a file; one that is gone already is no failure. Absent where files end by themselves.
   *
   * @throws {Error} if the provider does not delete it.
   */
  deleteMedia?(url: string, world: Pick<SendDeps, "fetch">): Promise<void>;
}

/** Longest wait for an answer, in milliseconds; the lease of a message is longer. */
export const TIMEOUT_MS = 15_000;

const MAX_WORDS = 500;

/**
 * Calls an address without following redirects. The time limit ends with the answer's headers: a file may take longer.
 *
 * @throws {Error} without an answer.
 */
export async function open(
  fetch: SendDeps["fetch"],
  url: string,
  init: RequestInit = {},
  signal?: AbortSignal,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException("no answer", "TimeoutError")), TIMEOUT_MS);
  const signals = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
  try {
    return await fetch(url, { ...init, redirect: "manual", signal: signals });
  } finally {
    clearTimeout(timer);
  }
}

/** An answer of a provider's API. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Its JSON object; undefined if it is none, as of a proxy's page. */
  readonly body: JsonObject | undefined;
}

/** Calls a provider's API. Never throws. A redirect is an answer, because credentials must not go elsewhere. */
export async function callApi(
  fetch: SendDeps["fetch"],
  url: string,
  init: RequestInit,
  maxBytes?: number,
): Promise<ApiAnswer | SendFailure> {
  let response: Response;
  try {
    response = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    return unanswered(error);
  }
  return { status: response.status, headers: response.headers, body: await jsonOf(response, maxBytes) };
}

async function jsonOf(response: Response, maxBytes?: number): Promise<JsonObject | undefined> {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder().decode((await readResponse(response, maxBytes)).bytes),
    );
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The failure of a call without an answer. */
export function unanswered(error: unknown): SendFailure {
  switch (withoutAnswer(error)) {
    case "not_connected":
      return { ok: false, kind: "retry", code: "network", message: "no connection" };
    case "timeout":
      return { ok: false, kind: "unknown", code: "timeout", message: `no answer within ${TIMEOUT_MS} ms` };
    case "broken":
      return {
        ok: false,
        kind: "unknown",
        code: "network",
        message: "the connection broke before an answer",
      };
  }
}

/** A provider's words, without secrets and truncated; undefined for none. */
export function wordsOf(value: unknown, secrets: readonly string[]): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  const hidden = secrets.reduce((text, secret) => secret === "" ? text : text.replaceAll(secret, "…"), value);
  // Providers quote the numbers that they refuse.
  return hidden.replace(/\+?\d{7,15}/g, "…").slice(0, MAX_WORDS).toWellFormed();
}
