/**
 * The common shape of what comes in about texts, as the SQL function `ingest_updates` takes it.
 *
 * @module
 */
import { sha256Hex } from "../../../crypto/sha256.ts";
import { type JsonObject, toStorable } from "../../../json/json.ts";
import { isStorableText } from "../../../json/text.ts";
import { mayEndTexts, type OptWord, optWordOf } from "../../../sms/opt_words.ts";
import type { Party } from "../../../sms/numbers.ts";
import { segmentsOf } from "../../../sms/segments.ts";
import type { InboundUpdate } from "../../channel.ts";
import { type SmsStatus, STATUS_RANK } from "./statuses.ts";

/** Kinds of webhooks, as labels of counters. */
export const FIELDS: ReadonlySet<string> = new Set(["message", "status", "json", "other", "invalid_json"]);

/** Who carries texts. */
export type SmsProviderName = "twilio" | "telnyx";

/** A file that came with a text. The type is the sender's word. */
export interface SmsMedia {
  readonly url: string;
  readonly type: string | null;
  /** In bytes; null where the provider does not say. */
  readonly size: number | null;
}

/** What services get as `native` of a text that came in, whichever provider carried it. */
export interface ReceivedText {
  readonly provider: SmsProviderName;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly segments: number;
  readonly media: readonly SmsMedia[];
  /** Other people who got the same message, in a group. */
  readonly group?: readonly string[];
  /** What it is, if it consists of a keyword. */
  readonly keyword?: "stop" | "start" | "help";
  /** The person may want no more texts, without saying so by a keyword: somebody should read it. */
  readonly review?: "opt_out";
  /** The provider's own parameters that are not named above. */
  readonly _rest?: JsonObject;
}

/** An update, flat. Members that do not apply are absent. */
export interface SmsUpdate extends InboundUpdate {
  readonly channel: "sms";
  readonly provider: SmsProviderName;
  readonly sender_display?: string;
  /** The provider's time, ISO 8601; absent where it gives none. */
  readonly at?: string;
  readonly type?: string;
  readonly body?: string;
  /** `none`: no keyword of the provider's; the team's own words are still looked at. */
  readonly opt?: "out" | "in" | "none";
  readonly status?: string;
  readonly rank?: number;
  readonly error?: readonly { readonly code: string; readonly title: string }[];
  /** Our id of the message that a status is about. */
  readonly callback?: string;
}

/** A text that came in, before it is an update. */
export interface Received {
  readonly provider: SmsProviderName;
  readonly id: string;
  readonly from: Party;
  readonly to: Party;
  readonly body: string;
  readonly media: readonly SmsMedia[];
  readonly group: readonly string[];
  /** What the provider says that the text meant. */
  readonly said: OptWord | undefined;
  readonly at: string | undefined;
  readonly rest: JsonObject;
}

const KEYWORDS: Readonly<Record<OptWord, ReceivedText["keyword"]>> = {
  out: "stop",
  in: "start",
  help: "help",
  // An answer, unless the person has opted out; whoever forwards texts cannot tell the two apart.
  in_if_out: undefined,
};

/** The update of a text that came in. Its key is the provider's id, whoever tells of it: a webhook or the list. */
export function receivedUpdate(
  { provider, id, from, to, body, media, group, said, at, rest }: Received,
): SmsUpdate {
  // The provider knows the account's own words; where it says nothing, the usual ones count.
  const word = said ?? optWordOf(body);
  const keyword = word && KEYWORDS[word];
  const native: ReceivedText = {
    provider,
    id,
    from: from.value,
    to: to.value,
    body,
    segments: segmentsOf(body).segments,
    media,
    ...(group.length > 0 ? { group } : {}),
    ...(keyword === undefined ? {} : { keyword }),
    ...(word === undefined && mayEndTexts(body) ? { review: "opt_out" } : {}),
    ...(Object.keys(rest).length > 0 ? { _rest: rest } : {}),
  };
  const raw = toStorable(native) as JsonObject;
  const text = raw.body as string;
  return {
    key: keyOf("m", id),
    channel: "sms",
    provider,
    field: "message",
    kind: "message",
    sender_id: to.value,
    sender_display: to.value,
    at,
    identities: [from],
    provider_id: id,
    type: media.length > 0 ? "mms" : "text",
    // A picture without words has no text.
    ...(text === "" ? {} : { body: text }),
    opt: word === "out" ? "out" : word === "in" || word === "in_if_out" ? "in" : "none",
    raw,
  };
}

/** A report about a text that we sent, before it is an update. */
export interface Reported {
  readonly provider: SmsProviderName;
  readonly id: string;
  /** The provider's word. */
  readonly status: string;
  readonly means: SmsStatus | undefined;
  readonly sender: Party | undefined;
  readonly code: string | undefined;
  readonly at: string | undefined;
  readonly callback: string | undefined;
  readonly raw: JsonObject;
}

/** The update of a report. Each status of a text is one update, whoever tells of it. */
export function statusUpdate(
  { provider, id, status, means, sender, code, at, callback, raw }: Reported,
): SmsUpdate {
  return {
    key: keyOf("s", id, status),
    channel: "sms",
    provider,
    field: "status",
    kind: "status",
    ...(sender === undefined ? {} : { sender_id: sender.value }),
    at,
    provider_id: id,
    ...(means === undefined ? {} : { status: means, rank: STATUS_RANK[means] }),
    ...(means === "failed"
      ? { failure: code ?? "unknown", error: [{ code: code ?? "unknown", title: status }] }
      : {}),
    ...(callback === undefined ? {} : { callback }),
    raw: toStorable(raw),
  };
}

/** An update that is stored without being understood. */
export function otherUpdate(provider: SmsProviderName, field: string, raw: unknown): SmsUpdate {
  const kept = toStorable(raw);
  return {
    key: `x:${sha256Hex(JSON.stringify([field, kept]))}`,
    channel: "sms",
    provider,
    field,
    kind: "other",
    raw: kept,
  };
}

function keyOf(...parts: string[]): string {
  const key = parts.join(":");
  return key.length <= 512 && isStorableText(key) ? key : `x:${sha256Hex(key)}`;
}

/** A provider's id; undefined for one that would not fit an index. */
export function idOf(value: string | undefined | null): string | undefined {
  return value && value.length <= 256 && !value.includes("\0") && value.isWellFormed() ? value : undefined;
}

/** A provider's error code as a label of counters. */
export function codeOf(value: string | undefined | null): string | undefined {
  return value && /^\d{1,6}$/.test(value) ? value : undefined;
}
