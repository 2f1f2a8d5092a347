/** The Graph API's errors: the shape of their responses, and those that can be requested. */
import type { Json } from "./model.ts";

/** An error of the Graph API. Source: Meta's error code reference for the Cloud API. */
export interface GraphError {
  /** Meta's `error_subcode`. */
  subcode?: number;
  /** HTTP status of the answer. */
  status: number;
  code: number;
  title: string;
  details?: string;
  /** Whether Meta says that the error is temporary. */
  transient?: boolean;
  /** Value of Retry-After, in seconds. */
  retryAfter?: number;
}

/** A fault that replaces the success of a send. */
export interface Fault {
  /** What happens, for people. */
  label: string;
  /**
   * `answer`: the call is answered with the error. `status`: the call succeeds and a `failed` status follows.
   * `silence`: there is no answer. `lost`: there is no answer although the message was accepted.
   */
  how: "answer" | "status" | "silence" | "lost";
  error?: GraphError;
}

export const RATE_LIMIT: GraphError = {
  status: 429,
  code: 130429,
  title: "Rate limit hit",
  details:
    "Message failed to send because there were too many messages sent from this phone number in a short " +
    "period of time.",
};

export const PAIR_LIMIT: GraphError = {
  status: 400,
  code: 131056,
  title: "(Business Account, Consumer Account) pair rate limit hit",
  details:
    "Message failed to send because there were too many messages sent from this phone number to the same " +
    "phone number in a short period of time.",
};

export const WINDOW_CLOSED: GraphError = {
  status: 400,
  code: 131047,
  title: "Re-engagement message",
  details:
    "Message failed to send because more than 24 hours have passed since the customer last replied to this " +
    "number.",
};

const UNDELIVERABLE: GraphError = {
  status: 400,
  code: 131026,
  title: "Message undeliverable",
  details: "Message Undeliverable.",
};

/** The faults by name, in the order in which the page offers them. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  "131056": { label: "131056: too many messages to this person", how: "answer", error: PAIR_LIMIT },
  "130429": { label: "130429: too many messages from this number", how: "answer", error: RATE_LIMIT },
  "131047": { label: "131047: 24-hour window closed", how: "answer", error: WINDOW_CLOSED },
  "131026": { label: "131026: undeliverable, reported by status", how: "status", error: UNDELIVERABLE },
  "500": {
    label: "500: unknown error",
    how: "answer",
    error: { status: 500, code: 131000, title: "Something went wrong" },
  },
  "503": {
    label: "503: service unavailable, Retry-After 1 s",
    how: "answer",
    error: { status: 503, code: 2, title: "Service temporarily unavailable", transient: true, retryAfter: 1 },
  },
  timeout: { label: "Timeout: no answer", how: "silence" },
  answer_lost: { label: "Answer lost: accepted, no answer", how: "lost" },
};

/** An error answer: `{"error":{message,type,code,error_data?,fbtrace_id}}`. */
export function errorResponse(error: GraphError, trace: string): Response {
  const body: Json = {
    error: {
      message: error.code < 1000 ? error.title : `(#${error.code}) ${error.title}`,
      type: "OAuthException",
      code: error.code,
      ...(error.subcode !== undefined && { error_subcode: error.subcode }),
      ...(error.transient && { is_transient: true }),
      ...(error.details && { error_data: { messaging_product: "whatsapp", details: error.details } }),
      fbtrace_id: trace,
    },
  };
  const headers: HeadersInit = error.retryAfter ? { "retry-after": String(error.retryAfter) } : {};
  return Response.json(body, { status: error.status, headers });
}
