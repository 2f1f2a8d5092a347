/**
 * Calls of a mailbox's API: with its access token, once more with a new one if that is refused, and what went wrong
 * in one shape for Gmail and Microsoft Graph.
 *
 * @module
 */
import { parseRetryAfter, readAnswer } from "../../../http/answers.ts";
import { withoutAnswer } from "../../../http/failures.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { SendDeps, SendFailure } from "../../channel.ts";

/** The mailbox to call. */
export interface Mailbox {
  /** Base URL without a trailing slash. */
  readonly url: string;
  /** Whose mailbox: the identity's id. */
  readonly identity: string;
  /** Longest wait for the response. @default {15_000} */
  readonly timeoutMs?: number;
}

/** A request to a mailbox. */
export interface MailboxRequest {
  readonly method?: "GET" | "POST";
  /** Below the base URL, with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Most bytes that are read of the answer. @default {4 MiB} */
  readonly most?: number;
}

/** An answer of 2xx. */
export interface MailboxAnswer {
  readonly status: number;
  readonly bytes: Uint8Array;
  /** Whether there was more than was read. */
  readonly cut: boolean;
}

/** What the call needs of the world. */
export type MailboxWorld = Pick<SendDeps, "fetch" | "mailbox"> & { traceparent?: string };

/** An answer that refuses. */
export interface Refusal {
  readonly status: number;
  readonly headers: Headers;
  /** Google's `reason` or Graph's `code`; "" if it has none. */
  readonly code: string;
  readonly message: string;
}

const TIMEOUT_MS = 15_000;
const MOST = 4 << 20;
const MAX_WORDS = 500;

/**
 * Calls a mailbox. Never throws.
 *
 * Failure policy: a token that is refused is renewed once, since the provider's clock may be ahead of ours; a new one that
 * is refused as well holds the mailbox. Without an answer the failure is `broken`, which the caller judges: what was asked
 * may have been done.
 */
export async function callMailbox(
  { url, identity, timeoutMs = TIMEOUT_MS }: Mailbox,
  request: MailboxRequest,
  world: MailboxWorld,
): Promise<{ answer: MailboxAnswer } | { refusal: Refusal } | { failure: SendFailure; asked: boolean }> {
  let refused: number | undefined;
  for (;;) {
    const access = await accessTo(identity, refused, world);
    if ("ok" in access) return { failure: access, asked: false };
    let response: Response;
    let read;
    try {
      response = await world.fetch(`${url}${request.path}`, {
        method: request.method ?? "GET",
        headers: {
          ...request.headers,
          authorization: `Bearer ${access.token}`,
          ...(world.traceparent === undefined ? {} : { traceparent: world.traceparent }),
        },
        ...(request.body === undefined ? {} : { body: request.body as BodyInit }),
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      read = await readAnswer(response.body, request.most ?? MOST);
    } catch (error) {
      return unanswered(error, timeoutMs);
    }
    if (response.ok) return { answer: { status: response.status, ...read } };
    if (response.status !== 401) {
      return { refusal: refusalOf(response, read.bytes, access.token) };
    }
    if (refused !== undefined) {
      const message = "the provider refuses a token that it has just given";
      return { failure: heldMailbox("unauthorized", message, 401), asked: false };
    }
    refused = access.version;
  }
}

async function accessTo(identity: string, refused: number | undefined, { mailbox }: MailboxWorld) {
  if (mailbox === undefined) return heldMailbox("not_ready", "nothing is sent through mailboxes here");
  try {
    return await mailbox(identity, refused);
  } catch {
    return {
      ok: false,
      kind: "retry",
      code: "database",
      message: "the mailbox's token cannot be read now",
    } as const;
  }
}

function unanswered(error: unknown, timeoutMs: number): { failure: SendFailure; asked: boolean } {
  const failure = (code: string, message: string): SendFailure => ({
    ok: false,
    kind: "retry",
    code,
    message,
  });
  switch (withoutAnswer(error)) {
    case "not_connected":
      return { failure: failure("network", "no connection"), asked: false };
    case "timeout":
      return { failure: failure("timeout", `no answer within ${timeoutMs} ms`), asked: true };
    case "broken":
      return { failure: failure("network", "the connection broke before an answer"), asked: true };
  }
}

/** Both providers answer `{error: {…}}`: Google with `errors[0].reason` or `status`, Graph with `code`. */
function refusalOf(response: Response, bytes: Uint8Array, token: string): Refusal {
  const body = jsonOf(bytes);
  const error = isObject(body?.error) ? body.error : {};
  const [first] = Array.isArray(error.errors) ? error.errors : [];
  const code = isObject(first) && typeof first.reason === "string"
    ? first.reason
    : typeof error.code === "string"
    ? error.code
    : typeof error.status === "string"
    ? error.status
    : "";
  const message = typeof error.message === "string" && error.message !== ""
    ? error.message.replaceAll(token, "…").slice(0, MAX_WORDS).toWellFormed()
    : `HTTP ${response.status} without an explanation`;
  return { status: response.status, headers: response.headers, code: code.slice(0, 60), message };
}

/** The JSON object of an answer; undefined if it is none. */
export function jsonOf(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A failure that holds the sender until somebody has repaired the mailbox. */
export function heldMailbox(code: string, message: string, status?: number): SendFailure {
  return {
    ok: false,
    kind: "held",
    scope: "number",
    code,
    message,
    ...(status === undefined ? {} : { status }),
  };
}

/** Codes of both providers that say that it was too much at once. */
const PACE =
  /^(?:rateLimitExceeded|userRateLimitExceeded|RESOURCE_EXHAUSTED|ApplicationThrottled|MailboxConcurrency|TooManyRequests|ErrorServerBusy)$/;
/** … that the day's amount is used up. */
const QUOTA =
  /^(?:dailyLimitExceeded|quotaExceeded|ErrorExceededMessageLimit|ErrorQuotaExceeded|ErrorMessageQuota)$/;
/** … that the account, or what was granted, does not allow it. */
const ACCOUNT =
  /^(?:insufficientPermissions|accessNotConfigured|domainPolicy|forbidden|delegationDenied|failedPrecondition|ErrorAccessDenied|ErrorSendAsDenied|MailboxNotEnabledForRESTAPI|Authorization_RequestDenied|ErrorAccountSuspend\w*)$/;

/**
 * What a refusal means for a mail. Sources: Gmail API, "Resolve errors"; Microsoft Graph, "Throttling guidance" and
 * "Microsoft Graph error responses"; Exchange error codes.
 *
 * Failure policy: an error of the server's (5xx) may have come after the mail was taken, so it is `unknown`, and looked up.
 */
export function meaningOf({ status, headers, code, message }: Refusal): SendFailure {
  const retryAfterMs = parseRetryAfter(headers.get("retry-after"), Date.now()) ?? untilIn(message);
  const common = {
    ok: false,
    code: code || status,
    status,
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  } as const;
  if (QUOTA.test(code)) return { ...common, kind: "held", scope: "number" };
  if (status === 429 || PACE.test(code)) return { ...common, kind: "throttle", scope: "number" };
  if (ACCOUNT.test(code) || status === 403) return { ...common, kind: "held", scope: "number" };
  if (status === 503 && retryAfterMs !== undefined) return { ...common, kind: "throttle", scope: "number" };
  if (status >= 500 || status === 408) return { ...common, kind: "unknown" };
  return { ...common, kind: status >= 300 && status < 400 ? "retry" : "final" };
}

/** Gmail names the time in its message: "User-rate limit exceeded.  Retry after 2026-12-01T10:00:00.000Z". */
function untilIn(message: string): number | undefined {
  const at = /Retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)/.exec(message)?.[1];
  return at === undefined ? undefined : Math.max(0, Date.parse(at) - Date.now());
}
