/**
 * The part of Supabase Storage (`/storage/v1`) that the functions use, over a folder: private buckets, opened by the
 * project's secret key or by a signed address. For the local stack only.
 *
 * | request | |
 * |---|---|
 * | `POST, PUT /object/{bucket}/{path}` | stores the body; `x-upsert: true` replaces |
 * | `GET, HEAD /object/authenticated/{bucket}/{path}` | the object, or its `Range` |
 * | `DELETE /object/{bucket}` | `{prefixes: [path]}` -> the deleted objects |
 * | `POST /object/list/{bucket}` | `{prefix, limit, offset}` -> objects and folders in a folder |
 * | `POST /object/sign/{bucket}/{path}` | `{expiresIn}` -> `{signedURL}` |
 * | `GET /object/sign/{bucket}/{path}?token=` | the object; `download=NAME` names it |
 *
 * Refusals are answered as Storage answers them: HTTP 400 with the actual status in the body.
 */
import { createHmac } from "node:crypto";
import { timingSafeEqual } from "../../supabase/functions/_shared/crypto/timing_safe_equal.ts";
import { Files } from "./files.ts";

/** A bucket, as the table storage.buckets has it. */
export interface StorageBucket {
  id: string;
  /** Most bytes of an object. */
  file_size_limit: number | null;
}

export interface StorageApiOptions {
  /** Folder of the objects; made when it is needed. */
  folder: string;
  secretKey: string;
  /** Signs addresses. */
  jwtSecret: string;
  /** The buckets that there are now. */
  buckets(): Promise<readonly StorageBucket[]>;
  /** Milliseconds since 1970. @default {Date.now} */
  now?: () => number;
}

export interface StorageApi {
  /** Answers requests under /storage/v1. */
  fetch(request: Request): Promise<Response>;
}

/** Of an object, where its bucket sets no limit: Supabase's default. */
const MAX_BYTES = 50 * 1024 * 1024;
/** Most paths of one deletion, and most entries of one listing. */
const MAX_ENTRIES = 1000;

/** Creates the API; it holds no resources. */
export function createStorageApi(options: StorageApiOptions): StorageApi {
  const { secretKey, jwtSecret, buckets, now = Date.now } = options;
  const files = new Files(options.folder);

  /** Failure policy: closed. Neither a publishable key nor a signed-in user opens a private bucket. */
  function isKnown({ headers }: Request): boolean {
    const bearer = /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
    return [headers.get("apikey"), bearer].some((key) => key != null && timingSafeEqual(secretKey, key));
  }

  const signature = (signed: string) => createHmac("sha256", jwtSecret).update(signed).digest("base64url");

  function tokenFor(url: string, seconds: number): string {
    const iat = Math.floor(now() / 1000);
    const signed = [{ alg: "HS256", typ: "JWT" }, { url, iat, exp: iat + seconds }]
      .map((part) => encodeBase64Url(JSON.stringify(part))).join(".");
    return `${signed}.${signature(signed)}`;
  }

  function isToken(token: string, url: string): boolean {
    const [head, body, given, ...more] = token.split(".");
    if (given === undefined || more.length > 0) return false;
    if (!timingSafeEqual(signature(`${head}.${body}`), given)) return false;
    const claims = JSON.parse(decodeBase64Url(body)) as { url: string; exp: number };
    return claims.url === url && claims.exp * 1000 > now();
  }

  async function download(request: Request, bucket: string, path: string, name?: string): Promise<Response> {
    const info = await files.info(bucket, path);
    if (info === undefined) return refusal(404, "not_found", "Object not found");
    const range = rangeOf(request.headers.get("range"), info.size);
    if (range === "unsatisfiable") {
      return new Response(null, { status: 416, headers: { "content-range": `bytes */${info.size}` } });
    }
    const { start, end } = range ?? { start: 0, end: info.size };
    const headers: Record<string, string> = {
      "content-type": info.type,
      "content-length": String(end - start),
      "accept-ranges": "bytes",
      "last-modified": info.createdAt.toUTCString(),
      "x-content-type-options": "nosniff",
      ...(range && { "content-range": `bytes ${start}-${end - 1}/${info.size}` }),
      ...(name !== undefined && {
        "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
      }),
    };
    const body = request.method === "HEAD" ? null : await files.read(bucket, path, start, end);
    return new Response(body, { status: range ? 206 : 200, headers });
  }

  async function upload(request: Request, bucket: StorageBucket, path: string): Promise<Response> {
    let result: Awaited<ReturnType<Files["write"]>>;
    let broke = false;
    try {
      const body = watched(request.body ?? empty(), () => broke = true);
      result = await files.write(bucket.id, path, body, {
        type: request.headers.get("content-type") ?? "application/octet-stream",
        maxBytes: bucket.file_size_limit ?? MAX_BYTES,
        replace: request.method === "PUT" || request.headers.get("x-upsert") === "true",
      });
    } catch (error) {
      if (broke) return refusal(400, "IncompleteBody", "The request body ended early");
      throw error;
    }
    if (result === "exists") return refusal(409, "Duplicate", "The resource already exists");
    if (result === "too_large") {
      return refusal(413, "Payload too large", "The object exceeded the maximum allowed size");
    }
    return Response.json({ Key: `${bucket.id}/${path}`, Id: crypto.randomUUID() });
  }

  async function remove(request: Request, bucket: string): Promise<Response> {
    const { prefixes } = await bodyOf(request);
    if (!Array.isArray(prefixes) || prefixes.length > MAX_ENTRIES || !prefixes.every(isObjectPath)) {
      return refusal(400, "invalid_request", "body/prefixes must be at most 1000 names");
    }
    const removed: { name: string; bucket_id: string }[] = [];
    for (const name of prefixes) {
      if (await files.remove(bucket, name)) removed.push({ name, bucket_id: bucket });
    }
    return Response.json(removed);
  }

  async function list(request: Request, bucket: string): Promise<Response> {
    const { prefix = "", limit = 100, offset = 0 } = await bodyOf(request);
    const folder = String(prefix).replace(/\/$/, "");
    if (folder !== "" && !isObjectPath(folder)) {
      return refusal(400, "invalid_request", "body/prefix is invalid");
    }
    const entries = await files.list(bucket, folder);
    const most = Math.min(Number(limit), MAX_ENTRIES);
    return Response.json(
      entries.slice(Number(offset), Number(offset) + most).map(({ name, info }) =>
        info === undefined
          ? { name, id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null }
          : {
            name,
            id: `${bucket}/${folder}/${name}`,
            updated_at: info.createdAt.toISOString(),
            created_at: info.createdAt.toISOString(),
            last_accessed_at: info.createdAt.toISOString(),
            metadata: { size: info.size, mimetype: info.type },
          }
      ),
    );
  }

  async function sign(request: Request, bucket: string, path: string): Promise<Response> {
    const { expiresIn } = await bodyOf(request);
    if (typeof expiresIn !== "number" || !(expiresIn >= 1)) {
      return refusal(400, "invalid_request", "body/expiresIn must be a number");
    }
    if (await files.info(bucket, path) === undefined) return refusal(404, "not_found", "Object not found");
    const url = `${bucket}/${path}`;
    const signedURL = `/object/sign/${url.split("/").map(encodeURIComponent).join("/")}?token=${
      tokenFor(url, expiresIn)
    }`;
    return Response.json({ signedURL });
  }

  /** An object by its address: the bucket, if it exists, and the path in it. */
  async function objectAt(address: string): Promise<[StorageBucket, string] | Response> {
    const slash = address.indexOf("/");
    const [id, path] = slash < 0 ? [address, ""] : [address.slice(0, slash), address.slice(slash + 1)];
    const bucket = (await buckets()).find((bucket) => bucket.id === id);
    if (bucket === undefined) return refusal(404, "Bucket not found", "Bucket not found");
    if (path !== "" && !isObjectPath(path)) return refusal(400, "InvalidKey", "Invalid key");
    return [bucket, path];
  }

  async function answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const match = /^\/storage\/v1\/object\/(?:(authenticated|list|sign)\/)?(.+)$/.exec(url.pathname);
    if (match === null) return refusal(404, "not_found", "Route not found");
    const [, kind, encoded] = match;
    let address: string;
    try {
      address = decodeURIComponent(encoded);
    } catch {
      return refusal(400, "InvalidKey", "Invalid key");
    }
    const reads = request.method === "GET" || request.method === "HEAD";
    const bySignature = kind === "sign" && reads;
    if (bySignature && !isToken(url.searchParams.get("token") ?? "", address)) {
      return refusal(400, "InvalidJWT", "invalid signature or expired");
    }
    if (!bySignature && !isKnown(request)) {
      return refusal(403, "Unauthorized", "signature verification failed");
    }
    const object = await objectAt(address);
    if (object instanceof Response) return object;
    const [bucket, path] = object;
    switch (`${reads ? "GET" : request.method} ${kind ?? ""} ${path === "" ? "bucket" : "object"}`) {
      case "GET sign object":
        return await download(request, bucket.id, path, url.searchParams.get("download") ?? undefined);
      case "GET authenticated object":
      case "GET  object":
        return await download(request, bucket.id, path);
      case "POST  object":
      case "PUT  object":
        return await upload(request, bucket, path);
      case "DELETE  bucket":
        return await remove(request, bucket.id);
      case "POST list bucket":
        return await list(request, bucket.id);
      case "POST sign object":
        return await sign(request, bucket.id, path);
      default:
        return refusal(404, "not_found", "Route not found");
    }
  }

  return {
    async fetch(request) {
      const response = await answer(request);
      // What was not read of a refused upload would keep its connection.
      if (!request.bodyUsed) await request.body?.cancel();
      return response;
    },
  };
}

/** Storage answers its refusals with 400 and the status in the body, apart from a missing route. */
function refusal(statusCode: number, error: string, message: string): Response {
  return Response.json({ statusCode: String(statusCode), error, message }, {
    status: message === "Route not found" ? 404 : 400,
  });
}

/** What Storage takes as an object's name, less what a file system may not be able to hold. */
function isObjectPath(path: unknown): path is string {
  return typeof path === "string" && path.length <= 900 &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && part.length <= 80);
}

/** The bytes that a Range header asks for, the end exclusive; undefined for the whole object. */
function rangeOf(
  header: string | null,
  size: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (match === null || match[1] === "" && match[2] === "") return undefined;
  const [from, to] = [match[1], match[2]].map((digits) => digits === "" ? undefined : Number(digits));
  const start = from ?? Math.max(0, size - to!);
  const end = from === undefined || to === undefined ? size : Math.min(size, to + 1);
  return start >= size || end <= start ? "unsatisfiable" : { start, end };
}

async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  const value: unknown = await request.json().catch(() => undefined);
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

/** The same chunks; tells if their source fails. */
async function* watched(
  body: AsyncIterable<Uint8Array>,
  onFailure: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    onFailure();
    throw error;
  }
}

async function* empty(): AsyncGenerator<Uint8Array> {}

function encodeBase64Url(text: string): string {
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function decodeBase64Url(text: string): string {
  return atob(text.replaceAll("-", "+").replaceAll("_", "/"));
}
