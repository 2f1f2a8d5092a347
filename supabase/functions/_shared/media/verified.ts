/**
 * A file on its way through: counted, limited, and compared with the hash that its provider announced.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

/** Why a file did not pass. */
export class MediaFault extends Error {
  override readonly name = "MediaFault";
  /** corrupt: its hash or length differs. too_large: more bytes than allowed. */
  readonly why: "corrupt" | "too_large";
  constructor(why: "corrupt" | "too_large") {
    super(why === "corrupt" ? "the file differs from what was announced" : "the file is larger than allowed");
    this.why = why;
  }
}

/** What is known once the file has passed whole. */
export interface Passed {
  readonly bytes: number;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** Options of {@linkcode verified}. */
export interface VerifiedOptions {
  /** Hex or base64: webhooks of Meta's have one, its Graph API the other. Anything else is not compared. */
  readonly sha256?: string;
  /** Length in bytes, where it was announced. */
  readonly bytes?: number;
  readonly maxBytes?: number;
}

/**
 * A stream through which a file passes, and what it turned out to be. One chunk is held back until the hash is known to
 * be right: a reader never gets the end of a file that differs, and sees the stream break instead.
 *
 * Memory: two chunks, whatever the size of the file. `passed` rejects with the fault; without a reader of it, nothing is
 * reported as unhandled.
 */
export function verified(
  { sha256, bytes: announced, maxBytes = Infinity }: VerifiedOptions = {},
): { through: TransformStream<Uint8Array, Uint8Array>; passed: Promise<Passed> } {
  const hash = createHash("sha256");
  let held: Uint8Array | undefined;
  let bytes = 0;
  const { promise: passed, resolve, reject } = Promise.withResolvers<Passed>();
  passed.catch(() => {});
  const refuse = (why: "corrupt" | "too_large") => {
    const fault = new MediaFault(why);
    reject(fault);
    throw fault;
  };
  const through = new TransformStream<Uint8Array, Uint8Array>(
    {
      transform(chunk, controller) {
        bytes += chunk.length;
        if (bytes > maxBytes) refuse("too_large");
        hash.update(chunk);
        if (held !== undefined) controller.enqueue(held);
        held = chunk;
      },
      flush(controller) {
        const digest = hash.digest();
        if (announced !== undefined && announced !== bytes) refuse("corrupt");
        if (sha256 !== undefined && !isHash(sha256, digest)) refuse("corrupt");
        if (held !== undefined) controller.enqueue(held);
        resolve({ bytes, sha256: digest.toString("hex") });
      },
    },
    undefined,
    { highWaterMark: 1 },
  );
  return { through, passed };
}

/** Whether an announced hash is this one. A form that is unknown says nothing. */
function isHash(announced: string, digest: Buffer): boolean {
  if (/^[0-9a-f]{64}$/i.test(announced)) return announced.toLowerCase() === digest.toString("hex");
  const given = Buffer.from(announced, "base64");
  return given.length !== digest.length || given.equals(digest);
}
