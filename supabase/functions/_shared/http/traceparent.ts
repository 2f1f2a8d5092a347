/**
 * The header `traceparent`: which trace a request belongs to.
 *
 * By W3C Trace Context, level 2 (https://www.w3.org/TR/trace-context-2/). `tracestate`, which is the caller's own tracing
 * system's, is not kept: a message goes on to others.
 *
 * @module
 */

// Version, trace id, parent id, flags; a version to come may have more after them.
const FORM = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Flags that we know: sampled, and that the trace id is random. Others have to be handed on as 0. */
const KNOWN_FLAGS = 0b11;
/** What a version to come is said to keep. */
const SAMPLED = 0b01;

/**
 * A caller's header in the form of version 00, with the flags that are known; undefined where it is absent or breaks a rule,
 * which begins a new trace.
 */
export function readTraceparent(header: string | null): string | undefined {
  const parts = header === null ? null : FORM.exec(header);
  if (parts === null) return undefined;
  const [, version, trace, parent, flags, more] = parts;
  if (version === "00" && more !== undefined) return undefined;
  const kept = parseInt(flags, 16) & (version === "00" ? KNOWN_FLAGS : SAMPLED);
  return `00-${trace}-${parent}-0${kept}`;
}

/**
 * The header of a request that is made for a message. It goes on with the trace that the message came with, its flags kept;
 * without one the trace is the message itself, whose id has the 128 bits of a trace id, and nothing has to be kept.
 *
 * @param messageId UUID of the message.
 * @param spanId UUID of what the request belongs to; its second half becomes the parent id.
 * @param came The `traceparent` that the message came with, if any.
 * @returns undefined where an id is none of ours.
 */
export function traceparentFor(
  messageId: string,
  spanId: string,
  came?: string | null,
): string | undefined {
  const [message, span] = [messageId, spanId].map((id) => id.replaceAll("-", "").toLowerCase());
  if (!UUID.test(message) || !UUID.test(span)) return undefined;
  const [, trace = message, , flags = "01"] = readTraceparent(came ?? null)?.split("-") ?? [];
  return `00-${trace}-${span.slice(16)}-${flags}`;
}

const UUID = /^[0-9a-f]{32}$/;
