/**
 * Gives out a file: from storage if it is kept there, else from Meta, streamed and compared with its hash on the way.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { MediaFailure } from "../_shared/channels/whatsapp/outbound/media.ts";
import { mediaIn } from "../_shared/channels/whatsapp/inbound/media.ts";
import type { FoundFile } from "../_shared/contract/answers/media.ts";
import { Problem } from "../_shared/http/problem.ts";
import { cut, type Part, partOf } from "../_shared/http/range.ts";
import { withPatience } from "../_shared/media/patience.ts";
import { verified } from "../_shared/media/verified.ts";
import { BUCKETS } from "../_shared/storage/paths.ts";
import type { Streams } from "../_shared/storage/streaming.ts";
import type { OpenAtMeta } from "./source.ts";

/** Answers with a file. @param id Ours of a message or an upload, or Meta's of a file. */
export type GiveMedia = (id: string, numberId: string | undefined, asked: Asked) => Promise<Response>;

/** How much of a file is asked for. */
export interface Asked {
  readonly headOnly: boolean;
  /** The header `Range`. */
  readonly range: string | null;
  /** The header `If-Range`: an `etag` of this function. */
  readonly ifRange: string | null;
}

/** What is known of a file besides its content. */
interface Facts {
  readonly mimeType: string | null;
  /** Hex or base64. */
  readonly sha256: string | null;
  readonly name: string | null;
}

/** Dependencies of {@linkcode createGiveMedia}. */
export interface GiveMediaDeps {
  find(id: string): Promise<FoundFile>;
  storage: Pick<Streams, "open">;
  openAtMeta: OpenAtMeta;
  /** Called with the outcome, a word: stored, meta, or why not. */
  count(outcome: string): void;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Meta's ids are digits. */
const META_ID = /^\d{5,64}$/;
/** Longest silence of Meta or the storage in the middle of a file, in milliseconds. */
const IDLE_MS = 30_000;

/**
 * Creates a {@linkcode GiveMedia}.
 *
 * The answer has the file's own type, and is a download that no browser shows in place or runs: `nosniff`, and a policy
 * that allows nothing. If the hash or the length differs, or the source breaks, the answer ends before the last bytes and
 * its connection breaks, so that no caller takes a part for the whole.
 *
 * A part (`Range`) of a stored file is read from there alone; of a file at Meta, whose hosts promise no parts, from the
 * beginning, and the hash is compared if the part reaches the end. `etag` and `repr-digest` are of the whole file.
 *
 * @throws {Problem} `media_not_found` for no message or upload, or a message without a file; `media_gone` for a file that
 *   nobody has any more; `media_unavailable` while Meta does not give it; `storage_unavailable`;
 *   `range_not_satisfiable`.
 */
export function createGiveMedia({ find, storage, openAtMeta, count }: GiveMediaDeps): GiveMedia {
  async function stored(
    path: string,
    size: number,
    facts: Facts,
    asked: Asked,
  ): Promise<Response | undefined> {
    const part = partAsked(asked, facts.sha256, size);
    const file = await storage.open({ bucket: BUCKETS.media, path }, part);
    if (file === undefined) return undefined;
    count("stored");
    const body = withPatience(file.body, IDLE_MS, () => {});
    return part === undefined
      ? answer(compared(body, facts.sha256, size), { ...facts, size })
      : answer(body, { ...facts, size, part });
  }

  async function fromMeta(
    mediaId: string,
    numberId: string | undefined,
    known: Facts,
    asked: Asked,
  ): Promise<Response> {
    const controller = new AbortController();
    const opened = await openAtMeta(mediaId, numberId, controller.signal);
    if (!opened.ok) throw refusalOf(opened, count);
    count("meta");
    const { size } = opened;
    const facts = {
      name: known.name,
      mimeType: known.mimeType ?? opened.mimeType ?? null,
      // The signed webhook's word goes before that of an answer.
      sha256: known.sha256 ?? opened.sha256 ?? null,
    };
    const body = withPatience(opened.body, IDLE_MS, () => controller.abort());
    let part;
    try {
      // Where nobody knows the length, the whole file is the answer.
      part = size === undefined ? undefined : partAsked(asked, facts.sha256, size);
    } catch (error) {
      await body.cancel();
      throw error;
    }
    const whole = compared(body, facts.sha256, size);
    return answer(part === undefined ? whole : cut(whole, part), { ...facts, size, part });
  }

  async function file(id: string, numberId: string | undefined, asked: Asked): Promise<Response> {
    if (META_ID.test(id)) {
      return await fromMeta(id, numberId, { mimeType: null, sha256: null, name: null }, asked);
    }
    const found = UUID.test(id) ? await find(id) : null;
    if (found === null) throw new Problem("media_not_found");
    if (found.kind === "upload") {
      const facts = { mimeType: found.mime_type, sha256: found.sha256, name: found.name };
      const kept = found.stored && await stored(found.stored.path, found.stored.bytes, facts, asked);
      if (kept) return kept;
      throw gone("This upload is no longer kept.");
    }
    if (found.withdrawn) throw gone("Its author withdrew this message.");
    const media = mediaIn(found.part ?? undefined);
    const facts = {
      mimeType: media?.mimeType ?? found.mime_type,
      sha256: media?.sha256 ?? null,
      name: media?.name ?? null,
    };
    const kept = found.stored && await stored(found.stored.path, found.stored.bytes, facts, asked);
    if (kept) return kept;
    if (media === undefined) {
      if (!MEDIA.has(found.type) || found.part !== null) {
        throw new Problem("media_not_found", { detail: "This message has no file of its own." });
      }
      throw gone("The raw form of this message was removed after its retention.");
    }
    if (!META_ID.test(media.id)) throw gone("The upload that this message refers to is no longer kept.");
    return await fromMeta(media.id, found.number_id, facts, asked);
  }

  return async (id, numberId, asked) => {
    const response = await file(id, numberId, asked);
    // The router answers HEAD through GET; without this the source would be read for nothing.
    if (asked.headOnly) await response.body?.cancel();
    return asked.headOnly ? new Response(null, response) : response;
  };
}

const MEDIA: ReadonlySet<string> = new Set(["image", "video", "audio", "document", "sticker"]);

/**
 * The part that is asked for; undefined for the whole file. `Range` has a meaning for GET alone, and with `If-Range` only
 * if the file is still the one of that `etag`.
 * @throws {Problem} `range_not_satisfiable`
 */
function partAsked(
  { headOnly, range, ifRange }: Asked,
  sha256: string | null,
  size: number,
): Part | undefined {
  if (headOnly || ifRange !== null && (sha256 === null || ifRange !== etagOf(sha256))) return undefined;
  const part = partOf(range, size);
  if (part !== "unsatisfiable") return part;
  throw new Problem("range_not_satisfiable", { headers: { "content-range": `bytes */${size}` } });
}

function compared(body: ReadableStream<Uint8Array>, sha256: string | null, bytes: number | undefined) {
  return body.pipeThrough(verified({ ...(sha256 === null ? {} : { sha256 }), bytes }).through);
}

function answer(
  body: ReadableStream<Uint8Array>,
  { mimeType, sha256, name, size, part }: Facts & { size?: number; part?: Part },
): Response {
  const length = part === undefined ? size : part.end - part.start;
  return new Response(body, {
    status: part === undefined ? 200 : 206,
    headers: {
      "content-type": safeType(mimeType),
      "content-disposition": dispositionOf(name),
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "cache-control": "private, no-store",
      ...(length === undefined ? {} : { "content-length": String(length), "accept-ranges": "bytes" }),
      ...(part === undefined ? {} : { "content-range": `bytes ${part.start}-${part.end - 1}/${size}` }),
      ...(sha256 === null ? {} : { "repr-digest": `sha-256=:${base64Of(sha256)}:`, "etag": etagOf(sha256) }),
    },
  });
}

/** The hash in hex; of an odd form, as it is. */
function etagOf(hash: string): string {
  const bytes = /^[0-9a-f]{64}$/i.test(hash) ? undefined : Buffer.from(hash, "base64");
  return `"${bytes?.length === 32 ? bytes.toString("hex") : hash.toLowerCase().replace(/[^0-9a-z]/g, "")}"`;
}

/** A media type as it may stand in a header; what strangers sent as something else is only bytes. */
function safeType(type: string | null): string {
  return type !== null &&
      /^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,127}(?:; ?[a-z]{1,20}=[a-z0-9.-]{1,60})?$/i.test(type)
    ? type
    : "application/octet-stream";
}

/** RFC 9530 has hashes in base64; Meta has both forms. */
function base64Of(hash: string): string {
  if (!/^[0-9a-f]{64}$/i.test(hash)) return hash.replace(/[^A-Za-z0-9+/=]/g, "");
  return btoa(hash.replace(/../g, (pair) => String.fromCharCode(parseInt(pair, 16))));
}

/** RFC 6266, with the name in RFC 8187's form: nothing of it can end the header or begin another. */
function dispositionOf(name: string | null): string {
  if (name === null) return "attachment";
  const encoded = encodeURIComponent(name.toWellFormed()).replace(
    /['()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename*=UTF-8''${encoded}`;
}

function gone(detail: string): Problem {
  return new Problem("media_gone", { detail });
}

function refusalOf(
  { kind, code, message, retryAfterMs }: MediaFailure,
  count: (outcome: string) => void,
): Problem {
  count(kind);
  if (kind === "gone") return gone(`${message}.`);
  const seconds = Math.min(3600, Math.ceil((retryAfterMs ?? 30_000) / 1000));
  return new Problem("media_unavailable", {
    detail: `Meta: ${message}`,
    headers: { "retry-after": String(kind === "held" ? 300 : seconds) },
    cause: code,
  });
}
