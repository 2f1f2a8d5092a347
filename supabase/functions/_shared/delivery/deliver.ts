/**
 * One attempt to deliver a message to a destination.
 *
 * @module
 */
import type { DeliveryError, ReplyFault } from "../contract/states.ts";
import { SealError } from "../crypto/seal.ts";
import { parseRetryAfter, readResponse } from "../http/answers.ts";
import { platformLimitMs } from "../http/ending.ts";
import { startDeadline } from "../http/deadline.ts";
import { orAborted } from "./abort.ts";
import type { Resolution } from "./addresses.ts";
import { type Allowlist, permit } from "./allowlist.ts";
import { findReplies, keptText } from "./answer.ts";
import { sign, SigningError } from "./sign.ts";

/** The request body (Standard Webhooks). */
export interface WebhookEvent {
  /** For example `message.received`. */
  readonly type: string;
  /** ISO time of the event, the same for every attempt. */
  readonly timestamp: string;
  readonly data: unknown;
}

/** The body for Slack and compatible chats. */
export interface SlackText {
  readonly text: string;
}

/** One attempt. */
export interface DeliveryRequest {
  /** `webhook-id`: unique to message and destination, the same for every attempt. */
  readonly id: string;
  readonly url: string;
  readonly secrets: readonly string[];
  /** What is sent as JSON, or the body itself. */
  readonly event: WebhookEvent | SlackText | string;
  /** Further headers that sign the body, made with the newest secret. */
  readonly headersOf?: (body: string, secret: string) => Readonly<Record<string, string>>;
  /** The destination's own headers, each sealed for `destination:<destinationId>:<name>`. */
  readonly headers?: Readonly<Record<string, string>> | null;
  /** The destination that the headers belong to. */
  readonly destinationId?: string;
  /**
   * Time limit of the whole attempt, from the DNS query to the end of the response, in milliseconds. @default
   * {15000}
   */
  readonly timeoutMs?: number;
  /** W3C trace context, passed on. */
  readonly traceparent?: string;
}

/** Dependencies of an attempt. */
export interface DeliveryDeps {
  readonly fetch: typeof fetch;
  readonly resolve: (host: string) => Promise<Resolution>;
  readonly allowlist: Allowlist;
  /** Whether loopback destinations may be called: the setting `forward.allow_loopback` of a local stack. */
  readonly allowLoopback: boolean;
  /** Opens a value that was sealed for a context; throws a {@linkcode SealError}. */
  readonly unseal?: (sealed: string, context: string) => Promise<string>;
  /** Milliseconds since 1970. @default {Date.now} */
  readonly now?: () => number;
}

/** How the attempt ended. `ok` is any 2xx answer that arrived whole, or up to the limit of what is read. */
export interface DeliveryResult {
  readonly ok: boolean;
  readonly latencyMs: number;
  /** HTTP status, absent without a response. */
  readonly status?: number;
  /** The response as text, truncated. Absent without a response. */
  readonly answer?: string;
  readonly error?: DeliveryError;
  /** No other attempt can succeed: there is nothing to send any more. */
  readonly final?: true;
  /** Details of `error`, in our own words. */
  readonly detail?: string;
  /** The wait that the response's Retry-After, or the platform, asks for. */
  readonly retryAfterMs?: number;
  /** The id that a mail got from its provider. */
  readonly providerId?: string;
  /** Replies from a 2xx response, unchecked. */
  readonly replies?: readonly Record<string, unknown>[];
  /** Why the answer's replies are not used. */
  readonly repliesIgnored?: ReplyFault;
}

/** Time limit of an attempt if the destination sets none, in milliseconds. */
export const DEFAULT_TIMEOUT_MS = 15_000;

const USER_AGENT = "Gatelink-Webhooks/1";

/**
 * Posts a signed event to a destination.
 *
 * Checks the allowlist and DNS immediately before the call, follows no redirect, and ends after `timeoutMs`
 * whatever the server does. Never throws: every failure is a result, so that one bad destination cannot stop
 * a round of deliveries.
 */
export async function deliver(world: DeliveryDeps, request: DeliveryRequest): Promise<DeliveryResult> {
  const { now = Date.now } = world;
  const started = performance.now();
  const end = (result: Omit<DeliveryResult, "latencyMs">): DeliveryResult => ({
    ...result,
    latencyMs: Math.round(performance.now() - started),
  });

  const permission = permit(request.url, world.allowlist, { allowLoopback: world.allowLoopback });
  if (!permission.ok) {
    return end({
      ok: false,
      error: "not_permitted",
      detail: `${permission.code}: the URL ${permission.why}`,
    });
  }
  const init = await prepare(request, world, now()).catch((error) =>
    // The text of any other error could quote a header.
    error instanceof SigningError || error instanceof SealError
      ? error.message
      : "the event or a header is malformed"
  );
  if (typeof init === "string") return end({ ok: false, error: "unsendable", detail: init });
  const { own, ...sent } = init;

  const { timeoutMs = DEFAULT_TIMEOUT_MS } = request;
  const controller = new AbortController();
  const deadline = startDeadline(timeoutMs, () => controller.abort());
  const { signal } = controller;
  let status: number | undefined;
  try {
    if (!permission.loopback) {
      const resolution = await orAborted(world.resolve(permission.url.hostname), signal);
      if (!resolution.ok) return end({ ok: false, error: resolution.code, detail: resolution.why });
    }
    const response = await world.fetch(permission.url, {
      ...sent,
      method: "POST",
      redirect: "manual",
      signal,
    });
    status = response.status;
    const read = await readResponse(response);
    const answered = { status, answer: without(own, keptText(read.bytes)) };
    if (response.ok) {
      const found = findReplies(read, response.headers.get("content-type"));
      if (found === undefined) return end({ ok: true, ...answered });
      if ("ignored" in found) return end({ ok: true, ...answered, repliesIgnored: found.ignored });
      return end({ ok: true, ...answered, replies: found.replies });
    }
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), now());
    return end({
      ok: false,
      ...answered,
      error: status >= 300 && status < 400 ? "redirect" : "status",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  } catch (error) {
    const answered = status === undefined ? {} : { status };
    if (signal.aborted) {
      return end({
        ok: false,
        ...answered,
        error: "timeout",
        detail: `no complete answer within ${timeoutMs} ms`,
      });
    }
    const limitMs = status === undefined ? platformLimitMs(error) : undefined;
    if (limitMs !== undefined) return end({ ok: false, error: "platform_limit", retryAfterMs: limitMs });
    return end({ ok: false, ...answered, error: status === undefined ? causeOf(error) : "connection" });
  } finally {
    deadline.end();
  }
}

/** Body and headers of an attempt made at `now`, in milliseconds since 1970. */
async function prepare(
  request: DeliveryRequest,
  world: DeliveryDeps,
  now: number,
): Promise<{ body: string; headers: Headers | Record<string, string>; own: readonly string[] }> {
  const { id, secrets, traceparent } = request;
  const own = request.headers == null ? NONE : await opened(request.headers, request.destinationId, world);
  const body = typeof request.event === "string" ? request.event : JSON.stringify(request.event);
  const timestamp = Math.floor(now / 1000);
  const ours: Record<string, string> = {
    "content-type": "application/json",
    "user-agent": USER_AGENT,
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": sign({ id, timestamp, body, secrets }),
  };
  // What Headers would let pass needs none: fetch makes its own.
  if (
    own.length === 0 && request.headersOf === undefined && PLAIN.test(id) && PLAIN.test(traceparent ?? "")
  ) {
    if (traceparent !== undefined) ours.traceparent = traceparent;
    return { body, headers: ours, own: NO_VALUES };
  }
  const headers = new Headers({
    ...Object.fromEntries(own),
    ...(request.headersOf !== undefined && secrets.length > 0 ? request.headersOf(body, secrets[0]) : {}),
    ...ours,
  });
  if (traceparent !== undefined) headers.set("traceparent", traceparent);
  return { body, headers, own: own.map(([, value]) => value) };
}

const NONE: readonly (readonly [name: string, value: string])[] = [];
const NO_VALUES: readonly string[] = [];
/** A header's value in visible ASCII. */
const PLAIN = /^[!-~]*$/;

/** The destination's own headers. */
async function opened(
  sealed: Readonly<Record<string, string>>,
  destinationId: string | undefined,
  { unseal }: DeliveryDeps,
): Promise<typeof NONE> {
  return await Promise.all(
    Object.entries(sealed).map(async ([name, value]) => {
      if (unseal === undefined) throw new SealError("there is no key to open it with");
      return [
        name,
        await unseal(value, headerContext(destinationId ?? "", name)).catch((error) => {
          throw error instanceof SealError ? new SealError(`the header ${name}: ${error.message}`) : error;
        }),
      ] as const;
    }),
  );
}

/** The context that a destination's header is sealed for. */
export function headerContext(destinationId: string, name: string): string {
  return `destination:${destinationId}:${name}`;
}

/**
 * The response without the credentials that were sent: a service may echo them, and more people read the
 * response.
 */
function without(own: readonly string[], answer: string): string {
  if (own.length === 0) return answer;
  const parts = own.flatMap((value) => [value, ...value.split(/\s+/)]).filter((part) => part.length >= 8);
  return parts.reduce((text, part) => text.replaceAll(part, "[redacted]"), answer);
}

/**
 * Maps an error of fetch to one of our words. Deno only says the cause in text: the message, or that of
 * `cause`.
 */
function causeOf(error: unknown): DeliveryError {
  const said = error instanceof Error ? `${error.message} ${error.cause ?? ""}` : "";
  if (/certificate|tls handshake|HandshakeFailure|corrupt message/i.test(said)) return "tls";
  if (/dns error/.test(said)) return "dns";
  if (/\(Connect\)/.test(said)) return "connect";
  return "connection";
}
