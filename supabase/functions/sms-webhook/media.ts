/**
 * Gives out the files of texts, from the provider, without its credentials leaving us.
 *
 * @module
 */
import type { SendDeps, SendFailure } from "../_shared/channels/channel.ts";
import type { SmsProvider } from "../_shared/channels/sms/providers/provider.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { Problem } from "../_shared/http/problem.ts";

/** Dependencies of {@linkcode createGiveMedia}. */
export interface GiveMediaDeps {
  rpc: Rpc;
  provider(name: SmsProvider["name"]): SmsProvider | SendFailure;
  fetch: SendDeps["fetch"];
}

/**
 * Creates the function that answers with the file of a text. The content type is the sender's word: browsers must not
 * run what a stranger sent as something else.
 *
 * Refusals: `media_not_found`, `media_gone`, `media_unavailable`.
 */
export function createGiveMedia(
  { rpc, provider, fetch }: GiveMediaDeps,
): (id: string, index: number) => Promise<Response> {
  return async (id, index) => {
    const found = await rpc("find_text_media", { p_id: id });
    const file = found?.media[index];
    if (found === null || file === undefined) throw new Problem("media_not_found");
    const carrier = provider(found.provider);
    if ("ok" in carrier) throw new Problem("media_unavailable", { detail: carrier.message });
    let opened: Response | undefined;
    try {
      opened = await carrier.openMedia(file.url, { fetch });
    } catch (cause) {
      throw new Problem("media_unavailable", {
        detail: "The provider does not give out the file now.",
        headers: { "retry-after": "30" },
        cause,
      });
    }
    if (opened === undefined) {
      throw new Problem("media_gone", { detail: "The provider no longer has this file." });
    }
    const length = opened.headers.get("content-length");
    return new Response(opened.body, {
      headers: {
        "content-type": safeType(file.type ?? opened.headers.get("content-type")),
        "content-disposition": "attachment",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; sandbox",
        "cache-control": "private, no-store",
        ...(length !== null && /^\d{1,12}$/.test(length) ? { "content-length": length } : {}),
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
