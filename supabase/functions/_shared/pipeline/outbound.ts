/**
 * The sending endpoint of a channel: takes messages from services. A message is checked, queued and
 * acknowledged, and sent from the queue at the pace that the provider allows.
 *
 * @module
 */
import type { Queued } from "../contract/answers/pipeline.ts";
import type { Limit } from "../contract/limits.ts";
import { rateHeaders, refused } from "../gates/rate_limit.ts";
import { readJson } from "../http/body.ts";
import { Problem } from "../http/problem.ts";
import { type Call, createRouter, type Route } from "../http/routes.ts";
import type { Context, Handler } from "../serve/serve.ts";
import type { Channel, Outbound, SendRequest, SentFile } from "../channels/channel.ts";

/** One message, as `enqueue_outbound` takes it. */
export interface Item extends Omit<SendRequest, "echo" | "files"> {
  /** The channel that it is sent through. */
  channel: string;
  /** W3C trace context of the request. */
  traceparent?: string;
  limit: { key: string; per_second: number; burst: number };
}

/** Dependencies of the handler. */
export interface OutboundDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): { name: string };
  /** Rate limit of one key. */
  limit(): Promise<Limit>;
  /** Stores the files of a message, and returns it with their places. Absent for a channel without files. */
  keepFiles?(message: Outbound, files: readonly SentFile[]): Promise<Outbound>;
  /** Queues a message; resolves after the commit. */
  enqueue(item: Item): Promise<Queued>;
  /** Starts processing the queue. */
  send(): Promise<void>;
  waitUntil(work: Promise<unknown>): void;
}

/** The routes of a sending function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "secret", handler: "send" },
] as const satisfies readonly Route[];

/**
 * The handler of the function `fn` that sends through a channel. `POST` with a secret key: a message in the
 * channel's shape, with its recipient (WhatsApp: `to` or `recipient`, `type` and the type's object),
 * optionally `from` (the sender's id), `idempotency_key` and `fallback` (for when the window is closed).
 * Answers 202 `{"id","status"}` after the commit.
 *
 * Refusals: invalid_request with the list of `issues`; rate_limited; window_closed; opted_out; feature_off;
 * from_required; unknown_number; unknown_message; idempotency_conflict.
 */
export function outbound(fn: string, channel: Channel, deps: OutboundDeps): Handler {
  return createRouter<"send", Context>(fn, ROUTES, {
    killed: () => deps.killed(channel.flags.send),
    gates: { secret: (headers) => deps.requireSecretKey(headers).name },
    handlers: { send },
  });

  async function send({ request, context: { traceparent }, by: key }: Call<Context>): Promise<Response> {
    const body = await readJson(request, channel.limits.requestBytes);
    const checked = await channel.checkRequest(body);
    if (!checked.ok) throw new Problem("invalid_request", { extensions: { issues: checked.issues } });
    const limit = await deps.limit();
    const { echo, files = [], ...asked } = checked.value;
    const message = files.length === 0 ? asked.message : await deps.keepFiles!(asked.message, files);
    const queued = await deps.enqueue({
      ...asked,
      message,
      channel: channel.name,
      traceparent,
      limit: { key: `${limit.name}:${key}`, per_second: limit.perSecond, burst: limit.burst },
    });
    const headers = queued.rate === null ? {} : rateHeaders(limit, queued.rate);
    if (queued.error === "rate_limited" && queued.rate !== null) {
      throw refused(limit, headers, queued.rate.retry_after_ms);
    }
    if (queued.error !== undefined) {
      const { window_closed_at } = queued;
      throw new Problem(queued.error, {
        headers,
        extensions: window_closed_at ? { window_closed_at } : {},
      });
    }
    deps.waitUntil(deps.send());
    const { id, status, used_fallback, taken_over } = queued;
    const more = { ...(used_fallback ? { used_fallback } : {}), ...(taken_over ? { taken_over } : {}) };
    return Response.json({ id, status, ...more, ...echo }, {
      status: 202,
      headers,
    });
  }
}
