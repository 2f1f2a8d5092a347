/**
 * Sends texts through Twilio, and lists what it has: `/2010-04-01/Accounts/{sid}/Messages.json`.
 *
 * Source: Twilio, "Messages resource". It has no idempotency key. Its webhooks are repeated once, within 15 seconds, so
 * its list is the only way back to what was lost.
 *
 * @module
 */
import { parseRetryAfter } from "../../../http/answers.ts";
import { isObject, type JsonObject, list, text as textOf } from "../../../json/json.ts";
import { partyOf, toProvider } from "../../../sms/numbers.ts";
import type { SendDeps, Sent } from "../../channel.ts";
import { rfc2822, updateOfEntry } from "../inbound/twilio.ts";
import type { SmsUpdate } from "../inbound/update.ts";
import { meaningOf } from "./errors.ts";
import {
  type ApiAnswer,
  callApi,
  type Listed,
  type ListedText,
  open,
  type SmsProvider,
  wordsOf,
} from "./provider.ts";

/** An account of Twilio's. */
export interface TwilioAccount {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly accountSid: string;
  /** User and password of the API: an API key and its secret, or the account and its token. */
  readonly user: string;
  readonly password: string;
  /** Where Twilio reports the statuses of texts: the address of `sms-webhook`, without query and fragment. */
  readonly webhookUrl: string;
}

const PAGE = 1000;
/** Pages of one listing: 40,000 messages. */
const MAX_PAGES = 40;
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Messages of one listing whose files are looked up. */
const MAX_WITH_MEDIA = 200;

/** Accounts of Twilio's. Read at each call, because keys are rotated. */
export interface TwilioAccounts {
  /** An account by its SID, or the main one; undefined for one that is not configured. */
  of(sid: string | undefined): TwilioAccount | undefined;
  all(): readonly TwilioAccount[];
}

/** Twilio as an {@linkcode SmsProvider}. */
export function createTwilio(accounts: TwilioAccounts): SmsProvider {
  /** The account that has a file; undefined for an address that is not one of ours. */
  const ownerOf = (url: string): [TwilioAccount, string] | undefined => {
    const [path, sid] = mediaPath(url) ?? [];
    const account = sid === undefined ? undefined : accounts.of(sid);
    return path === undefined || account === undefined ? undefined : [account, path];
  };
  return {
    name: "twilio",
    async send(text, { fetch }): Promise<Sent> {
      const current = accounts.of(text.account);
      if (current === undefined) {
        const message = "the account of this number is not configured";
        return { ok: false, kind: "held", scope: "number", code: "not_ready", message };
      }
      const form = new URLSearchParams({
        To: toProvider(text.to),
        From: toProvider(text.from),
        Body: text.text,
        StatusCallback: statusCallback(current.webhookUrl, text.id),
        ValidityPeriod: String(text.validitySeconds),
      });
      if (text.text === "" && text.media.length > 0) form.delete("Body");
      for (const url of text.media) form.append("MediaUrl", url);
      const answer = await callApi(fetch, messagesUrl(current), {
        method: "POST",
        headers: {
          authorization: basic(current),
          "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
          ...(text.traceparent === undefined ? {} : { traceparent: text.traceparent }),
        },
        body: form.toString(),
      });
      return "ok" in answer ? answer : outcomeOf(answer, current);
    },
    async list(query, { fetch }) {
      const lists: Listed[] = [], failures: unknown[] = [];
      // One account that does not answer keeps nothing of the others back.
      for (const account of accounts.all()) {
        await listMessages(account, query, fetch).then(
          (listed) => lists.push(listed),
          (error: unknown) => failures.push(error),
        );
      }
      if (lists.length === 0) throw failures[0];
      const [failure] = failures;
      return {
        updates: lists.flatMap(({ updates }) => updates),
        sent: lists.flatMap(({ sent }) => sent),
        complete: failure === undefined && lists.every(({ complete }) => complete),
        ...(failure === undefined
          ? {}
          : { error: failure instanceof Error ? failure.message : String(failure) }),
      };
    },
    owns: (url) => ownerOf(url) !== undefined,
    async openMedia(url, { fetch }, signal) {
      const owner = ownerOf(url);
      return owner && await openMedia(...owner, fetch, signal);
    },
    async deleteMedia(url, { fetch }) {
      const owner = ownerOf(url);
      if (owner === undefined) throw new Error("its address is not one of Twilio's for our accounts");
      await deleteMedia(...owner, fetch);
    },
  };
}

function outcomeOf({ status, headers, body }: ApiAnswer, { password, user }: TwilioAccount): Sent {
  const sid = textOf(body?.sid);
  if ((status === 201 || status === 200) && sid !== undefined) return { ok: true, providerId: sid };
  const code = typeof body?.code === "number" ? body.code : undefined;
  const meaning = meaningOf(status, code, parseRetryAfter(headers.get("retry-after"), Date.now()));
  return {
    ok: false,
    ...meaning,
    code: code ?? (body === undefined ? "unreadable" : status),
    status,
    message: wordsOf(body?.message, [user, password]) ?? `HTTP ${status} without an error of Twilio's`,
  };
}

/** Where a status of a text goes; the query is signed with the rest. */
export function statusCallback(webhookUrl: string, id: string): string {
  return `${webhookUrl}/status?message=${id}`;
}

function messagesUrl({ url, accountSid }: TwilioAccount): string {
  return `${url}/2010-04-01/Accounts/${accountSid}/Messages.json`;
}

function basic({ user, password }: TwilioAccount): string {
  return `Basic ${btoa(`${user}:${password}`)}`;
}

/**
 * Reads the list from the newest message back. Its filter by time is by day in some versions of the API, so the end is
 * found by the entries' own times.
 *
 * @throws {Error} if a page cannot be read.
 */
async function listMessages(
  account: TwilioAccount,
  { since, isOurs }: Parameters<NonNullable<SmsProvider["list"]>>[0],
  fetch: SendDeps["fetch"],
): Promise<Listed> {
  const updates: SmsUpdate[] = [], sent: ListedText[] = [];
  const from = new Date(since).toISOString().slice(0, 10);
  let next: string | undefined = `${messagesUrl(account)}?PageSize=${PAGE}&DateSent%3E=${from}`;
  let withMedia = 0;
  for (let page = 0; next !== undefined; page++) {
    if (page === MAX_PAGES) return { updates, sent, complete: false };
    const body = await get(account, next, fetch);
    for (const entry of list(body.messages) ?? []) {
      if (!isObject(entry)) continue;
      const at = rfc2822(entry.date_sent) ?? rfc2822(entry.date_created);
      if (at !== undefined && Date.parse(at) < since) return { updates, sent, complete: true };
      const inbound = entry.direction === "inbound";
      const ours = partyOf(textOf(inbound ? entry.to : entry.from));
      if (ours === undefined || !isOurs(ours.value)) continue;
      const hasMedia = inbound && Number(textOf(entry.num_media) ?? "0") > 0;
      const whole = hasMedia && withMedia++ < MAX_WITH_MEDIA
        ? { ...entry, media: await mediaOf(account, entry, fetch) }
        : entry;
      const update = updateOfEntry(whole);
      if (update !== undefined) updates.push(update);
      const listed = inbound ? undefined : listedText(entry, ours.value, at);
      if (listed !== undefined) sent.push(listed);
    }
    const uri = textOf(body.next_page_uri);
    // Relative; a whole address would take the credentials elsewhere.
    next = uri?.startsWith("/2010-04-01/") ? account.url + uri : undefined;
  }
  return { updates, sent, complete: true };
}

function listedText(entry: JsonObject, from: string, at: string | undefined): ListedText | undefined {
  const id = textOf(entry.sid);
  const to = partyOf(textOf(entry.to));
  if (id === undefined || to === undefined || at === undefined) return undefined;
  const body = typeof entry.body === "string" ? entry.body : "";
  return { provider_id: id, from, to: to.value, body, at: rfc2822(entry.date_created) ?? at };
}

/** The files of a listed message, `[{url, type}]`. */
async function mediaOf(
  account: TwilioAccount,
  entry: JsonObject,
  fetch: SendDeps["fetch"],
): Promise<JsonObject[]> {
  const base = `${account.url}/2010-04-01/Accounts/${account.accountSid}/Messages/${textOf(entry.sid)}/Media`;
  const body = await get(account, `${base}.json`, fetch);
  return (list(body.media_list) ?? []).filter(isObject).map(({ sid, content_type }) => ({
    url: `${base}/${textOf(sid) ?? ""}`,
    type: textOf(content_type) ?? null,
  }));
}

async function get(account: TwilioAccount, url: string, fetch: SendDeps["fetch"]): Promise<JsonObject> {
  const answer = await callApi(fetch, url, { headers: { authorization: basic(account) } }, MAX_PAGE_BYTES);
  if ("ok" in answer) throw new Error(`Twilio's list: ${answer.message}`);
  if (answer.status !== 200 || answer.body === undefined) {
    throw new Error(`Twilio's list answered ${answer.status} ${String(answer.body?.code ?? "without JSON")}`);
  }
  return answer.body;
}

/**
 * Opens a file. Twilio answers with a redirect to its storage, which must not get the credentials.
 *
 * Failure policy: closed. An address that is not below the account's API is not called.
 */
async function openMedia(
  account: TwilioAccount,
  path: string,
  fetch: SendDeps["fetch"],
  signal?: AbortSignal,
): Promise<Response | undefined> {
  const first = await open(fetch, account.url + path, { headers: { authorization: basic(account) } }, signal);
  if (first.status === 200) return first;
  await first.body?.cancel();
  if (first.status === 404) return undefined;
  const location = first.headers.get("location");
  if (first.status < 300 || first.status > 399 || location === null) {
    throw new Error(`Twilio answered ${first.status} for a file`);
  }
  const second = await open(fetch, new URL(location, account.url).href, {}, signal);
  if (second.status === 200) return second;
  await second.body?.cancel();
  // 403 is an address that has expired, or a storage in trouble.
  if (second.status === 404) return undefined;
  throw new Error(`the storage of Twilio answered ${second.status} for a file`);
}

/** Source: Twilio, "Media subresource", delete. */
async function deleteMedia(account: TwilioAccount, path: string, fetch: SendDeps["fetch"]): Promise<void> {
  const init = { method: "DELETE", headers: { authorization: basic(account) } };
  const { status, body } = await open(fetch, account.url + path, init);
  await body?.cancel();
  if (status !== 204 && status !== 200 && status !== 404) {
    throw new Error(`Twilio answered ${status} to the deletion of a file`);
  }
}

/** The path of a file, and its account; undefined for any other address. */
function mediaPath(url: string): [path: string, account: string] | undefined {
  const [, path, account] =
    /^https?:\/\/[^/?#]+(\/2010-04-01\/Accounts\/([A-Za-z0-9]+)\/Messages\/[A-Za-z0-9]+\/Media\/[A-Za-z0-9]+)$/
      .exec(url) ?? [];
  return path === undefined ? undefined : [path, account];
}
