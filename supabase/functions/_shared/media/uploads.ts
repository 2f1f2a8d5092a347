/**
 * Takes files that services upload to send: streams them into storage and keeps the upload.
 *
 * @module
 */
import type { MediaUpload } from "../contract/http/media.ts";
import type { Rpc } from "../db/client.ts";
import { boundaryOf, readForm, textOf } from "../http/multipart.ts";
import { Problem } from "../http/problem.ts";
import { uploadPath } from "../storage/paths.ts";
import type { Streams } from "../storage/streaming.ts";
import { MediaFault, verified } from "./verified.ts";

/** A kept upload. */
export interface KeptUpload extends MediaUpload {
  /** Whether the same file was uploaded before. */
  readonly known: boolean;
  /** The only number that can send it, where there is only one. */
  readonly numberId?: string;
}

/** Dependencies of {@linkcode createTakeUpload}. */
export interface TakeUploadDeps {
  rpc: Rpc;
  storage: Pick<Streams, "store">;
}

/** Keeps the file in a request's body, on behalf of a key. */
export type TakeUpload = (request: Request, query: URLSearchParams, by: string) => Promise<KeptUpload>;

const MB = 1024 * 1024;
/** Most bytes of a file by the beginning of its type. Source: Meta, "Supported media types". */
const LIMITS: readonly [string, number][] = [
  ["image/webp", MB / 2],
  ["image/", 5 * MB],
  ["audio/", 16 * MB],
  ["video/", 16 * MB],
  ["", 100 * MB],
];

const TYPE = /^[a-z0-9][a-z0-9.+-]{0,63}\/[a-z0-9][a-z0-9.+-]{0,126}$/;

/**
 * Creates a {@linkcode TakeUpload}. The body is a form like Meta's (`file`, `type`; other fields are ignored), or the
 * file itself with its content type and the query's `filename`.
 *
 * Failure policy: what is answered is stored and kept. A file that was stored and not kept is removed after a day.
 *
 * @throws {Problem} `invalid_request`, `payload_too_large`, `body_incomplete`, `storage_unavailable`.
 */
export function createTakeUpload({ rpc, storage }: TakeUploadDeps): TakeUpload {
  async function keep(
    body: ReadableStream<Uint8Array>,
    declaredType: string | undefined,
    name: string | undefined,
    /** The type, where a field after the file may name it. */
    laterType: () => Promise<string | undefined>,
    by: string,
  ): Promise<KeptUpload> {
    const id = crypto.randomUUID();
    const file = uploadPath(id);
    const early = plain(declaredType);
    const { through, passed } = verified({ maxBytes: early === undefined ? 100 * MB : limitOf(early) });
    await rpc("note_storage_objects", { p_objects: [{ ...file, kind: "media", bytes: 0 }] });
    try {
      // Never the caller's type: what is opened from here must not run in a browser.
      await storage.store(file, body.pipeThrough(through), "application/octet-stream");
    } catch (error) {
      throw error instanceof MediaFault ? tooLarge(early) : error;
    }
    const { bytes, sha256 } = await passed;
    const type = plain(await laterType()) ?? early;
    if (type === undefined) throw invalid("type", "must be a media type such as image/png");
    if (bytes === 0) throw invalid("file", "must not be empty");
    if (bytes > limitOf(type)) throw tooLarge(type);
    const { known, number_id, ...kept } = await rpc("add_media_upload", {
      p_upload: { id, sha256, mime_type: type, name: nameOf(name), bytes, path: file.path, by },
    });
    return { ...kept, known, ...(number_id === null ? {} : { numberId: number_id }) };
  }

  return async (request, query, by) => {
    if (request.body === null) throw invalid("file", "must not be empty");
    const contentType = request.headers.get("content-type");
    const boundary = boundaryOf(contentType);
    if (boundary === undefined) {
      const type = query.get("type") ?? contentType ?? undefined;
      const name = query.get("filename") ?? undefined;
      return await keep(request.body, type, name, () => Promise.resolve(undefined), by);
    }
    let named: string | undefined;
    let kept: Promise<KeptUpload> | undefined;
    const parts = readForm(request.body, boundary);
    const rest = async () => {
      for await (const part of parts) if (part.name === "type") named = await textOf(part, 300);
      return named;
    };
    for (let next; !(next = await parts.next()).done;) {
      const part = next.value;
      if (part.name === "type") named = await textOf(part, 300);
      else if (part.name === "file") {
        kept = keep(part.body, named ?? part.type, part.filename, rest, by);
        break;
      }
    }
    try {
      if (kept === undefined) throw invalid("file", "is needed");
      return await kept;
    } finally {
      await parts.return();
    }
  };
}

function limitOf(type: string): number {
  return LIMITS.find(([begin]) => type.startsWith(begin))![1];
}

/** A media type without its parameters; undefined if it is none. A form's default says nothing. */
function plain(type: string | undefined): string | undefined {
  const bare = type?.split(";")[0].trim().toLowerCase();
  return bare !== undefined && TYPE.test(bare) && bare !== "multipart/form-data" ? bare : undefined;
}

/** A file name without folders, as Postgres can hold it. */
function nameOf(name: string | undefined): string | null {
  // deno-lint-ignore no-control-regex
  const bare = name?.toWellFormed().split(/[/\\]/).at(-1)?.replace(/[\x00-\x1f\x7f]/g, "").trim().slice(
    0,
    240,
  );
  return bare === undefined || bare === "" ? null : bare;
}

function invalid(path: string, message: string): Problem {
  return new Problem("invalid_request", { extensions: { issues: [{ path, message }] } });
}

function tooLarge(type: string | undefined): Problem {
  const most = limitOf(type ?? "");
  return new Problem("payload_too_large", {
    detail: `WhatsApp takes at most ${most / MB} MB${type === undefined ? "" : ` of ${type}`}.`,
  });
}
