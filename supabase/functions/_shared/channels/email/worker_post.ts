/**
 * What the Worker behind Cloudflare's Email Routing posts: two lines of ours with the envelope, then the mail as it came.
 *
 * Of a big mail the Worker keeps the file, says in a line before those where it can be fetched for some minutes, and posts the
 * mail without the bodies of its attachments.
 *
 * @module
 */
import { sha256Hex } from "../../crypto/sha256.ts";
import type { Bytes } from "../../http/body.ts";
import { Problem } from "../../http/problem.ts";
import { postOfCloudflare } from "../../mail/authentication.ts";
import { normalAddress } from "../../mail/header_values.ts";
import { readMail } from "../../mail/mime.ts";
import type { Posted } from "./intake.ts";

/** Longest line; an address has at most 320 characters, and a URL of the Worker about 250. */
const LONGEST = 2000;
const LF = 10;

/** Largest mail that Cloudflare takes is 25 MiB. */
const MAX_BYTES = 26 * 1024 * 1024;
const TIMEOUT_MS = 15_000;

/** A post, read. */
export interface WorkerPost {
  /** The SMTP sender; "" of a bounce. */
  readonly from: string;
  readonly to: string;
  /** The mail, or of a big one the mail without the bodies of its attachments. */
  readonly raw: Bytes;
  /** Where the whole of a big mail is. */
  readonly whole?: { readonly url: string; readonly size: number };
}

/**
 * Reads a post; undefined if the lines of ours are not there. The line of a big mail stands before the envelope, where no
 * mail can put one: one whose own first line looks like ours would otherwise name a file for us to fetch.
 */
export function readWorkerPost(bytes: Bytes): WorkerPost | undefined {
  let at = 0;
  const take = (name: string): string | undefined => {
    const end = bytes.indexOf(LF, at);
    if (end < 0 || end - at > LONGEST) return undefined;
    const text = new TextDecoder().decode(bytes.subarray(at, end)).trimEnd();
    const colon = text.indexOf(":");
    if (text.slice(0, colon).toLowerCase() !== name) return undefined;
    at = end + 1;
    return text.slice(colon + 1).trim();
  };
  const [url, size] = take("x-gatelink-raw")?.split(" ") ?? [];
  const from = take("x-gatelink-envelope-from"), to = take("x-gatelink-envelope-to");
  if (from === undefined || to === undefined) return undefined;
  return {
    from,
    to,
    raw: bytes.subarray(at),
    ...(url !== undefined && /^\d{1,9}$/.test(size) ? { whole: { url, size: Number(size) } } : {}),
  };
}

/**
 * The mail of a post, of a big one the whole if it can be had.
 *
 * Failure policy: open. A big mail whose file cannot be fetched is taken without the bodies of its attachments, which the
 * Worker keeps: an alert does not wait for a picture.
 *
 * @returns `isWhole`: false where something is still in the Worker's keeping.
 * @throws {Problem} `invalid_request` if the post is not one of the Worker's.
 */
export async function takeWorkerPost(
  bytes: Bytes,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  onLost: (error: unknown) => void,
): Promise<{ posted: Posted; isWhole: boolean }> {
  const post = readWorkerPost(bytes);
  if (post === undefined) {
    throw new Problem("invalid_request", { detail: "The lines of the envelope are missing." });
  }
  const { from, to, whole } = post;
  let raw: Uint8Array = post.raw, isWhole = true;
  if (whole !== undefined) {
    try {
      raw = await fetchWhole(whole, fetch);
    } catch (error) {
      onLost(error);
      isWhole = false;
    }
  }
  const mail = readMail(raw);
  const envelope = {
    to: [normalAddress(to) ?? []].flat(),
    from: from === "" || from === "<>" ? "" : normalAddress(from) ?? null,
  };
  return { posted: { mail, raw, post: postOfCloudflare(mail, envelope) }, isWhole };
}

/** The address names the hash of the file. */
async function fetchWhole(
  { url, size }: { url: string; size: number },
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): Promise<Uint8Array> {
  const hash = /\/raw\/([0-9a-f]{64})\?/.exec(url)?.[1];
  if (hash === undefined || size > MAX_BYTES) throw new TypeError("the reference cannot be read");
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) {
    await response.body?.cancel();
    throw new TypeError(`the Worker answered ${response.status}`);
  }
  const raw = new Uint8Array(size);
  let at = 0;
  for await (const chunk of response.body ?? []) {
    if (at + chunk.length > size) throw new TypeError("the file is larger than it should be");
    raw.set(chunk, at);
    at += chunk.length;
  }
  const found = sha256Hex(raw);
  if (at !== size || found !== hash) throw new TypeError("the file is not the one that was posted");
  return raw;
}
