/**
 * Files at Meta: finding, downloading, uploading and deleting them through the Graph API.
 *
 * Source: Meta, "Media" (developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media):
 * an id gives a URL that is valid for 5 minutes and needs the token; ids of received files are valid for 7 days to 30,
 * those of uploads for 30.
 *
 * @module
 */
import { parseRetryAfter, readAnswer } from "../../../http/answers.ts";
import { id, type JsonObject, object, text } from "../../../json/json.ts";
import { classify } from "./errors.ts";
import type { GraphAccount } from "./graph.ts";
import { proofOf, withProof } from "../graph_call.ts";

/** Dependencies: the network. */
export interface MediaWorld {
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Whether a host leads to the public internet alone; asked of each host but that of the Graph API. */
  resolve(host: string): Promise<{ readonly ok: boolean }>;
}

/**
 * - `gone`: Meta has no file under this id any more, or never had.
 * - `held`: Meta refuses our token, or restricts the account; somebody has to repair that.
 * - `retry`: a later attempt may succeed.
 * - `final`: Meta refuses the request, such as an upload of a type that it does not take.
 */
export interface MediaFailure {
  readonly ok: false;
  readonly kind: "gone" | "held" | "retry" | "final";
  readonly code: number | string;
  readonly status?: number;
  /** Meta's words, or ours. */
  readonly message: string;
  readonly retryAfterMs?: number;
}

/** Where a file is for the next minutes. */
export interface FoundMedia {
  readonly ok: true;
  /** The account that has it, whose token opens its address. */
  readonly account: MediaAccount;
  readonly url: string;
  readonly mimeType?: string;
  /** Hex. */
  readonly sha256?: string;
  readonly size?: number;
}

/** A file that is being downloaded. */
export interface OpenedMedia {
  readonly ok: true;
  readonly body: ReadableStream<Uint8Array>;
  readonly size?: number;
}

/** An account's access to its files. */
export type MediaAccount = Pick<GraphAccount, "graphUrl" | "token" | "appSecrets" | "timeoutMs">;

const TIMEOUT_MS = 15_000;
const MAX_WORDS = 500;

/** Domains that Meta serves files from. The token is sent to nobody else. */
const HOSTS = ["fbsbx.com", "fbcdn.net", "whatsapp.net", "facebook.com"];

/**
 * Finds a file by its id, at the first of some accounts that has it. Never throws.
 *
 * Meta's optional `phone_number_id` is left out: it restricts the answer to uploads of that number, and Meta has refused
 * received files for it (github.com/chatwoot/chatwoot/pull/13319).
 *
 * Failure policy: `gone` only if no account has it; if one cannot be asked, its failure.
 */
export async function findMedia(
  world: MediaWorld,
  accounts: readonly MediaAccount[],
  mediaId: string,
): Promise<FoundMedia | MediaFailure> {
  const answer = await askEach(world, accounts, encodeURIComponent(mediaId));
  if (!answer.ok) return answer;
  const { url, mime_type, sha256, file_size } = answer.body;
  if (typeof url !== "string") return unreadable("Meta named no address of the file");
  const size = Number(file_size);
  return {
    ok: true,
    account: answer.account,
    url,
    mimeType: text(mime_type),
    sha256: text(sha256),
    ...(Number.isSafeInteger(size) && size > 0 ? { size } : {}),
  };
}

/**
 * Begins to download a file. Never throws; the body may break.
 *
 * Failure policy: closed. The address comes from an answer, so it is called only over https and at one of Meta's hosts
 * that resolves to public addresses, or at the configured Graph API itself; redirects are not followed.
 */
export async function openMedia(
  world: MediaWorld,
  { graphUrl, token, timeoutMs = TIMEOUT_MS }: MediaAccount,
  url: string,
  signal?: AbortSignal,
): Promise<OpenedMedia | MediaFailure> {
  const permitted = permit(url, graphUrl);
  if (permitted === undefined) return unreadable("the address of the file is none of Meta's");
  if (permitted === "elsewhere") {
    const { ok } = await world.resolve(new URL(url).hostname).catch(() => ({ ok: false }));
    if (!ok) return failureOf("retry", "dns", "the host of the file has no public address");
  }
  let response: Response;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  const stop = () => controller.abort();
  signal?.addEventListener("abort", stop);
  try {
    response = await world.fetch(url, {
      // Meta refuses some clients by their name.
      headers: { authorization: `Bearer ${token}`, "user-agent": "Gatelink/1 (+whatsapp media)" },
      redirect: "manual",
      signal: controller.signal,
    });
  } catch {
    return failureOf("retry", "network", "no connection, or it broke");
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 200 && response.body !== null) {
    const length = response.headers.get("content-length");
    // A compressed body has another length than the file.
    const isPlain = !response.headers.has("content-encoding");
    return {
      ok: true,
      body: response.body,
      ...(length !== null && isPlain ? { size: Number(length) } : {}),
    };
  }
  signal?.removeEventListener("abort", stop);
  await response.body?.cancel();
  const { status } = response;
  if (status === 404 || status === 410) return { ...failureOf("gone", "gone", GONE), status };
  const message = `the file's address answered ${status}`;
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
  return {
    ...failureOf(status === 401 || status === 403 ? "held" : "retry", "unreadable", message),
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

/** Whether a file's address may be called with the token: that of the Graph API, or one of Meta's hosts. */
function permit(url: string, graphUrl: string): "graph" | "elsewhere" | undefined {
  if (!URL.canParse(url)) return undefined;
  const { origin, protocol, hostname, port, username, password } = new URL(url);
  if (username !== "" || password !== "") return undefined;
  if (origin === new URL(graphUrl).origin) return "graph";
  if (protocol !== "https:" || port !== "") return undefined;
  return HOSTS.some((host) => hostname === host || hostname.endsWith(`.${host}`)) ? "elsewhere" : undefined;
}

/**
 * Uploads a file for a number: `POST /{phone_number_id}/media`. Throws only what `file.open` throws.
 *
 * The body is a stream, so that a file of 100 MB needs no memory; it is sent in chunks, or as frames of HTTP/2. It is
 * opened again if Meta refuses the call's proof.
 */
export async function uploadMedia(
  world: Pick<MediaWorld, "fetch">,
  account: MediaAccount & { phoneNumberId: string },
  file: { open(): Promise<ReadableStream<Uint8Array>>; type: string; name: string | null },
): Promise<{ readonly ok: true; readonly id: string } | MediaFailure> {
  const boundary = `gatelink-${crypto.randomUUID()}`;
  const answer = await ask(
    world,
    // Longer than a call with a small body.
    { ...account, timeoutMs: account.timeoutMs ?? 120_000 },
    `${encodeURIComponent(account.phoneNumberId)}/media`,
    async () => ({
      method: "POST",
      headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
      body: formOf(boundary, { ...file, body: await file.open() }),
    }),
  );
  if (!answer.ok) return answer;
  const uploaded = id(answer.body.id);
  return uploaded === undefined ? unreadable("Meta named no id of the upload") : { ok: true, id: uploaded };
}

/** Deletes a file at the first of some accounts that has it. Never throws; a file that is gone was deleted. */
export async function deleteMedia(
  world: Pick<MediaWorld, "fetch">,
  accounts: readonly MediaAccount[],
  mediaId: string,
): Promise<{ readonly ok: true } | MediaFailure> {
  const answer = await askEach(world, accounts, encodeURIComponent(mediaId), { method: "DELETE" });
  return answer.ok || answer.kind === "gone" ? { ok: true } : answer;
}

/** A form with one file (RFC 7578). */
function formOf(
  boundary: string,
  { body, type, name }: { body: ReadableStream<Uint8Array>; type: string; name: string | null },
): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder();
  const field = (name: string, value: string) =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  // A quote or a line break would end the header.
  const file = (name ?? "file").replace(/["\r\n\\]/g, "_").toWellFormed();
  const head = utf8.encode(
    field("messaging_product", "whatsapp") + field("type", type) +
      `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="${file}"\r\ncontent-type: ${type}\r\n\r\n`,
  );
  const tail = utf8.encode(`\r\n--${boundary}--\r\n`);
  return body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      start: (controller) => controller.enqueue(head),
      flush: (controller) => controller.enqueue(tail),
    }),
  );
}

const GONE = "Meta has no file under this id: received files are kept for some weeks, uploads for 30 days";

/** Meta's subcode for an object that does not exist, or is no longer there. */
const MISSING = 33;

interface Answer {
  readonly ok: true;
  readonly body: JsonObject;
}

/** Asks one account after the other, until one has the file. At least one is given. */
async function askEach(
  world: Pick<MediaWorld, "fetch">,
  accounts: readonly MediaAccount[],
  path: string,
  init: RequestInit = {},
): Promise<Answer & { readonly account: MediaAccount } | MediaFailure> {
  let failure: MediaFailure = failureOf("gone", "gone", GONE);
  for (const account of accounts) {
    const answer = await ask(world, account, path, () => init);
    if (answer.ok) return { ...answer, account };
    if (failure.kind === "gone") failure = answer;
  }
  return failure;
}

/** @param init Makes the request anew for each attempt, as a body can be sent only once. */
async function ask(
  world: Pick<MediaWorld, "fetch">,
  account: MediaAccount,
  path: string,
  init: () => RequestInit | Promise<RequestInit>,
): Promise<Answer | MediaFailure> {
  return await withProof<Answer, MediaFailure>(
    account,
    async (secret) => await askOnce(world, account, path, await init(), secret),
  );
}

async function askOnce(
  world: Pick<MediaWorld, "fetch">,
  { graphUrl, token, timeoutMs = TIMEOUT_MS }: MediaAccount,
  path: string,
  init: RequestInit,
  secret: string | undefined,
): Promise<Answer | MediaFailure> {
  const proof = secret === undefined ? "" : `?appsecret_proof=${proofOf(token, secret)}`;
  let response: Response;
  try {
    response = await world.fetch(`${graphUrl}/${path}${proof}`, {
      ...init,
      headers: { ...init.headers as Record<string, string>, authorization: `Bearer ${token}` },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch {
    return failureOf("retry", "network", "no connection, or it broke");
  }
  const body = await bodyOf(response);
  if (response.ok && body !== undefined && body.error === undefined) return { ok: true, body };
  const error = object(body?.error);
  const code = typeof error?.code === "number" ? error.code : undefined;
  const known = code === undefined ? undefined : { code, isTransient: error?.is_transient === true };
  const { status } = response;
  const isGone = code === 100 && error?.error_subcode === MISSING || code === undefined && status === 404;
  const { kind } = classify(known, status);
  const details = text(object(error?.error_data)?.details);
  const message = (text(error?.message) ?? `HTTP ${status} without an error of Meta's`) +
    (details === undefined ? "" : `: ${details}`);
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), Date.now());
  return {
    ...failureOf(
      isGone ? "gone" : kind === "held" || kind === "final" ? kind : "retry",
      code ?? "unreadable",
      isGone ? GONE : message.replaceAll(token, "…").slice(0, MAX_WORDS),
    ),
    status,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

async function bodyOf(response: Response): Promise<JsonObject | undefined> {
  try {
    return object(JSON.parse(new TextDecoder().decode((await readAnswer(response.body)).bytes)));
  } catch {
    return undefined;
  }
}

function failureOf(kind: MediaFailure["kind"], code: number | string, message: string): MediaFailure {
  return { ok: false, kind, code, message };
}

function unreadable(message: string): MediaFailure {
  return failureOf("retry", "unreadable", message);
}
