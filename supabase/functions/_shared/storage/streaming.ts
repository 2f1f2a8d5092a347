/**
 * Files in storage as streams: never whole in memory, whatever their size.
 *
 * Failure policy: closed, as of {@linkcode Storage}: anything but a success is `Problem` `storage_unavailable`. A stream
 * cannot be repeated, so there is one attempt; callers make theirs again.
 *
 * @module
 */
import { keyHeaders, type Project, project } from "../config/project.ts";
import { Problem } from "../http/problem.ts";
import { cut, type Part } from "../http/range.ts";
import { type FilePath, isPath } from "./paths.ts";

/** An opened file. */
export interface OpenFile {
  readonly body: ReadableStream<Uint8Array>;
  /** In bytes, where the storage says so. */
  readonly size?: number;
}

/** Options of {@linkcode createStreams}. */
export interface StreamsOptions {
  /** @default {project} */
  endpoint?: () => Project;
  /** @default {globalThis.fetch} */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** Longest wait for the answer's headers, in milliseconds. @default {20_000} */
  timeoutMs?: number;
}

/** Reads and stores files as streams. */
export interface Streams {
  /** Opens a file, or a part of it; undefined if there is none. */
  open(file: FilePath, part?: Part): Promise<OpenFile | undefined>;
  /**
   * Stores what a stream gives, replacing a file at the same path. If the stream fails, nothing is stored, and its
   * error is thrown.
   * @param signal Ends the upload.
   */
  store(
    file: FilePath,
    body: ReadableStream<Uint8Array>,
    type: string,
    signal?: AbortSignal,
  ): Promise<void>;
}

/** Creates {@linkcode Streams}; the functions share {@linkcode streams}. */
export function createStreams(options: StreamsOptions = {}): Streams {
  const { endpoint = project, timeoutMs = 20_000 } = options;
  const fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));

  function call({ bucket, path }: FilePath, kind: string, init: RequestInit): Promise<Response> {
    if (!isPath(path)) throw new RangeError("this path cannot be one of a stored file");
    const { url, key } = endpoint();
    return fetch(`${url}/storage/v1/object/${kind}${bucket}/${path}`, {
      ...init,
      headers: { ...keyHeaders(key), ...init.headers as Record<string, string> },
      redirect: "manual",
    });
  }

  return {
    async open(file, part) {
      const controller = new AbortController();
      const timer = setTimeout(() => controller.abort(), timeoutMs);
      let response: Response;
      try {
        const headers: HeadersInit = part === undefined
          ? {}
          : { range: `bytes=${part.start}-${part.end - 1}` };
        response = await call(file, "authenticated/", { signal: controller.signal, headers });
      } catch (cause) {
        throw cause instanceof RangeError ? cause : new Problem("storage_unavailable", { cause });
      } finally {
        clearTimeout(timer);
      }
      if (response.ok && response.body !== null) {
        // A storage, or a cache before it, may answer with the whole file.
        if (part !== undefined) {
          return {
            body: cut(
              response.body,
              response.status === 206 ? { start: 0, end: part.end - part.start } : part,
            ),
            size: part.end - part.start,
          };
        }
        const length = response.headers.get("content-length");
        return { body: response.body, ...(length === null ? {} : { size: Number(length) }) };
      }
      const said = await response.text().catch(() => "");
      // Storage answers most refusals with 400 and the actual status in the body.
      const missing = response.status === 404 || response.status === 400 && /"statusCode": ?"?404/.test(said);
      if (missing && !/bucket not found/i.test(said)) return undefined;
      throw new Problem("storage_unavailable", { cause: new Error(`download: HTTP ${response.status}`) });
    },
    async store(file, body, type, signal) {
      let failed: { error: unknown } | undefined;
      const watched = watch(body, (error) => failed ??= { error });
      let response: Response;
      try {
        response = await call(file, "", {
          method: "POST",
          headers: { "content-type": type, "x-upsert": "true", "cache-control": "max-age=3600" },
          body: watched,
          signal,
        });
      } catch (cause) {
        if (failed !== undefined) throw failed.error;
        throw cause instanceof RangeError ? cause : new Problem("storage_unavailable", { cause });
      }
      await response.body?.cancel();
      if (failed !== undefined) throw failed.error;
      if (!response.ok) {
        throw new Problem("storage_unavailable", { cause: new Error(`upload: HTTP ${response.status}`) });
      }
    },
  };
}

/** The same stream; tells the error with which it fails, which an upload reports only as a broken request. */
function watch(
  stream: ReadableStream<Uint8Array>,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        onError(error);
        controller.error(error);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Files of the project's storage as streams. */
export const streams: Streams = createStreams();
