/**
 * Responses to our requests: bounded reading, and Retry-After.
 *
 * @module
 */

/** Reads at most this many bytes of a response. A longer one is not an error. */
export const MAX_READ = 64 * 1024;

/** The bytes of a response, and whether there were more. */
export interface ReadAnswer {
  readonly bytes: Uint8Array;
  readonly cut: boolean;
}

/**
 * Reads a body up to `most` bytes, after decompression, and cancels the rest. Rejects with the stream's error
 * if the connection breaks or the request's signal aborts.
 *
 * @param most @default {MAX_READ}
 */
export async function readAnswer(
  body: ReadableStream<Uint8Array> | null,
  most: number = MAX_READ,
): Promise<ReadAnswer> {
  if (body === null) return { bytes: new Uint8Array(), cut: false };
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0, cut = false;
  try {
    while (!cut) {
      const { done, value } = await reader.read();
      if (done) break;
      const room = value.subarray(0, most - length);
      chunks.push(room);
      length += room.length;
      cut = room.length < value.length;
    }
  } finally {
    // After a whole read this does nothing; nobody waits for the rest of what is thrown away.
    reader.cancel().catch(() => {});
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, cut };
}

/**
 * Reads a response as {@linkcode readAnswer} reads its body. A short one of a declared length is read in one go,
 * which costs a fifth of reading its stream.
 */
export async function readResponse(response: Response, most: number = MAX_READ): Promise<ReadAnswer> {
  const { headers, body } = response;
  const declared = headers.get("content-length");
  // The declared length bounds what can arrive, unless it is that of a compressed body, or one of chunks as well.
  const isShort = declared !== null && /^\d+$/.test(declared) && Number(declared) <= most &&
    !headers.has("content-encoding") && !headers.has("transfer-encoding");
  if (body === null || !isShort) return await readAnswer(body, most);
  if (Number(declared) > 0) return { bytes: new Uint8Array(await response.arrayBuffer()), cut: false };
  body.cancel().catch(() => {});
  return { bytes: new Uint8Array(), cut: false };
}

/**
 * The wait that a Retry-After header asks for, in milliseconds, from either form (seconds, HTTP date);
 * undefined if the header is missing or unusable.
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^\d{1,10}$/.test(text)) return Number(text) * 1000;
  // An HTTP date begins with the day; Date.parse alone takes far more ("1", "2026").
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
