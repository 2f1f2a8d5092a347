/**
 * The intake of a channel's webhooks: verifies, parses, stores, answers. It makes no routing decisions; a new
 * message waits to be routed.
 *
 * Gates, in this order: kill switch, signature, size, shape. Every refusal has its own code and counter.
 *
 * Hot path: 10,000 webhooks a second on less than a core. So a POST parses no URL, runs no schema, looks up
 * no channel, and creates no promises except for reading the body and for the commit.
 *
 * @module
 */
import type { InboundUpdate, WebhookChannel } from "../channels/channel.ts";
import { readBody } from "../http/body.ts";
import { Problem } from "../http/problem.ts";
import type { Context, Handler } from "../serve/serve.ts";
import type { Ingest } from "./ingest.ts";

/** Dependencies of the intake. */
export interface InboundDeps {
  /** Whether the operator has switched a feature off. Providers resend webhooks that were answered 503. */
  killed(feature: string): boolean;
  ingest: Ingest;
  /**
   * Routes waiting messages. Called for each webhook with a new message, so concurrent calls share a promise.
   */
  drain(): Promise<unknown>;
  /** Lets work continue after the response. */
  waitUntil(work: Promise<unknown>): void;
}

/** The handlers of POST (a webhook) and, if the provider has a handshake, of GET. */
export function inbound(channel: WebhookChannel, deps: InboundDeps): { GET?: Handler; POST: Handler } {
  const { flags, limits } = channel;
  let routing: Promise<unknown> | undefined;
  /** One promise for all webhooks of a busy period: separate ones would accumulate until the work is done. */
  function route(): void {
    const now = deps.drain();
    if (now !== routing) deps.waitUntil(routing = now);
  }

  function handshake(request: Request): Response {
    if (deps.killed(flags.intake)) throw new Problem("disabled_by_environment");
    const challenge = channel.handshake?.(new URL(request.url).searchParams);
    if (challenge === undefined) throw new Problem("verify_token_mismatch");
    // As text, so that a browser which is led here runs nothing that the query holds.
    return new Response(challenge, {
      headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
    });
  }

  /**
   * Failure policy: only committed webhooks are acknowledged. Any failure is answered with an error, and the
   * provider, which keeps a webhook for a while, sends it again.
   */
  async function intake(request: Request, context: Context): Promise<Response> {
    if (deps.killed(flags.intake)) throw new Problem("disabled_by_environment");
    if (!channel.isSigned(request)) throw new Problem("signature_missing");
    const bytes = await readBody(request, limits.webhookBytes);
    if (!channel.verify(request, bytes)) throw new Problem("signature_invalid");

    const { updates, accounts, unreadable } = channel.parse(bytes);
    const { traceparent } = context;
    if (traceparent !== undefined) keepTrace(updates, traceparent);
    const outcomes = await deps.ingest({ updates, accounts, bytes: bytes.length });
    // Stored, not acknowledged.
    if (unreadable !== undefined) throw new Problem("invalid_json", { cause: unreadable });
    if (isRoutable(updates, outcomes)) route();
    return answer(outcomes);
  }

  return channel.handshake === undefined ? { POST: intake } : { GET: handshake, POST: intake };
}

/**
 * Stores the trace with messages only, because nothing is sent for other updates. Providers send no trace; a
 * proxy in front of us may.
 */
function keepTrace(updates: InboundUpdate[], traceparent: string): void {
  for (const update of updates) if (update.kind === "message") update.traceparent = traceparent;
}

/** Whether there is a new message. */
function isRoutable(updates: InboundUpdate[], outcomes: string): boolean {
  for (let i = 0; i < updates.length; i++) {
    if (updates[i].kind === "message" && outcomes[i] === "s") return true;
  }
  return false;
}

const JSON_HEADERS = { "content-type": "application/json" };

function answer(outcomes: string): Response {
  let stored = 0;
  for (let i = 0; i < outcomes.length; i++) if (outcomes[i] === "s") stored++;
  const received = outcomes.length;
  return new Response(`{"received":${received},"stored":${stored},"duplicates":${received - stored}}`, {
    headers: JSON_HEADERS,
  });
}
