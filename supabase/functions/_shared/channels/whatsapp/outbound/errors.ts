/**
 * The meaning of a failed send: wait and continue, wait for a repair, retry, or give up.
 *
 * Source: Meta, "Error codes" and "Throughput"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes): Meta asks to
 * decide by `code`, not by subcode, title or HTTP status; after error 131056 to wait 4^X seconds, X being 0
 * at first and 1 more after each failure.
 *
 * @module
 */

import type { FailureKind, FailureScope } from "../../channel.ts";

const THROTTLED: ReadonlyMap<number, FailureScope> = new Map([
  [4, "number"], // the app made too many calls
  [17, "number"], // the user behind the token did
  [613, "number"], // calls of this kind are too many
  [80007, "number"], // the WhatsApp Business Account did
  [130429, "number"], // throughput of the number
  [131048, "number"], // the number is restricted: too many messages blocked or flagged as spam
  [133016, "number"], // too many registrations
  [131056, "pair"], // number and person
]);

/** Errors that affect every message of the account, or of the number. */
const HELD: ReadonlyMap<number, FailureScope> = new Map([
  [0, "account"], // the app user cannot be authenticated: the token has expired or was taken back
  [3, "account"], // the app lacks a capability
  [10, "account"], // the app lacks a permission, or it was removed
  [190, "account"], // the access token has expired
  ...Array.from({ length: 100 }, (_, i): [number, FailureScope] => [200 + i, "account"]), // permissions again
  [368, "account"], // the account is restricted for breaking a policy
  [401, "account"],
  [131005, "number"], // access denied
  [131031, "account"], // the account is locked
  [131042, "account"], // a problem with the payment method
  [133010, "number"], // the number is not registered
  // To people of this country only: each chat waits for itself.
  [130497, "pair"],
]);

const RETRIED: ReadonlySet<number> = new Set([
  1, // "invalid request or possible server error"
  2, // temporary, overloaded
  131000, // something went wrong
  131016, // service unavailable
  131053, // the media could not be fetched or uploaded
  131057, // the account is in maintenance mode
  133004, // server temporarily unavailable
]);

/** The parts of Meta's error body that affect the decision. */
export interface GraphError {
  readonly code: number;
  /** Graph's statement that the error is temporary. */
  readonly isTransient?: boolean;
}

/**
 * Classifies an unsuccessful response.
 *
 * Failure policy: unknown errors are judged by their HTTP status, and 4xx is final: a request that Meta
 * refuses for an unknown reason would be refused again and would hold up its conversation.
 *
 * @param error Meta's error; undefined if the body contained none.
 * @param status HTTP status of the response.
 */
export function classify(
  error: GraphError | undefined,
  status: number,
): { kind: FailureKind; scope?: FailureScope } {
  const throttled = error === undefined ? undefined : THROTTLED.get(error.code);
  if (throttled !== undefined) return { kind: "throttle", scope: throttled };
  const held = error === undefined ? undefined : HELD.get(error.code);
  if (held !== undefined) return { kind: "held", scope: held };
  if (error !== undefined && (RETRIED.has(error.code) || error.isTransient === true)) {
    return { kind: "retry" };
  }
  if (status === 401) return { kind: "held", scope: "account" };
  if (status === 429) return { kind: "throttle", scope: "number" };
  // 3xx and 2xx without Meta's shape: something stands in between.
  return { kind: status >= 500 || status === 408 || status < 400 ? "retry" : "final" };
}
