/**
 * Reading request bodies, bounded.
 *
 * @module
 */
import { Problem } from "./problem.ts";

/** Bytes of our own memory. (`Uint8Array<ArrayBuffer>`, which TypeScript 5.6 of the platform cannot spell.) */
export type Bytes = ReturnType<typeof Uint8Array.of>;

/**
 * The raw bytes of a request's body, at most `maxBytes` of them.
 *
 * A body whose `content-length` says too much is refused unread; one without a length is read until it
 * has said too much. Memory held is bounded by `maxBytes` and one chunk.
 *
 * @throws {Problem} `payload_too_large`, or `body_incomplete` when the caller went away.
 */
export async function readBody(request: Request, maxBytes: number): Promise<Bytes> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  try {
    // HTTP holds a sender to its content-length, so what it declares bounds what can arrive.
    if (declared === null && request.body !== null) return await readStream(request.body, maxBytes);
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes);
    return bytes;
  } catch (error) {
    throw error instanceof Problem ? error : new Problem("body_incomplete", { cause: error });
  }
}

/**
 * The JSON value of a request's body.
 *
 * @throws {Problem} as {@linkcode readBody} and {@linkcode parseJson}.
 */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  return parseJson(await readBody(request, maxBytes));
}

/** No message or link is nested so deep, and what goes down into a value must not run out of stack. */
const MAX_DEPTH = 64;

/** JSON text in UTF-8 as a value, nested 64 deep at most. @throws {Problem} `invalid_json`, `invalid_request` */
export function parseJson(bytes: Uint8Array): unknown {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new Problem("invalid_json", { cause });
  }
  if (!isWithin(value, MAX_DEPTH)) {
    throw new Problem("invalid_request", { detail: `The body is nested more than ${MAX_DEPTH} deep.` });
  }
  return value;
}

/** Whether a value is nested at most so deep. */
function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isWithin(inner, depth - 1));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

async function readStream(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes); // leaving the loop cancels the stream
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("payload_too_large", { detail: `At most ${maxBytes} bytes are accepted.` });
}
