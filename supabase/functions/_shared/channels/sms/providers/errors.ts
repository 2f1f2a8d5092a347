/**
 * What a provider's error means.
 *
 * Sources: Twilio, "Error and warning dictionary" (twilio.com/docs/api/errors); Telnyx, "API errors" and
 * "Messaging error codes".
 *
 * @module
 */
import type { SendFailure } from "../../channel.ts";

/**
 * - `opted_out`: the person ended texts from this number. It is recorded, and nothing is sent until they write START.
 * - `number`: nothing will ever reach this number. `message`: this text will not.
 * - `later`: the handset was off, or the carrier does not say why; another text may arrive.
 * - `throttle`: too fast. `doubt`: it may have been sent.
 * - `installation`: credentials, a number or a registration of ours; somebody has to repair it.
 */
export type ErrorClass =
  | "opted_out"
  | "number"
  | "message"
  | "later"
  | "throttle"
  | "doubt"
  | "installation";

const CLASSES: readonly (readonly [ErrorClass, string])[] = [
  ["opted_out", "21610 40300"],
  ["number", "21211 21214 21217 21401 21421 21614 30005 30006 40001 40012 40310"],
  [
    "message",
    "21408 21602 21604 21609 21612 21617 21619 21620 21623 30004 30007 30019 30036 30038 40002 40003 40005 40009 40302 40316",
  ],
  ["later", "30003 30008 30009 30010 40004 40006 40008"],
  ["throttle", "20429 21611 30001 30022 40011 40318"],
  ["doubt", "20500 20503 30410"],
  [
    "installation",
    "20003 20005 20006 20008 20404 21606 21607 21603 21660 21661 30002 30032 30034 30035 " +
    "10009 10010 10038 20100 40010 40013 40305 40306",
  ],
];

const BY_CODE: ReadonlyMap<string, ErrorClass> = new Map(
  CLASSES.flatMap(([name, codes]) => codes.split(" ").map((code): [string, ErrorClass] => [code, name])),
);

/** The class of a provider's code; undefined for one that is not known. */
export function errorClassOf(code: number | string): ErrorClass | undefined {
  return BY_CODE.get(String(code));
}

/** Codes that concern one number of ours, not the whole account. */
const OF_NUMBER = new Set(
  "21603 21606 21607 21660 21661 30032 30034 30035 40010 40013 40305 40306".split(" "),
);

/** How long a sender waits whose queue at the provider is full, in milliseconds. */
const FULL_QUEUE_MS = 60_000;

/**
 * What to do after a refusal of a call to send.
 *
 * Failure policy: an answer that is not the provider's own, and any 5xx, leaves open whether the text was taken.
 *
 * @param code The provider's code; undefined for an answer that is not the provider's.
 */
export function meaningOf(
  status: number,
  code: number | string | undefined,
  retryAfterMs: number | undefined,
): Pick<SendFailure, "kind" | "scope" | "retryAfterMs"> {
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  const known = code === undefined ? undefined : errorClassOf(code);
  if (known === "throttle" || status === 429) {
    const full = String(code) === "21611" || String(code) === "30001";
    return {
      kind: "throttle",
      scope: "number",
      ...(full ? { retryAfterMs: retryAfterMs ?? FULL_QUEUE_MS } : wait),
    };
  }
  if (known === "installation") {
    return { kind: "held", scope: OF_NUMBER.has(String(code)) ? "number" : "account" };
  }
  if (known === "doubt" || status >= 500 || status === 408) return { kind: "unknown" };
  if (known !== undefined) return { kind: "final" };
  if (status === 401 || status === 403) return { kind: "held", scope: "account" };
  // Nothing follows a redirect, so nothing was sent.
  if (status >= 300 && status < 400) return { kind: "retry", ...wait };
  return { kind: status < 300 ? "unknown" : "final" };
}
