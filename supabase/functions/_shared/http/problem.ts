/**
 * Error responses: one registry of codes, one error class, one way to create the response.
 *
 * Shape and meaning follow RFC 9457 (problem details) and RFC 9110 (status codes). Callers get the registered
 * title and, where it helps, a `detail` written for them. Causes, library messages and stack traces go only
 * to our log.
 *
 * @module
 */

/** What a code means to the caller. */
export interface ProblemKind {
  /** HTTP status, RFC 9110 section 15. */
  readonly status: number;
  /** One short sentence, the same for every occurrence. */
  readonly title: string;
  /** Headers that belong to the code; a thrown `Problem` may override them. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Every error code that a caller of Gatelink can get. The list is public (docs/errors.md): a code never changes
 * its meaning.
 *
 * 400 is for requests that cannot be read (not JSON), 422 for readable requests that break a rule of the API, 409
 * for requests that the current state of a resource does not allow.
 */
export const PROBLEMS = {
  invalid_json: { status: 400, title: "The body is not valid JSON." },
  invalid_host: { status: 400, title: "The Host header is invalid." },
  body_incomplete: { status: 400, title: "The body ended early." },
  signature_missing: {
    status: 401,
    title: "The request is not signed.",
    headers: { "www-authenticate": "X-Hub-Signature-256" },
  },
  signature_invalid: {
    status: 401,
    title: "The signature does not match the body.",
    headers: { "www-authenticate": "X-Hub-Signature-256" },
  },
  unauthorized: {
    status: 401,
    title: "A valid API key is required.",
    headers: { "www-authenticate": 'ApiKey realm="gatelink"' },
  },
  forbidden: { status: 403, title: "This key or role is not allowed to do that." },
  verify_token_mismatch: { status: 403, title: "The verify token does not match." },
  not_found: { status: 404, title: "Not found." },
  method_not_allowed: { status: 405, title: "This method is not allowed here." },
  conflict: { status: 409, title: "The current state of the resource does not allow that." },
  window_closed: {
    status: 409,
    title: "The 24-hour customer service window is closed: only a template can be sent.",
  },
  feature_off: { status: 403, title: "This feature is off for this recipient." },
  from_required: { status: 422, title: "No sender or several senders are possible: `from` is required." },
  unknown_recipient: { status: 404, title: "No reachable recipient has this id." },
  unknown_number: { status: 422, title: "The number in `from` does not belong to this installation." },
  unknown_message: { status: 404, title: "No such inbound message." },
  idempotency_conflict: { status: 409, title: "This idempotency key was used for a different request." },
  opted_out: { status: 409, title: "The recipient has opted out of such messages." },
  template_not_sendable: { status: 409, title: "Meta does not send this template now." },
  suppressed: { status: 409, title: "This address gets no mail: it is on the list of suppressions." },
  identity_unverified: { status: 409, title: "The address to send from is not verified yet." },
  identity_not_found: {
    status: 404,
    title: "No such identity, or none of its addresses is to be confirmed.",
  },
  mailbox_not_found: { status: 404, title: "No such mailbox." },
  mailbox_not_connected: { status: 400, title: "The mailbox could not be connected." },
  media_not_found: { status: 404, title: "No such file, or the message has none." },
  media_gone: { status: 410, title: "This file is not available any more." },
  destination_not_found: { status: 404, title: "No such destination." },
  link_not_found: { status: 404, title: "This link does not exist." },
  link_deleted: { status: 410, title: "This link has been deleted." },
  link_disabled: { status: 403, title: "This link is turned off." },
  link_blocked: { status: 403, title: "The target of this link is not allowed." },
  link_not_started: { status: 403, title: "This link is not active yet." },
  link_expired: { status: 410, title: "This link has expired." },
  link_used_up: { status: 410, title: "This link has reached its maximum number of uses." },
  link_not_prefetched: { status: 403, title: "This link cannot be prefetched." },
  link_password_required: {
    status: 401,
    title: "This link requires a password.",
    headers: { "www-authenticate": 'Password realm="link"' },
  },
  link_password_wrong: { status: 403, title: "The password is wrong." },
  code_taken: { status: 409, title: "This code is or was used by another link." },
  code_reserved: { status: 422, title: "This code is reserved." },
  external_id_taken: { status: 409, title: "This external id is used by another link." },
  url_not_allowed: { status: 422, title: "The target of the link is not on the allowlist." },
  claim_unknown: { status: 404, title: "No matching click was found." },
  claim_used: { status: 409, title: "This click has already been claimed." },
  payload_too_large: { status: 413, title: "The body is too large." },
  range_not_satisfiable: { status: 416, title: "The file has no such part." },
  unsupported_media_type: { status: 415, title: "The body must be application/json." },
  invalid_request: { status: 422, title: "The request is invalid." },
  rate_limited: { status: 429, title: "Too many requests.", headers: { "retry-after": "1" } },
  config_invalid: { status: 500, title: "The configuration of this installation is incomplete." },
  internal_error: { status: 500, title: "An internal error occurred." },
  provider_refused: { status: 422, title: "The provider refused this." },
  provider_unavailable: {
    status: 502,
    title: "Meta did not answer, or does not accept the credentials.",
  },
  mail_not_sent: { status: 502, title: "The provider of mail did not take the mail." },
  disabled_by_environment: {
    status: 503,
    title: "The operator has turned this feature off.",
    headers: { "retry-after": "60" },
  },
  database_unavailable: {
    status: 503,
    title: "The database is unavailable.",
    headers: { "retry-after": "5" },
  },
  storage_unavailable: {
    status: 503,
    title: "The file storage is unavailable.",
    headers: { "retry-after": "5" },
  },
  media_unavailable: {
    status: 503,
    title: "Meta does not give this file now.",
    headers: { "retry-after": "30" },
  },
  database_read_only: {
    status: 503,
    title: "The database accepts no writes: it is full or read-only.",
    headers: { "retry-after": "30" },
  },
  schema_outdated: {
    status: 503,
    title: "The database lacks migrations that this version needs.",
    headers: { "retry-after": "30" },
  },
  schema_too_new: {
    status: 503,
    title: "The database schema is too new for this version.",
    headers: { "retry-after": "30" },
  },
  overloaded: {
    status: 503,
    title: "The service is overloaded.",
    headers: { "retry-after": "2" },
  },
} as const satisfies Record<string, ProblemKind>;

/** A registered error code. */
export type ProblemCode = keyof typeof PROBLEMS;

/** Options of a {@linkcode Problem}. */
export interface ProblemOptions {
  /**
   * Another status than that of the code, for a caller who would do harm at the usual one: a provider that drops a mail
   * for good at any 4xx.
   */
  status?: number;
  /** A sentence for the caller about this occurrence. No personal data, no internals. */
  detail?: string;
  /** Headers of the response, lower-case names; they override those of the code. */
  headers?: Record<string, string>;
  /** Members added to the JSON answer, such as the list of invalid fields. */
  extensions?: Record<string, unknown>;
  /** The underlying error; only logged. */
  cause?: unknown;
}

/**
 * An error with an answer. Throw it anywhere below a handler; `serve` turns it into the response.
 *
 * @example
 * ```ts
 * throw new Problem("invalid_request", { detail: "`to` must be a phone number in E.164 form." });
 * ```
 */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly code: ProblemCode;
  readonly status: number;
  readonly detail: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly extensions: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    const kind: ProblemKind = PROBLEMS[code];
    super(
      options.detail ?? kind.title,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.status = options.status ?? kind.status;
    this.detail = options.detail;
    this.headers = { ...kind.headers, ...options.headers };
    this.extensions = options.extensions;
  }
}

/** The stable identifier of a code, used as RFC 9457's `type`. It is a name, not a page to fetch. */
export function problemType(code: ProblemCode): string {
  return `urn:gatelink:problem:${code}`;
}

/**
 * The answer for a problem: `application/problem+json` with
 * `{type, title, status, code, request_id, detail?, …extensions}`, never cached.
 */
export function problemResponse(problem: Problem, requestId: string): Response {
  const body = {
    ...problem.extensions,
    type: problemType(problem.code),
    title: PROBLEMS[problem.code].title,
    status: problem.status,
    code: problem.code,
    request_id: requestId,
    detail: problem.detail,
  };
  return new Response(JSON.stringify(body), {
    status: problem.status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "x-request-id": requestId,
      ...problem.headers,
    },
  });
}
