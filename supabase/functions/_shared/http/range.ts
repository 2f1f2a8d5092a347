/**
 * Requests for a part of a file (RFC 9110, section 14): players of audio and video ask for parts, Safari's for nothing else.
 *
 * @module
 */

/** A part of a file: its first byte, from 0, and the one after its last. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * The part of a file that a `Range` header asks for; undefined for the whole file, `unsatisfiable` if the file has no such
 * part. Pure.
 *
 * Only one range of bytes is understood. Several ranges, other units and what cannot be read ask for the whole file, as
 * section 14.2 allows.
 *
 * @param size Of the file, in bytes.
 */
export function partOf(range: string | null, size: number): Part | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/i.exec(range?.trim() ?? "");
  if (match === null) return undefined;
  const [, first, last] = match;
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  if (last !== "" && Number(last) < Number(first)) return undefined;
  if (Number(first) >= size) return "unsatisfiable";
  return { start: Number(first), end: last === "" ? size : Math.min(Number(last) + 1, size) };
}

/**
 * A part of a stream. The source is read no further than the part, and cancelled then; if it ends before, the result
 * breaks.
 */
export function cut(body: ReadableStream<Uint8Array>, { start, end }: Part): ReadableStream<Uint8Array> {
  let at = 0;
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>(
      {
        transform(chunk, controller) {
          const from = Math.max(start - at, 0);
          const piece = chunk.subarray(from, Math.max(end - at, from));
          at += chunk.length;
          if (piece.length > 0) controller.enqueue(piece);
          if (at >= end) controller.terminate();
        },
        flush() {
          if (at < end) throw new Error("the file ended before the part that was asked for");
        },
      },
      undefined,
      { highWaterMark: 0 },
    ),
  );
}
