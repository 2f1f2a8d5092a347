/**
 * Uploads in messages: services refer to a file by our id, Meta knows it by its own, which expires.
 *
 * @module
 */
import { Problem } from "../../../http/problem.ts";
import { isObject, type JsonObject } from "../../../json/json.ts";
import type { SendDeps, SendFailure } from "../../channel.ts";
import { MEDIA_TYPES } from "../inbound/media.ts";
import type { Accounts } from "../accounts.ts";
import type { GraphAccount } from "./graph.ts";
import { deleteMedia, type MediaFailure, uploadMedia } from "./media.ts";

/** Our ids are uuids; Meta's are digits. */
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/**
 * Longest time of one upload in the middle of a send, in milliseconds: with the call itself within the lease of the
 * message. Most files were uploaded when they were given to us.
 */
const UPLOAD_MS = 35_000;

/** A message with Meta's ids in place of ours. */
export interface Prepared<M> {
  readonly ok: true;
  readonly message: M;
  /** Whether one of the ids was known from before: Meta may have it no more. */
  readonly reused: boolean;
}

/** The ids of uploads that a message refers to, wherever: its own file, a header's, a template's. */
export function uploadsIn(message: unknown): string[] {
  const found = new Set<string>();
  walk(message, (id) => {
    found.add(id.toLowerCase());
    return id;
  });
  return [...found];
}

/**
 * Replaces the ids of uploads by Meta's, and uploads what Meta does not have.
 *
 * Failure policy: a file that is gone fails the message for good. Anything that may pass is a `retry`.
 *
 * @param again Whether to upload even what is known: Meta refused its id.
 */
export async function withMetaIds<M>(
  message: M,
  account: GraphAccount,
  { fetch, uploads }: SendDeps,
  again = false,
): Promise<Prepared<M> | SendFailure> {
  const ids = uploadsIn(message);
  if (ids.length === 0) return { ok: true, message, reused: false };
  const known = new Map<string, string>();
  let reused = false;
  for (const id of ids) {
    const ready = await toMeta(id, { ...account, timeoutMs: UPLOAD_MS }, { fetch, uploads }, again);
    if (!ready.ok) return ready;
    known.set(id, ready.id);
    reused ||= ready.reused;
  }
  return { ok: true, message: walk(message, (id) => known.get(id.toLowerCase())!) as M, reused };
}

/**
 * Meta's id of an upload, for the number of an account; uploads it if Meta does not have it.
 *
 * Failure policy: as of {@linkcode withMetaIds}.
 */
export async function toMeta(
  id: string,
  account: GraphAccount,
  { fetch, uploads }: Pick<SendDeps, "fetch" | "uploads">,
  again = false,
): Promise<{ readonly ok: true; readonly id: string; readonly reused: boolean } | SendFailure> {
  try {
    const upload = await uploads?.find(id, account.phoneNumberId);
    if (upload === undefined) return GONE;
    if (upload.providerId !== undefined && !again) return { ok: true, id: upload.providerId, reused: true };
    const { type, name } = upload;
    const open = async () => {
      const body = await uploads!.open(upload);
      if (body === undefined) throw new NotKept();
      return body;
    };
    const sent = await uploadMedia({ fetch }, account, { open, type, name });
    if (!sent.ok) return failureOf(sent);
    await uploads!.note(id, account.phoneNumberId, sent.id);
    return { ok: true, id: sent.id, reused: false };
  } catch (error) {
    if (error instanceof NotKept) return GONE;
    return { ok: false, kind: "retry", code: "storage", message: "the uploaded file cannot be read now" };
  }
}

/**
 * Deletes uploads that are no longer kept, each at the account of its number. Never throws.
 *
 * Failure policy: each by itself; what cannot be deleted ends after 30 days by itself.
 * @returns why some could not be deleted, a code each.
 */
export async function deleteUploads(
  world: Pick<SendDeps, "fetch">,
  accounts: Pick<Accounts, "of">,
  ids: readonly { readonly media_id: string; readonly number_id: string }[],
): Promise<(number | string)[]> {
  const failures: (number | string)[] = [];
  for (const { media_id, number_id } of ids) {
    try {
      const done = await deleteMedia(world, [await accounts.of(number_id)], media_id);
      if (!done.ok) failures.push(done.code);
    } catch (error) {
      failures.push(error instanceof Problem ? error.code : "not_ready");
    }
  }
  return failures;
}

/** Storage has no file of an upload. */
class NotKept extends Error {}

/** Codes with which Meta refuses an id that it does not have; some of them have other meanings as well. */
const MAYBE_EXPIRED: ReadonlySet<number | string> = new Set([100, 131009, 131052, 131053]);

/** Whether a refused message is worth a fresh upload. */
export function mayHaveExpired({ code }: SendFailure): boolean {
  return MAYBE_EXPIRED.has(code);
}

const GONE: SendFailure = {
  ok: false,
  kind: "final",
  code: "media_gone",
  message: "an uploaded file that the message refers to is no longer kept",
};

function failureOf({ kind, code, status, message, retryAfterMs }: MediaFailure): SendFailure {
  return {
    ok: false,
    kind: kind === "gone" ? "retry" : kind,
    code,
    ...(status === undefined ? {} : { status }),
    message,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(kind === "held" ? { scope: "number" as const } : {}),
  };
}

const TYPES: ReadonlySet<string> = new Set(MEDIA_TYPES);
/** Its members belong to the service. */
const OPAQUE = "flow_action_payload";

/** A copy of a message in which each upload's id is replaced. */
function walk(value: unknown, replace: (id: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => walk(item, replace));
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    const isMedia = TYPES.has(name) && isObject(member) && typeof member.id === "string" &&
      UUID.test(member.id);
    copy[name] = isMedia
      ? { ...member, id: replace(member.id as string) }
      : name === OPAQUE
      ? member
      : walk(member, replace);
  }
  return copy;
}
