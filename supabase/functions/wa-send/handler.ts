/**
 * Takes messages that services send. A message is checked, queued and acknowledged; it goes out from the queue, at the
 * pace that Meta allows.
 *
 * @module
 */
import type { ApiKey } from "../_shared/gates/keys.ts";
import { type Limit, rateHeaders, refused, type TakeRate } from "../_shared/gates/rate_limit.ts";
import { readJson } from "../_shared/http/body.ts";
import { Problem, type ProblemCode } from "../_shared/http/problem.ts";
import type { Handler } from "../_shared/http/serve.ts";
import { checkMessage, type Issue, wordsOf } from "../_shared/channels/whatsapp/outbound/outbound.ts";
import { checkRequest } from "./request.ts";

/** Graph bodies are small; the largest interactive list stays far below. */
export const MAX_BODY_BYTES = 256 * 1024;

/** What `enqueue_outbound` takes for one message. */
export interface Item {
  phone?: string;
  bsuid?: string;
  to?: string;
  number_id?: string;
  message: Record<string, unknown>;
  text?: string;
  idempotency_key?: string;
  fallback?: Record<string, unknown>;
  /** W3C trace context of the request. */
  traceparent?: string;
  limit: { key: string; per_second: number; burst: number };
}

/** What it answers for each. */
export interface Queued {
  id?: string;
  status?: string;
  used_fallback?: boolean;
  error?: ProblemCode;
  /** When the 24-hour window closed, with error window_closed. */
  window_closed_at?: string;
  rate: TakeRate | null;
}

/** What the handler needs. */
export interface SendDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): ApiKey;
  /** How fast one key may ask. */
  limit(): Promise<Limit>;
  /** Queues a message; answered after the commit. */
  enqueue(item: Item): Promise<Queued>;
  /** Makes the queue move. */
  send(): Promise<void>;
  waitUntil(work: Promise<unknown>): void;
}

/**
 * `POST` with a secret key: a Graph-shaped message (`to` or `recipient`, `type` and the type's object), optionally
 * `from` (phone_number_id), `idempotency_key` and `fallback` (a template for when the window is closed). Answers 202
 * `{"id","status"}` after the commit.
 *
 * Refusals: invalid_request with the list of `issues`; rate_limited; window_closed; opted_out; feature_off;
 * from_required; unknown_number; unknown_message; idempotency_conflict.
 */
export function createHandler(deps: SendDeps): { POST: Handler } {
  return {
    POST: async (request, { traceparent }) => {
      if (deps.killed("wa_send.enabled")) throw new Problem("disabled_by_environment");
      const key = deps.requireSecretKey(request.headers);
      const body = await readJson(request, MAX_BODY_BYTES);
      const item = itemOf(body);
      const limit = await deps.limit();
      const queued = await deps.enqueue({
        ...item,
        traceparent,
        limit: { key: `${limit.name}:${key.name}`, per_second: limit.perSecond, burst: limit.burst },
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
      const { id, status, used_fallback } = queued;
      return Response.json({ id, status, ...(used_fallback ? { used_fallback } : {}) }, {
        status: 202,
        headers,
      });
    },
  };
}

function itemOf(body: unknown): Omit<Item, "limit"> {
  const message = checkMessage(body);
  const envelope = checkRequest(body, message.ok && message.value.type === "read");
  const issues: Issue[] = [
    ...(message.ok ? [] : message.issues),
    ...(envelope.ok ? [] : envelope.issues),
  ];
  if (!message.ok || !envelope.ok) throw new Problem("invalid_request", { extensions: { issues } });
  const { recipient, from, idempotency_key, fallback } = envelope.value;
  return {
    ...recipient,
    number_id: from,
    idempotency_key,
    fallback,
    message: message.value,
    text: wordsOf(message.value),
  };
}
