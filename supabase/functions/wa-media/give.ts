/**
 * Gives out a file: from storage if it is kept there, else from Meta, streamed and compared with its hash on the way.
 *
 * @module
 */
import type { MediaFailure } from "../_shared/channels/whatsapp/outbound/media.ts";
import { mediaIn } from "../_shared/channels/whatsapp/inbound/media.ts";
import type { FoundFile } from "../_shared/contract/answers/media.ts";
import { Problem } from "../_shared/http/problem.ts";
import { verified } from "../_shared/media/verified.ts";
import { BUCKETS } from "../_shared/storage/paths.ts";
import type { Streams } from "../_shared/storage/streaming.ts";
import { type OpenAtMeta, withPatience } from "./source.ts";

/** Answers with a file. @param id Ours of a message or an upload, or Meta's of a file. */
export type GiveMedia = (id: string, numberId: string | undefined, headOnly: boolean) => Promise<Response>;

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
 * @throws {Problem} `media_not_found` for no message or upload, or a message without a file; `media_gone` for a file that
 *   nobody has any more; `media_unavailable` while Meta does not give it; `storage_unavailable`.
 */
export function createGiveMedia({ find, storage, openAtMeta, count }: GiveMediaDeps): GiveMedia {
  async function stored(
    path: string,
    facts: { mimeType: string | null; sha256: string | null; name: string | null; bytes: number },
  ): Promise<Response | undefined> {
    const file = await storage.open({ bucket: BUCKETS.media, path });
    if (file === undefined) return undefined;
    count("stored");
    const body = withPatience(file.body, IDLE_MS, () => {});
    return answer(body, { ...facts, sha256: facts.sha256, size: facts.bytes });
  }

  async function fromMeta(
    mediaId: string,
    numberId: string | undefined,
    facts: { mimeType: string | null; sha256: string | null; name: string | null },
  ): Promise<Response> {
    const controller = new AbortController();
    const opened = await openAtMeta(mediaId, numberId, controller.signal);
    if (!opened.ok) throw refusalOf(opened, count);
    count("meta");
    const body = withPatience(opened.body, IDLE_MS, () => controller.abort());
    return answer(body, {
      name: facts.name,
      mimeType: facts.mimeType ?? opened.mimeType ?? null,
      // The signed webhook's word goes before that of an answer.
      sha256: facts.sha256 ?? opened.sha256 ?? null,
      size: opened.size,
    });
  }

  async function file(id: string, numberId: string | undefined): Promise<Response> {
    if (META_ID.test(id)) return await fromMeta(id, numberId, { mimeType: null, sha256: null, name: null });
    const found = UUID.test(id) ? await find(id) : null;
    if (found === null) throw new Problem("media_not_found");
    if (found.kind === "upload") {
      const { mime_type: mimeType, sha256, name } = found;
      const kept = found.stored &&
        await stored(found.stored.path, { mimeType, sha256, name, bytes: found.stored.bytes });
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
    const kept = found.stored && await stored(found.stored.path, { ...facts, bytes: found.stored.bytes });
    if (kept) return kept;
    if (media === undefined) {
      if (!MEDIA.has(found.type) || found.part !== null) {
        throw new Problem("media_not_found", { detail: "This message has no file of its own." });
      }
      throw gone("The raw form of this message was removed after its retention.");
    }
    if (!META_ID.test(media.id)) throw gone("The upload that this message refers to is no longer kept.");
    return await fromMeta(media.id, found.number_id, facts);
  }

  return async (id, numberId, headOnly) => {
    const response = await file(id, numberId);
    // The router answers HEAD through GET; without this the source would be read for nothing.
    if (headOnly) await response.body?.cancel();
    return headOnly ? new Response(null, response) : response;
  };
}

const MEDIA: ReadonlySet<string> = new Set(["image", "video", "audio", "document", "sticker"]);

function answer(
  body: ReadableStream<Uint8Array>,
  { mimeType, sha256, name, size }: {
    mimeType: string | null;
    sha256: string | null;
    name: string | null;
    size?: number;
  },
): Response {
  const { through } = verified({ ...(sha256 === null ? {} : { sha256 }), bytes: size });
  return new Response(body.pipeThrough(through), {
    headers: {
      "content-type": safeType(mimeType),
      "content-disposition": dispositionOf(name),
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "cache-control": "private, no-store",
      ...(size === undefined ? {} : { "content-length": String(size) }),
      ...(sha256 === null ? {} : { "repr-digest": `sha-256=:${base64Of(sha256)}:` }),
    },
  });
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
