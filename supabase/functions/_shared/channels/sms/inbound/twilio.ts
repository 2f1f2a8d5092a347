/**
 * Twilio's webhooks and its list of messages as updates.
 *
 * Sources: Twilio, "Twilio's request to your incoming message webhook URL"; "Outbound message status in status
 * callbacks"; "Messages resource". New parameters come without notice, and are kept.
 *
 * @module
 */
import { decode, isObject, list, text } from "../../../json/json.ts";
import { optWordOfType } from "../../../sms/opt_words.ts";
import { partyOf } from "../../../sms/numbers.ts";
import { statusOf } from "./statuses.ts";
import {
  codeOf,
  idOf,
  otherUpdate,
  receivedUpdate,
  type SmsMedia,
  type SmsUpdate,
  statusUpdate,
} from "./update.ts";

/** The parameters of a webhook; of one that occurs several times the last. */
export type Parameters = ReadonlyMap<string, string>;

/** What a webhook holds. */
export interface TwilioWebhook {
  readonly update: SmsUpdate;
  /** Twilio's account that it comes from; undefined if it does not say. */
  readonly account: string | undefined;
}

/** Reads a form, or a query. */
export function parametersOf(form: string): Parameters {
  return new Map(new URLSearchParams(form));
}

/** Files of one message at most. */
const MAX_MEDIA = 10;
/** People of a group at most; Twilio documents no limit. */
const MAX_GROUP = 50;

/** Parameters whose content has a member of its own, and old names of the id. */
const NAMED =
  /^(?:MessageSid|SmsSid|SmsMessageSid|From|To|Body|NumMedia|NumSegments|OptOutType|SmsStatus|ApiVersion|ErrorUrl|(?:MediaUrl|MediaContentType|OtherRecipients)\d{1,2})$/;

/**
 * Takes the body of a POST, or the query of a GET, as one update. Never throws and loses nothing.
 *
 * @param callback Our id of a message, from the address that we gave Twilio for its statuses.
 */
export function parseTwilio(body: Uint8Array, query: string, callback: string | undefined): TwilioWebhook {
  const form = new TextDecoder().decode(body);
  if (/^\s*\{/.test(form)) {
    return { update: otherUpdate("twilio", "json", jsonOf(body, form)), account: undefined };
  }
  const parameters = parametersOf(form.trim() === "" ? query : form);
  const account = parameters.get("AccountSid");
  return { update: updateOf(parameters, callback), account };
}

function jsonOf(body: Uint8Array, form: string): unknown {
  try {
    return decode(body);
  } catch {
    return { text: form.slice(0, 8192) };
  }
}

function updateOf(parameters: Parameters, callback: string | undefined): SmsUpdate {
  const get = (name: string) => parameters.get(name);
  const id = idOf(get("MessageSid") ?? get("SmsSid") ?? get("SmsMessageSid"));
  const status = get("MessageStatus");
  if (id !== undefined && status !== undefined && status !== "received") {
    return statusUpdate({
      provider: "twilio",
      id,
      status: status.slice(0, 64),
      means: statusOf("twilio", status),
      sender: partyOf(get("From")),
      code: codeOf(get("ErrorCode")),
      at: undefined,
      callback,
      raw: Object.fromEntries(parameters),
    });
  }
  const [from, to] = [partyOf(get("From")), partyOf(get("To"))];
  if (id === undefined || from === undefined || to === undefined || get("CallSid") !== undefined) {
    return otherUpdate("twilio", "other", Object.fromEntries(parameters));
  }
  return receivedUpdate({
    provider: "twilio",
    id,
    from,
    to,
    body: get("Body") ?? "",
    media: mediaOf(parameters),
    group: numbered(parameters, "OtherRecipients", MAX_GROUP),
    said: optWordOfType(get("OptOutType")),
    // The webhook gives no time.
    at: undefined,
    rest: Object.fromEntries([...parameters].filter(([name, value]) => !NAMED.test(name) && value !== "")),
  });
}

function mediaOf(parameters: Parameters): SmsMedia[] {
  return numbered(parameters, "MediaUrl", MAX_MEDIA).map((url, i) => ({
    url,
    type: parameters.get(`MediaContentType${i}`) ?? null,
    size: null,
  }));
}

/** The values of `name0`, `name1`, … up to the first that is missing. */
function numbered(parameters: Parameters, name: string, most: number): string[] {
  const values: string[] = [];
  for (let i = 0; i < most; i++) {
    const value = parameters.get(`${name}${i}`);
    if (value === undefined || value === "") break;
    values.push(value);
  }
  return values;
}

/**
 * An entry of Twilio's list of messages as the update that its webhook would have been: the same keys, so that whichever
 * comes second is a repetition. `media` is the message's list of files, which the entry itself lacks. Undefined for an entry that
 * lacks an id or an end.
 */
export function updateOfEntry(entry: unknown): SmsUpdate | undefined {
  if (!isObject(entry)) return undefined;
  const id = idOf(text(entry.sid));
  const [from, to] = [partyOf(text(entry.from)), partyOf(text(entry.to))];
  const at = rfc2822(entry.date_sent) ?? rfc2822(entry.date_created);
  if (id === undefined) return undefined;
  if (entry.direction === "inbound") {
    if (from === undefined || to === undefined) return undefined;
    return receivedUpdate({
      provider: "twilio",
      id,
      from,
      to,
      body: typeof entry.body === "string" ? entry.body : "",
      media: (list(entry.media) ?? []).slice(0, MAX_MEDIA).filter(isObject).map(({ url, type }) => ({
        url: text(url) ?? "",
        type: text(type) ?? null,
        size: null,
      })),
      group: [],
      said: undefined,
      at,
      rest: {},
    });
  }
  const status = text(entry.status);
  if (status === undefined) return undefined;
  return statusUpdate({
    provider: "twilio",
    id,
    status,
    means: statusOf("twilio", status),
    sender: from,
    code: codeOf(text(entry.error_code)),
    at: rfc2822(entry.date_updated),
    callback: undefined,
    raw: { MessageSid: id, MessageStatus: status, ErrorCode: entry.error_code ?? null, listed: true },
  });
}

/** Twilio's times, `Sat, 28 Nov 2026 19:30:00 +0000`, as ISO 8601. */
export function rfc2822(value: unknown): string | undefined {
  if (typeof value !== "string" || !/^[A-Z][a-z]{2}, \d/.test(value)) return undefined;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : new Date(at).toISOString();
}
