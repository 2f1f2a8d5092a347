/**
 * Where providers report: one {@linkcode Door} for each.
 *
 * @module
 */
import type { Door } from "../channel.ts";
import { telnyxKeys, webhookUrl } from "./config.ts";
import { TELNYX_HEADERS, verifyTelnyx } from "./inbound/telnyx_signature.ts";
import { SIGNATURE_HEADER, signedUrls } from "./inbound/twilio_signature.ts";
import { signersOf } from "./twilio_accounts.ts";

/** Twilio's webhooks: messages, statuses, the fallback. */
export const twilioDoor: Door = {
  isSigned: ({ headers }) => headers.has(SIGNATURE_HEADER),
  verify: (request, bytes) => signedBy(request, bytes).length > 0,
};

/** The accounts of Twilio's that a webhook may be from by its signature; empty for one that none of them signed. */
export function signedBy({ url, headers }: Request, bytes: Uint8Array): readonly string[] {
  const { below, query } = belowFunction(url);
  return signersOf({ urls: signedUrls(webhookUrl(), below, query), query, headers, bytes });
}

/** Telnyx's webhooks. @param now Milliseconds since 1970, injected for tests. */
export function createTelnyxDoor(now: () => number): Door {
  return {
    isSigned: ({ headers }) => headers.has(TELNYX_HEADERS.signature),
    verify: ({ headers }, bytes) => verifyTelnyx(bytes, headers, telnyxKeys(), now()),
  };
}

/**
 * The part of a request's address below the function's own, exactly as it came, because it is signed: a closing slash
 * counts.
 */
export function belowFunction(url: string): { below: string; query: string } {
  const mark = url.indexOf("?");
  const path = (mark < 0 ? url : url.slice(0, mark)).replace(/^[a-z]+:\/\/[^/]*/i, "");
  const below = /^(?:\/functions\/v1)?\/sms-webhook(\/.*)?$/.exec(path);
  return { below: below === null ? path : below[1] ?? "", query: mark < 0 ? "" : url.slice(mark + 1) };
}
