/**
 * What a failed call says about whether the other side may have got it.
 *
 * @module
 */

/** An outcome without an answer. */
export type WithoutAnswer =
  /** No connection came about, so nothing was sent. */
  | "not_connected"
  /** The time was up. The other side may have got everything. */
  | "timeout"
  /** The connection broke. The same. */
  | "broken";

/**
 * Classifies an error of `fetch`. Deno says only in its texts where it failed: a failed connection is "client error
 * (Connect)", and names that DNS does not know are a "dns error".
 *
 * Failure policy: an error that cannot be told counts as `broken`, the outcome that assumes least.
 */
export function withoutAnswer(error: unknown): WithoutAnswer {
  if (error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError")) {
    return "timeout";
  }
  const said = error instanceof Error ? `${error.message} ${error.cause ?? ""}` : "";
  return /\(Connect\)|dns error/.test(said) ? "not_connected" : "broken";
}
