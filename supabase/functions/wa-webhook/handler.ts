/**
 * Takes Meta's webhooks: verifies, takes apart, stores, answers. It decides nothing about routes; a new
 * message waits to be routed.
 *
 * Gates, in this order: kill switch, signature, size, shape. Every refusal has its own code and counter.
 *
 * Hot path: 10,000 webhooks a second on less than a core. So a POST parses no URL, runs no schema, and
 * makes no promise but those of reading the body and of the commit.
 *
 * @module
 */
import { readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Context, Handler } from "../_shared/http/serve.ts";
import { decode } from "../_shared/json/json.ts";
import { challengeOf, verify } from "../_shared/channels/whatsapp/inbound/signature.ts";
import { parse, unreadable, type Update } from "../_shared/channels/whatsapp/inbound/updates.ts";
import type { Ingest } from "./ingest.ts";

/** Meta sends at most 3 MB; the margin is for what a proxy may add. */
export const MAX_BODY_BYTES = 3.5 * 1024 * 1024;

/** What the handler needs. Values that may change while a worker lives are functions. */
export interface WebhookDeps {
  /** Whether the operator has switched the intake off. Meta keeps what is answered 503. */
  killed(): boolean;
  /** The app secrets that are valid now. */
  appSecrets(): readonly string[];
  /** The token of Meta's handshake. */
  verifyToken(): string;
  ingest: Ingest;
  /** Routes what waits to be routed. Called for each webhook with a new message, so calls at the same time share a promise. */
  drain(): Promise<unknown>;
  /** Lets work go on after the answer. */
  waitUntil(work: Promise<unknown>): void;
}

/** The handlers of GET (Meta's handshake) and POST (a webhook). */
export function createHandler(deps: WebhookDeps): { GET: Handler; POST: Handler } {
  let routing: Promise<unknown> | undefined;
  /** One promise for all webhooks of a busy time: one for each would pile up until the work rests. */
  function route(): void {
    const now = deps.drain();
    if (now !== routing) deps.waitUntil(routing = now);
  }

  function handshake(request: Request): Response {
    if (deps.killed()) throw new Problem("disabled_by_environment");
    const challenge = challengeOf(new URL(request.url).searchParams, deps.verifyToken());
    if (challenge === undefined) throw new Problem("verify_token_mismatch");
    // As text, so that a browser which is led here runs nothing that the query holds.
    return new Response(challenge, {
      headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
    });
  }

  /**
   * Failure policy: nothing is acknowledged that is not committed. Whatever goes wrong is answered with an
   * error, and Meta, which keeps a webhook for days, sends it again.
   */
  async function intake(request: Request, context: Context): Promise<Response> {
    if (deps.killed()) throw new Problem("disabled_by_environment");
    const signature = request.headers.get("x-hub-signature-256");
    if (signature === null) throw new Problem("signature_missing");
    const bytes = await readBody(request, MAX_BODY_BYTES);
    if (!verify(bytes, signature, deps.appSecrets())) throw new Problem("signature_invalid");

    let body: unknown;
    try {
      body = decode(bytes);
    } catch (cause) {
      // Signed by Meta and yet not JSON: somebody will want to see it. It is stored, not acknowledged.
      await deps.ingest({ updates: [unreadable(bytes)], bytes: bytes.length });
      throw new Problem("invalid_json", { cause });
    }
    const updates = parse(body);
    const { traceparent } = context;
    if (traceparent !== undefined) keepTrace(updates, traceparent);
    const outcomes = await deps.ingest({ updates, bytes: bytes.length });
    if (isRoutable(updates, outcomes)) route();
    return answer(outcomes);
  }

  return { GET: handshake, POST: intake };
}

/** Messages alone: nothing follows from the others. Meta sends none, a proxy before us may. */
function keepTrace(updates: Update[], traceparent: string): void {
  for (const update of updates) if (update.kind === "message") update.traceparent = traceparent;
}

/** Whether a message is new. */
function isRoutable(updates: Update[], outcomes: string): boolean {
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
