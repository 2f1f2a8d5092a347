/**
 * Reading request bodies, bounded.
 *
 * @module
 */
import { Problem } from "./problem.ts";

/** Bytes of our own memory. (`Uint8Array<ArrayBuffer>`, which TypeScript 5.6 of the platform cannot spell.) */
export type Bytes = ReturnType<typeof Uint8Array.of>;

/** A declared length up to which a body is read in one go: thousands of these fit beside each other. */
const SMALL = 16 * 1024;
/** Bytes of larger bodies that an isolate holds while they come: a worker of the platform has 256 MB for everything. */
const MAX_HELD = 48 << 20;
/** How long a body may take to come, in milliseconds. */
const WITHIN_MS = 30_000;

/** Bytes of larger bodies that are here and whose rest is on its way. */
let held = 0;

/**
 * The raw bytes of a request's body, at most `maxBytes` of them.
 *
 * A body whose `content-length` says too much is refused unread; one without a length is read until it
 * has said too much. Memory held is bounded by `maxBytes` and one chunk, and over all requests of an isolate by 48 MiB:
 * nobody has shown who they are yet, and may announce much and send it slowly.
 *
 * @param withinMs How long the body may take to come. @default {30_000}
 * @throws {Problem} `payload_too_large`; `body_incomplete` when the caller went away or was too slow; `overloaded` when
 *   too much is being read, so that the provider sends it again.
 */
export async function readBody(request: Request, maxBytes: number, withinMs = WITHIN_MS): Promise<Bytes> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > maxBytes) throw tooLarge(maxBytes);
  try {
    // HTTP holds a sender to its content-length, so what it declares bounds what can arrive.
    // Its stream is not looked at where there is no need: the runtime would have to make one.
    const isSmall = declared !== null && Number(declared) <= SMALL;
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
  withinMs: number,
): Promise<Bytes> {
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0, isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel().catch(() => {});
  }, withinMs);
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
    clearTimeout(timer);
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

/** What `reading` resolves with, unless that takes too long. */
function inTime<T>(reading: Promise<T>, withinMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late(withinMs)), withinMs);
    reading.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function late(withinMs: number): Problem {
  return new Problem("body_incomplete", { detail: `It did not arrive within ${withinMs / 1000} s.` });
}

function tooLarge(maxBytes: number): Problem {
  return new Problem("payload_too_large", { detail: `At most ${maxBytes} bytes are accepted.` });
}
