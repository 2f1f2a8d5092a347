/**
 * Sends texts through Telnyx, and lists what it has: `/v2/messages`, `/v2/detail_records`.
 *
 * Source: Telnyx, "Send a message", "API errors", "Message detail records" and "Search detail records"
 * (developers.telnyx.com). It has no idempotency key for messages. It repeats webhooks that were not acknowledged. Its
 * detail records say which messages there are, without their words; each can be read by its id.
 *
 * @module
 */
import { parseRetryAfter } from "../../../http/answers.ts";
import { isObject, type JsonObject, list, object, text as textOf } from "../../../json/json.ts";
import { partyOf, toProvider } from "../../../sms/numbers.ts";
import type { SendDeps, Sent } from "../../channel.ts";
import { ourIdIn, receivedOf, statusOfRecord, tagsOf, timeOf } from "../inbound/telnyx.ts";
import type { SmsUpdate } from "../inbound/update.ts";
import { meaningOf } from "./errors.ts";
import {
  type ApiAnswer,
  callApi,
  type Listed,
  type ListedText,
  type ListQuery,
  open,
  type SmsProvider,
  wordsOf,
} from "./provider.ts";

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
    list: (query, { fetch }) => listMessages(account(), query, fetch),
    owns: (url) => isOfStorage(url, account()),
    async openMedia(url, { fetch }, signal) {
      if (!isOfStorage(url, account())) return undefined;
      const response = await open(fetch, url, {}, signal);
      if (response.status === 200) return response;
      await response.body?.cancel();
      if (response.status === 404 || response.status === 403) return undefined;
      throw new Error(`Telnyx answered ${response.status} for a file`);
    },
  };
}

/** Telnyx gives addresses of its storage, which need no key, and end by themselves. */
function isOfStorage(url: string, { url: base }: TelnyxAccount): boolean {
  return url.startsWith(`${base}/`) || /^https:\/\/[a-z0-9.-]+\.(?:telnyx|amazonaws)\.com\//i.test(url);
}

const MESSAGES = "/v2/messages/";
const PAGE = 50;
/** Pages of one listing: 4,000 messages. */
const MAX_PAGES = 80;
const MAX_PAGE_BYTES = 1024 * 1024;
/** Messages of one listing that are read one by one. */
const MAX_READ = 500;

/**
 * Reads the detail records from the newest message back, and the messages of those that came in and are not stored. The
 * filter by time is by day, so the end is found by the records' own times.
 *
 * @throws {Error} if a page or a message cannot be read.
 */
async function listMessages(
  account: TelnyxAccount,
  { since, isOurs, known }: ListQuery,
  fetch: SendDeps["fetch"],
): Promise<Listed> {
  const updates: SmsUpdate[] = [], sent: ListedText[] = [];
  const from = new Date(since).toISOString().slice(0, 10);
  let read = 0;
  for (let page = 1; page <= MAX_PAGES; page++) {
    const query = new URLSearchParams({
      "filter[record_type]": "messaging",
      "filter[created_at][gte]": from,
      "page[number]": String(page),
      "page[size]": String(PAGE),
      sort: "-created_at",
    });
    const body = await get(account, `/v2/detail_records?${query}`, fetch);
    const records = (list(body.data) ?? []).filter(isObject);
    const recent = records.filter(({ created_at }) => Date.parse(timeOf(created_at) ?? "") >= since);
    const incoming: string[] = [];
    for (const record of recent) {
      const inbound = textOf(record.direction)?.toLowerCase() === "inbound";
      const ours = partyOf(textOf(inbound ? record.cld : record.cli));
      const id = textOf(record.uuid) ?? textOf(record.id);
      if (id === undefined || ours === undefined || !isOurs(ours.value)) continue;
      if (inbound) {
        incoming.push(id);
        continue;
      }
      const update = statusOfRecord(record);
      if (update !== undefined) updates.push(update);
      const listed = listedText(record, id, ours.value);
      if (listed !== undefined) sent.push(listed);
    }
    const stored = incoming.length === 0 ? new Set() : await known(incoming);
    for (const id of incoming.filter((id) => !stored.has(id))) {
      if (read++ === MAX_READ) return { updates, sent, complete: false };
      const message = await get(account, `${MESSAGES}${encodeURIComponent(id)}`, fetch);
      const update = isObject(message.data) ? receivedOf(message.data) : undefined;
      if (update !== undefined) updates.push(update);
    }
    const pages = object(body.meta)?.total_pages;
    if (recent.length < records.length || typeof pages !== "number" || page >= pages) {
      return { updates, sent, complete: true };
    }
  }
  return { updates, sent, complete: false };
}

/** Its words are not in the record: what nobody knows whether it went is found by our id. */
function listedText(record: JsonObject, id: string, from: string): ListedText | undefined {
  const to = partyOf(textOf(record.cld));
  const at = timeOf(record.created_at);
  const ours = ourIdIn(tagsOf(record));
  if (to === undefined || at === undefined || ours === undefined) return undefined;
  return { provider_id: id, from, to: to.value, body: "", at, ours };
}

async function get(
  { url, key }: TelnyxAccount,
  path: string,
  fetch: SendDeps["fetch"],
): Promise<JsonObject> {
  const init = { headers: { authorization: `Bearer ${key}` } };
  const answer = await callApi(fetch, url + path, init, MAX_PAGE_BYTES);
  if ("ok" in answer) throw new Error(`Telnyx's records: ${answer.message}`);
  // It keeps messages for some days only.
  if (answer.status === 404 && path.startsWith(MESSAGES)) return {};
  if (answer.status !== 200 || answer.body === undefined) {
    const code = textOf(object(list(answer.body?.errors)?.[0])?.code);
    throw new Error(
      `Telnyx's records: it answered ${answer.status} ${code ?? "without an error of its own"}`,
    );
  }
  return answer.body;
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
