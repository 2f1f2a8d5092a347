/**
 * Sends texts through Telnyx: `POST /v2/messages`.
 *
 * Source: Telnyx, "Send a message" and "API errors" (developers.telnyx.com). It has no idempotency key for messages. It
 * repeats webhooks that were not acknowledged, and has no list of messages by time.
 *
 * @module
 */
import { parseRetryAfter } from "../../../http/answers.ts";
import { list, object, text as textOf } from "../../../json/json.ts";
import { toProvider } from "../../../sms/numbers.ts";
import type { Sent } from "../../channel.ts";
import { meaningOf } from "./errors.ts";
import { type ApiAnswer, callApi, open, type SmsProvider, wordsOf } from "./provider.ts";

/** An account of Telnyx's. */
export interface TelnyxAccount {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly key: string;
  /** Where Telnyx reports statuses: the address of `sms-webhook`, without query and fragment. */
  readonly webhookUrl: string;
}

/** Telnyx as an {@linkcode SmsProvider}. @param account Read at each call, because keys are rotated. */
export function createTelnyx(account: () => TelnyxAccount): SmsProvider {
  return {
    name: "telnyx",
    async send(text, { fetch }): Promise<Sent> {
      const { url, key, webhookUrl } = account();
      const answer = await callApi(fetch, `${url}/v2/messages`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          ...(text.traceparent === undefined ? {} : { traceparent: text.traceparent }),
        },
        body: JSON.stringify({
          from: toProvider(text.from),
          to: toProvider(text.to),
          text: text.text,
          ...(text.media.length > 0 ? { media_urls: text.media, type: "MMS" } : { type: "SMS" }),
          webhook_url: `${webhookUrl}/telnyx`,
          use_profile_webhooks: false,
          tags: [`gl:${text.id}`],
        }),
      });
      return "ok" in answer ? answer : outcomeOf(answer, key);
    },
    owns: isOfStorage,
    async openMedia(url, { fetch }, signal) {
      if (!isOfStorage(url)) return undefined;
      const response = await open(fetch, url, {}, signal);
      if (response.status === 200) return response;
      await response.body?.cancel();
      if (response.status === 404 || response.status === 403) return undefined;
      throw new Error(`Telnyx answered ${response.status} for a file`);
    },
  };
}

/** Telnyx gives addresses of its storage, which need no key, and end by themselves. */
function isOfStorage(url: string): boolean {
  return /^https:\/\/[a-z0-9.-]+\.(?:telnyx|amazonaws)\.com\//i.test(url);
}

function outcomeOf({ status, headers, body }: ApiAnswer, key: string): Sent {
  const id = textOf(object(body?.data)?.id);
  if (status === 200 && id !== undefined) return { ok: true, providerId: id };
  const error = object(list(body?.errors)?.[0]);
  const code = textOf(error?.code);
  const meaning = meaningOf(status, code, parseRetryAfter(headers.get("retry-after"), Date.now()));
  return {
    ok: false,
    ...meaning,
    code: code ?? (body === undefined ? "unreadable" : status),
    status,
    message: wordsOf(error?.detail ?? error?.title, [key]) ?? `HTTP ${status} without an error of Telnyx's`,
  };
}
