/**
 * Where providers report: one {@linkcode Door} for each.
 *
 * @module
 */
import type { Door } from "../channel.ts";
import { telnyxKeys, twilioSecrets, webhookUrl } from "./config.ts";
import { TELNYX_HEADERS, verifyTelnyx } from "./inbound/telnyx_signature.ts";
import { SIGNATURE_HEADER, signedUrls, verifyTwilio } from "./inbound/twilio_signature.ts";

/** Twilio's webhooks: messages, statuses, the fallback. */
export const twilioDoor: Door = {
  isSigned: ({ headers }) => headers.has(SIGNATURE_HEADER),
  verify({ url, headers }, bytes) {
    const { below, query } = belowFunction(url);
    return verifyTwilio(
      { urls: signedUrls(webhookUrl(), below, query), query, headers, bytes },
      twilioSecrets(),
    );
  },
};

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
