/**
 * Our refusals in the shape of Meta's, so that clients made for the Graph API understand them.
 *
 * Source: Meta, "Error codes"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes).
 *
 * @module
 */
import type { GraphError } from "../_shared/contract/http/graph.ts";
import type { Problem, ProblemCode } from "../_shared/http/problem.ts";

/** An error as Meta answers it. */
export interface MetaError {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly subcode?: number;
  readonly details?: string;
  /** Whether the same request may succeed later. */
  readonly transient?: boolean;
}

const SAYS: Partial<Record<ProblemCode, Omit<MetaError, "details">>> = {
  unauthorized: { status: 401, code: 190, message: "Invalid OAuth access token" },
  forbidden: { status: 403, code: 10, message: "Application does not have permission for this action" },
  not_found: { status: 400, code: 100, subcode: 33, message: "Unsupported request" },
  method_not_allowed: { status: 405, code: 100, subcode: 33, message: "Unsupported request" },
  media_not_found: { status: 400, code: 100, subcode: 33, message: "Object does not exist" },
  media_gone: { status: 400, code: 100, subcode: 33, message: "Object does not exist any more" },
  unknown_number: { status: 400, code: 100, subcode: 33, message: "This phone number does not exist here" },
  invalid_json: { status: 400, code: 100, message: "Invalid parameter" },
  body_incomplete: { status: 400, code: 100, message: "Invalid parameter" },
  payload_too_large: { status: 400, code: 100, message: "Invalid parameter" },
  invalid_request: { status: 400, code: 100, message: "Invalid parameter" },
  unknown_message: { status: 400, code: 100, message: "Invalid parameter" },
  idempotency_conflict: { status: 400, code: 100, message: "Invalid parameter" },
  unknown_recipient: { status: 400, code: 131026, message: "Message undeliverable" },
  window_closed: { status: 400, code: 131047, message: "Re-engagement message" },
  opted_out: { status: 400, code: 131050, message: "User has stopped marketing messages" },
  feature_off: { status: 403, code: 131005, message: "Access denied" },
  rate_limited: { status: 429, code: 130429, message: "Rate limit hit", transient: true },
  config_invalid: { status: 500, code: 131000, message: "Something went wrong" },
  internal_error: { status: 500, code: 131000, message: "Something went wrong", transient: true },
};
const AWAY: Omit<MetaError, "details"> = {
  status: 503,
  code: 131016,
  message: "Service unavailable",
  transient: true,
};

/** The error that stands for a problem. Everything of 5xx that is not listed is a service that is away. */
export function metaErrorOf(problem: Problem): MetaError {
  const { code, detail, extensions, message } = problem;
  const said = SAYS[code] ??
    (problem.status >= 500 ? AWAY : { status: problem.status, code: 100, message: "Invalid parameter" });
  const issues = extensions?.issues;
  const details = Array.isArray(issues)
    ? issues.map(({ path, message }) => path === "" ? message : `${path}: ${message}`).join("; ")
    : detail ?? message;
  return { ...said, details };
}

/** The answer; `trace` is the request's id. */
export function metaResponse(
  error: MetaError,
  trace: string,
  headers: Record<string, string> = {},
): Response {
  const { status, code, message, subcode, details, transient } = error;
  const body: GraphError = {
    error: {
      message: code < 1000 ? message : `(#${code}) ${message}`,
      type: code === 190 || code >= 1000 ? "OAuthException" : "GraphMethodException",
      code,
      ...(subcode === undefined ? {} : { error_subcode: subcode }),
      ...(transient ? { is_transient: true as const } : {}),
      ...(details === undefined ? {} : { error_data: { messaging_product: "whatsapp" as const, details } }),
      fbtrace_id: trace,
    },
  };
  const { "retry-after": retryAfter, allow } = headers;
  return Response.json(body, {
    status,
    headers: {
      "cache-control": "no-store",
      "x-request-id": trace,
      ...(retryAfter === undefined ? {} : { "retry-after": retryAfter }),
      ...(allow === undefined ? {} : { allow }),
    },
  });
}
