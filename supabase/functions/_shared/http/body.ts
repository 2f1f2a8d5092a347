/**
 * Bounded reading of request bodies.
 *
 * @module
 */
import { startDeadline } from "./deadline.ts";
import { Problem } from "./problem.ts";

/**
 * Bytes in an ordinary ArrayBuffer: `Uint8Array<ArrayBuffer>`, which the platform's TypeScript 5.6 has no
 * syntax for.
 */
export type Bytes = ReturnType<typeof Uint8Array.of>;

/** Largest declared length that is read in one go: thousands of such bodies fit in memory. */
const SMALL = 16 * 1024;
/**
 * Most bytes of larger bodies that an isolate holds while they arrive: a worker of the platform has 256 MB in
 * total.
 */
const MAX_HELD = 48 << 20;
/** Longest time for a body to arrive, in milliseconds. */
const WITHIN_MS = 30_000;

/** Bytes held of larger bodies that are still arriving. */
let held = 0;

/**
 * Reads the raw bytes of a request's body, at most `maxBytes`.
 *
 * A body whose `content-length` is too large is refused unread; one without a length is refused when it
 * exceeds the limit. Memory is bounded by `maxBytes` plus one chunk, and by 48 MiB over all requests of an
 * isolate: the callers are not authenticated yet, and may announce a large body and send it slowly.
 *
 * @param withinMs Longest time for the body to arrive. @default {30_000}
 * @throws {Problem} `payload_too_large`; `body_incomplete` if the caller disconnected or was too slow;
 *   `overloaded` if too much is being read, so that the provider sends it again.
 */
export async function readBody(request: Request, maxBytes: number, withinMs = WITHIN_MS): Promise<Bytes> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  try {
    // HTTP holds a sender to its content-length, so what it declares bounds what can arrive; unless it comes in chunks as
    // well, which the hosted platform's Deno accepts.
    // Its stream is not looked at where there is no need: the runtime would have to make one.
    const isSmall = declared !== null && Number(declared) <= SMALL &&
      !request.headers.has("transfer-encoding");
    if (!isSmall && request.body !== null) return await readStream(request.body, maxBytes, withinMs);
    const bytes = new Uint8Array(await inTime(request.arrayBuffer(), withinMs));
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

/** No message or link is nested this deep. The limit keeps recursive code from overflowing the stack. */
const MAX_DEPTH = 64;

/** Parses JSON in UTF-8, nested at most 64 deep. @throws {Problem} `invalid_json`, `invalid_request` */
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

/** Whether a value is nested at most `depth` levels deep. */
function isWithin(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((inner) => isWithin(inner, depth - 1));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

async function readStream(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  withinMs: number,
): Promise<Bytes> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0, isLate = false;
  const deadline = startDeadline(withinMs, () => {
    isLate = true;
    reader.cancel().catch(() => {});
  });
  try {
    for (let read; !(read = await reader.read()).done;) {
      length += read.value.byteLength;
      held += read.value.byteLength;
      chunks.push(read.value);
      if (length > maxBytes) throw tooLarge(maxBytes);
      if (held > MAX_HELD) throw new Problem("overloaded");
    }
    if (isLate) {
      throw late(withinMs);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    throw error;
  } finally {
    deadline.end();
    held -= length;
  }
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

/** Resolves as `reading` does, or rejects when that takes too long. */
function inTime<T>(reading: Promise<T>, withinMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const deadline = startDeadline(withinMs, () => reject(late(withinMs)));
    reading.then((value) => {
      deadline.end();
      resolve(value);
    }, (error) => {
      deadline.end();
      reject(error);
    });
  });
}

function late(withinMs: number): Problem {
  return new Problem("body_incomplete", { detail: `It did not arrive within ${withinMs / 1000} s.` });
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("payload_too_large", { detail: `At most ${maxBytes} bytes are accepted.` });
}
