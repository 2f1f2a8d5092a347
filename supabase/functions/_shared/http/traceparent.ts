/**
 * The header `traceparent`: the trace that a request belongs to.
 *
 * Follows W3C Trace Context, level 2 (https://www.w3.org/TR/trace-context-2/). `tracestate` belongs to the
 * caller's tracing system and is not stored, because the message is passed on to others.
 *
 * @module
 */

// Version, trace id, parent id, flags; a version to come may have more after them.
const FORM = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The known flags: sampled, and random trace id. All others must be sent as 0. */
const KNOWN_FLAGS = 0b11;
/** The only flag that future versions are guaranteed to keep. */
const SAMPLED = 0b01;

/**
 * A caller's header as version 00 with its known flags; undefined if it is missing or invalid, which starts a
 * new trace.
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
 * The header of a request made for a message. It continues the trace that the message arrived with, including
 * its flags. Without one, the message's id is the trace id (both have 128 bits), so nothing needs to be
 * stored.
 *
 * @param messageId UUID of the message.
 * @param spanId UUID of what the request belongs to; its second half becomes the parent id.
 * @param came The `traceparent` that the message arrived with, if any.
 * @returns undefined if an id is not a UUID.
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
