/**
 * Gives out the files of texts: from our storage, or from the provider until it is there, without its credentials leaving
 * us.
 *
 * @module
 */
import type { SendDeps, SendFailure } from "../_shared/channels/channel.ts";
import type { SmsProvider } from "../_shared/channels/sms/providers/provider.ts";
import type { FoundTextMedia } from "../_shared/contract/answers/sms.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";
import { withPatience } from "../_shared/media/patience.ts";
import { verified } from "../_shared/media/verified.ts";
import { BUCKETS } from "../_shared/storage/paths.ts";
import type { Streams } from "../_shared/storage/streaming.ts";

/** Dependencies of {@linkcode createGiveMedia}. */
export interface GiveMediaDeps {
  rpc: Rpc;
  storage: Pick<Streams, "open">;
  provider(name: SmsProvider["name"]): SmsProvider | SendFailure;
  fetch: SendDeps["fetch"];
}

/** A file on its way out. */
interface Opened {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly type: string | null;
  /** In bytes. */
  readonly size?: number;
}

type File = NonNullable<FoundTextMedia>["media"][number];

const IDLE_MS = 30_000;

/**
 * Creates the function that answers with the file of a text. The content type is the sender's word: browsers must not
 * run what a stranger sent as something else.
 *
 * Refusals: `media_not_found`, `media_gone`, `media_unavailable`, `storage_unavailable`.
 */
export function createGiveMedia(
  { rpc, storage, provider, fetch }: GiveMediaDeps,
): (id: string, index: number) => Promise<Response> {
  async function find(id: string, index: number): Promise<[File, SmsProvider["name"]]> {
    const found = await rpc("find_text_media", { p_id: id });
    const file = found?.media[index];
    if (found === null || file === undefined) throw new Problem("media_not_found");
    return [file, found.provider];
  }

  async function fromStorage({ stored, type }: File): Promise<Opened | undefined> {
    if (stored === null) return undefined;
    const opened = await storage.open({ bucket: BUCKETS.texts, path: stored.path });
    if (opened === undefined) return undefined;
    // Breaks the answer before its last bytes if the storage has less than it was given.
    const whole = withPatience(opened.body, IDLE_MS, () => {}).pipeThrough(
      verified({ bytes: stored.bytes }).through,
    );
    return { body: whole, type, size: stored.bytes };
  }

  async function fromProvider({ url, type }: File, name: SmsProvider["name"]): Promise<Opened | undefined> {
    if (url === null) return undefined;
    const carrier = provider(name);
    if ("ok" in carrier) throw new Problem("media_unavailable", { detail: carrier.message });
    let opened: Response | undefined;
    try {
      opened = carrier.owns(url) ? await carrier.openMedia(url, { fetch }) : undefined;
    } catch (cause) {
      throw new Problem("media_unavailable", {
        detail: "The provider does not give out the file now.",
        headers: { "retry-after": "30" },
        cause,
      });
    }
    if (opened === undefined) return undefined;
    const length = opened.headers.get("content-length");
    return {
      body: opened.body,
      type: type ?? opened.headers.get("content-type"),
      ...(length !== null && /^\d{1,12}$/.test(length) ? { size: Number(length) } : {}),
    };
  }

  return async (id, index) => {
    const [file, name] = await find(id, index);
    const opened = await fromStorage(file) ?? await fromProvider(file, name) ??
      // It may have been stored, and deleted at the provider, in between.
      (file.stored === null ? await fromStorage((await find(id, index))[0]) : undefined);
    if (opened === undefined) throw new Problem("media_gone", { detail: "Nobody has this file any more." });
    const { body, type, size } = opened;
    return new Response(body, {
      headers: {
        "content-type": safeType(type),
        "content-disposition": "attachment",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "private, no-store",
        ...(size === undefined ? {} : { "content-length": String(size) }),
      },
    });
  };
}

/** Pictures, sound and film; anything else is only bytes. */
function safeType(type: string | null): string {
  return type !== null && /^(?:image\/(?:jpeg|png|gif|webp)|(?:audio|video)\/[a-z0-9.+-]{1,40})$/i.test(type)
    ? type.toLowerCase()
    : "application/octet-stream";
}
