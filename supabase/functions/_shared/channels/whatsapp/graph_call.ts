/**
 * One call of Meta's Graph API: token, proof, time limit, and what a refusal means.
 *
 * Source: Meta, "Securing Graph API calls" (developers.facebook.com/docs/graph-api/guides/secure-requests): a call with
 * `appsecret_proof`, the hex HMAC-SHA-256 of the token keyed with the app secret, shows that its caller has the secret
 * as well. An app may require it.
 *
 * @module
 */
import { hmacSha256 } from "../../crypto/hmac.ts";
import { parseRetryAfter, readResponse } from "../../http/answers.ts";
import { type JsonObject, object, text } from "../../json/json.ts";
import type { SendFailure } from "../channel.ts";
import { classify } from "./outbound/errors.ts";

/** An account's access to the Graph API. */
export interface GraphAccess {
  /** Base URL with version, such as `https://graph.facebook.com/v26.0`. */
  readonly graphUrl: string;
  readonly token: string;
  /** App secrets, one of which may belong to the token's app. @default none: calls are made without a proof */
  readonly appSecrets?: readonly string[];
  /** Longest wait for the response. @default {15_000} */
  readonly timeoutMs?: number;
}

/** What a call says. */
export interface GraphCall {
  /** @default {"GET"} */
  readonly method?: "GET" | "POST" | "DELETE";
  /** Below the base URL, without a slash at the beginning. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Largest response in bytes. @default {65_536} */
  readonly maxBytes?: number;
}

/** A response: 2xx without Meta's error. Its body is undefined if it is not a JSON object, or too large. */
export interface GraphAnswer {
  readonly ok: true;
  readonly body: JsonObject | undefined;
}

/** Calls the Graph API; the functions' fetch. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const MAX_WORDS = 500;

/**
 * The app secret that Meta accepted a token with, by token; undefined for none. Only a shortcut: another isolate
 * finds out by itself.
 */
const accepted = new Map<string, string | undefined>();
const MAX_ACCEPTED = 32;

/**
 * Makes one call. Never throws.
 *
 * Failure policy: without a response the outcome is unknown, and the failure is a `retry`.
 */
export async function callGraph(
  fetch: Fetch,
  access: GraphAccess,
  call: GraphCall,
): Promise<GraphAnswer | SendFailure> {
  return await withProof<GraphAnswer, SendFailure>(
    access,
    (secret) => callOnce(fetch, access, call, secret),
  );
}

/** As much of a failed call as tells a refused proof from other refusals. */
interface Refusal {
  readonly ok: false;
  readonly code?: number | string;
  readonly message: string;
}

/**
 * Makes a call with the proof that Meta accepts.
 *
 * Failure policy: a proof that Meta refuses is replaced by the next secret's, and in the end left out: the webhook's
 * secret may be another app's than the token's. A call that is refused for its proof has had no effect.
 *
 * @param attempt Makes the call with the proof of a secret (see {@linkcode proofOf}), or without a proof.
 */
export async function withProof<Answer extends { readonly ok: true }, Failure extends Refusal>(
  { token, appSecrets = [] }: Pick<GraphAccess, "token" | "appSecrets">,
  attempt: (secret: string | undefined) => Promise<Answer | Failure>,
): Promise<Answer | Failure> {
  const candidates = accepted.has(token) ? [accepted.get(token)] : [...appSecrets, undefined];
  for (let i = 0;; i++) {
    const secret = candidates[i];
    const answer = await attempt(secret);
    if (!answer.ok && isRefusedProof(answer)) {
      accepted.delete(token);
      if (i + 1 < candidates.length) continue;
      return answer;
    }
    if (appSecrets.length > 0 && (answer.ok || typeof answer.code === "number")) {
      if (accepted.size >= MAX_ACCEPTED) accepted.clear();
      accepted.set(token, secret);
    }
    return answer;
  }
}

async function callOnce(
  fetch: Fetch,
  { graphUrl, token, timeoutMs = 15_000 }: GraphAccess,
  { method = "GET", path, query = {}, body, headers, maxBytes }: GraphCall,
  secret: string | undefined,
): Promise<GraphAnswer | SendFailure> {
  const params = new URLSearchParams(query);
  if (secret !== undefined) params.set("appsecret_proof", proofOf(token, secret));
  const search = params.toString();
  let response: Response;
  try {
    response = await fetch(`${graphUrl}/${path}${search === "" ? "" : `?${search}`}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        authorization: `Bearer ${token}`,
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The token goes to Meta and to nobody that an answer points to.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (error) {
    return withoutAnswer(error, timeoutMs);
  }
  const answer = await answerOf(response, maxBytes);
  return response.ok && answer?.error === undefined
    ? { ok: true, body: answer }
    : refusal(response, object(answer?.error), token);
}

/** The proof that the holder of a token has the app secret as well. */
export function proofOf(token: string, secret: string): string {
  return hmacSha256(secret, new TextEncoder().encode(token));
}

/** Meta has no code of its own for it: 100, "Invalid appsecret_proof provided in the API argument". */
function isRefusedProof({ code, message }: Refusal): boolean {
  return code === 100 && message.toLowerCase().includes("appsecret_proof");
}

function withoutAnswer(error: unknown, timeoutMs: number): SendFailure {
  const late = error instanceof DOMException &&
    (error.name === "TimeoutError" || error.name === "AbortError");
  return late
    ? { ok: false, kind: "retry", code: "timeout", message: `no answer within ${timeoutMs} ms` }
    : { ok: false, kind: "retry", code: "network", message: "no connection, or it broke" };
}

function refusal(response: Response, error: JsonObject | undefined, token: string): SendFailure {
  const code = typeof error?.code === "number" ? error.code : undefined;
  const known = code === undefined ? undefined : { code, isTransient: error?.is_transient === true };
  const words = (value: unknown) => text(value)?.replaceAll(token, "…").slice(0, MAX_WORDS);
  const details = words(object(error?.error_data)?.details) ?? words(error?.error_user_msg);
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
  return {
    ok: false,
    ...classify(known, response.status),
    code: code ?? "unreadable",
    status: response.status,
    message: words(error?.message) ?? `HTTP ${response.status} without an error of Meta's`,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** The response's JSON object; undefined if it is not one or is incomplete. */
async function answerOf(response: Response, maxBytes?: number): Promise<JsonObject | undefined> {
  try {
    const { bytes } = await readResponse(response, maxBytes);
    return object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}
