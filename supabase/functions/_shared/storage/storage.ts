/**
 * Files in private buckets of Supabase Storage, over its HTTP API with the secret key: raw mails, attachments.
 *
 * Source: Supabase, "Storage API" (supabase.github.io/storage). It answers most refusals with HTTP 400 and the
 * actual status in the body's `statusCode`, so both are read.
 *
 * Failure policy: closed. Anything but a success is `Problem` `storage_unavailable` (503), because a mail whose
 * parts could not be kept must not be acknowledged; a provider sends it again. An outage is tried twice more:
 * every call here can be repeated. A file that does not exist is no failure.
 *
 * @module
 */
import { keyHeaders, type Project, project } from "../config/project.ts";
import type { Bytes } from "../http/body.ts";
import { Problem } from "../http/problem.ts";
import { attachmentPath, type Bucket, type FilePath, isPath, rawPath } from "./paths.ts";

/** Part of a file, in bytes; `end` is exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A file in a listing. */
export interface StoredFile {
  /** Relative to the listed folder. */
  readonly name: string;
  /** Absent for a folder. */
  readonly size?: number;
  /** ISO time. Absent for a folder. */
  readonly createdAt?: string;
}

/** Access to the buckets. */
export interface Storage {
  /** Stores a file, replacing one at the same path. */
  put(file: FilePath, bytes: Uint8Array, type: string): Promise<void>;
  /**
   * The bytes of a file, or of a part of it; undefined if there is no such file.
   * @param maxBytes Most bytes to accept; more is an error, so that no file can fill the memory.
   */
  get(file: FilePath, maxBytes: number, range?: Range): Promise<Bytes | undefined>;
  /** Deletes files; those that do not exist are skipped. */
  remove(files: readonly FilePath[]): Promise<void>;
  /** Files and folders directly in a folder, by name. */
  list(bucket: Bucket, folder: string, options?: { limit?: number; offset?: number }): Promise<StoredFile[]>;
  /**
   * An address that gives this one file to anybody who has it, as a download and for a limited time. Relative
   * to the project's URL, since the functions may know the project under another one than browsers.
   * @param name The name under which browsers save it.
   */
  sign(file: FilePath, seconds: number, name: string): Promise<string>;
}

/** Options of {@linkcode createStorage}. */
export interface StorageOptions {
  /** @default {project} */
  endpoint?: () => Project;
  /** @default {globalThis.fetch} */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Time limit of one attempt, in milliseconds. @default {20_000} */
  timeoutMs?: number;
  /** Wait before attempt 2 and 3, in milliseconds. @default {100, then 400} */
  backoffMs?: (attempt: number) => number;
}

const ATTEMPTS = 3;
/** Most paths in one deletion; the API takes 1,000. */
const MAX_REMOVED = 500;
/** Most bytes of an answer that is not a file. */
const MAX_ANSWER = 1 << 20;

/** An answer with its body read. */
interface Answer {
  status: number;
  bytes: Bytes;
}

/** Creates a {@linkcode Storage}; the functions share {@linkcode storage}. */
export function createStorage(options: StorageOptions = {}): Storage {
  const { endpoint = project, timeoutMs = 20_000, backoffMs = (attempt) => 100 * 4 ** (attempt - 2) } =
    options;
  const fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));

  async function once(path: string, init: RequestInit, maxBytes: number): Promise<Answer> {
    const { url, key } = endpoint();
    const response = await fetch(`${url}/storage/v1/${path}`, {
      ...init,
      headers: { ...keyHeaders(key), ...init.headers as Record<string, string> },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return {
      status: response.status,
      bytes: await readAtMost(response, response.ok ? maxBytes : MAX_ANSWER),
    };
  }

  /** Calls the API until it answers anything but an outage. */
  async function call(what: string, path: string, init: RequestInit, maxBytes = MAX_ANSWER): Promise<Answer> {
    for (let attempt = 1;; attempt++) {
      let cause: unknown;
      try {
        const answer = await once(path, init, maxBytes);
        if (answer.status < 500 && answer.status !== 429) return answer;
        cause = new StorageError(what, answer);
      } catch (error) {
        if (error instanceof Problem || error instanceof RangeError) throw error;
        cause = error;
      }
      if (attempt === ATTEMPTS) throw new Problem("storage_unavailable", { cause });
      await new Promise((resolve) => setTimeout(resolve, backoffMs(attempt + 1)));
    }
  }

  const json = (method: string, body: unknown): RequestInit => ({
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

  return {
    async put(file, bytes, type) {
      const answer = await call("upload", `object/${addressOf(file)}`, {
        method: "POST",
        headers: { "content-type": type, "x-upsert": "true", "cache-control": "max-age=3600" },
        body: bytes as BodyInit,
      });
      requireOk("upload", answer);
    },
    async get(file, maxBytes, range) {
      const headers: Record<string, string> = {};
      if (range !== undefined) {
        if (range.end <= range.start) return new Uint8Array();
        headers.range = `bytes=${range.start}-${range.end - 1}`;
      }
      const answer = await call("download", `object/authenticated/${addressOf(file)}`, { headers }, maxBytes);
      if (isMissing(answer)) return undefined;
      requireOk("download", answer);
      // A proxy may have dropped the header: then this is the whole file.
      return range !== undefined && answer.status !== 206
        ? answer.bytes.slice(range.start, range.end)
        : answer.bytes;
    },
    async remove(files) {
      const paths = new Map<Bucket, string[]>();
      for (const file of files) {
        addressOf(file);
        const of = paths.get(file.bucket);
        if (of === undefined) paths.set(file.bucket, [file.path]);
        else of.push(file.path);
      }
      for (const [bucket, all] of paths) {
        for (let from = 0; from < all.length; from += MAX_REMOVED) {
          const prefixes = all.slice(from, from + MAX_REMOVED);
          requireOk("deletion", await call("deletion", `object/${bucket}`, json("DELETE", { prefixes })));
        }
      }
    },
    async list(bucket, folder, { limit = 100, offset = 0 } = {}) {
      const asked = { prefix: folder, limit, offset, sortBy: { column: "name", order: "asc" } };
      const answer = await call("listing", `object/list/${bucket}`, json("POST", asked));
      requireOk("listing", answer);
      return filesOf(parsed(answer));
    },
    async sign(file, expiresIn, name) {
      const answer = await call("signing", `object/sign/${addressOf(file)}`, json("POST", { expiresIn }));
      requireOk("signing", answer);
      const { signedURL } = parsed(answer) as { signedURL?: unknown };
      if (typeof signedURL !== "string") {
        throw new Problem("storage_unavailable", { cause: new StorageError("signing", answer) });
      }
      return `/storage/v1${signedURL}&download=${encodeURIComponent(name)}`;
    },
  };
}

/** Storage refused a call, or answered in a form that is not its own. Contains no path and no content. */
class StorageError extends Error {
  override readonly name = "StorageError";
  constructor(what: string, answer: Answer) {
    const { error, statusCode } = parsed(answer) as { error?: unknown; statusCode?: unknown };
    super(
      `${what}: HTTP ${answer.status} ${statusCode ?? ""} ${typeof error === "string" ? error : ""}`.trim(),
    );
  }
}

function requireOk(what: string, answer: Answer): void {
  if (answer.status >= 200 && answer.status < 300) return;
  throw new Problem("storage_unavailable", { cause: new StorageError(what, answer) });
}

/** A missing bucket is none of these: that is a fault of the installation. */
function isMissing(answer: Answer): boolean {
  if (answer.status !== 404 && answer.status !== 400) return false;
  const { statusCode, error, message } = parsed(answer) as Record<string, unknown>;
  return (answer.status === 404 || String(statusCode) === "404") &&
    !/bucket/i.test(`${error ?? ""} ${message ?? ""}`);
}

function filesOf(value: unknown): StoredFile[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((item): StoredFile[] => {
    const { name, id, created_at, metadata } = item as {
      name?: unknown;
      id?: unknown;
      created_at?: unknown;
      metadata?: { size?: unknown } | null;
    };
    if (typeof name !== "string") return [];
    if (id == null) return [{ name }];
    return [{
      name,
      size: Number(metadata?.size ?? 0),
      ...(typeof created_at === "string" ? { createdAt: created_at } : {}),
    }];
  });
}

/** The answer's JSON value; an empty object if it is none. */
function parsed({ bytes }: Answer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}

/** Bucket and path as they stand in an address. @throws {RangeError} for a path that cannot be one of ours. */
function addressOf({ bucket, path }: FilePath): string {
  if (!isPath(path)) throw new RangeError("this path cannot be one of a stored file");
  return `${bucket}/${path}`;
}

async function readAtMost(response: Response, maxBytes: number): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new RangeError(`the answer has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The project's storage. */
export const storage: Storage = createStorage();

/** It, with the places of mails, for those who take mails in. */
export const mailStorage = { put: storage.put, rawPath, attachmentPath };
