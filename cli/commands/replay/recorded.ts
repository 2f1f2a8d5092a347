/**
 * Recreates webhook bodies from a stack's stored updates: the same updates, one entry each, up to {@linkcode
 * BATCH} per body. A Gatelink that has them treats them as duplicates; another one stores them as this one
 * did.
 *
 * Updates with an id from Meta (messages, echoes, statuses) get the same dedupe key again. All others were
 * identified by their whole context, of which the WhatsApp account and the time of sending are not stored:
 * they get a new key, the same at each replay.
 */
import { systemChange } from "../../../supabase/functions/_shared/channels/whatsapp/inbound/identities.ts";
import type { UpdateKind } from "../../../supabase/functions/_shared/channels/channel.ts";
import type { Api } from "../../core/api.ts";

/** Updates in one body. */
export const BATCH = 100;

/** A row of webhook_events. */
export interface StoredEvent {
  dedupe_key: string;
  field: string;
  kind: UpdateKind;
  number_id: string | null;
  /** Null if the message's row contains it. */
  raw: unknown;
  received_at: string;
}

/** The row of messages that contains an update, and the person. */
export interface StoredMessage {
  provider_id: string;
  seq: number;
  direction: "in" | "out";
  type: string;
  /** Null once the person has deleted the message. */
  native: Record<string, unknown> | null;
  number_id: string;
  name: string | null;
  /** Current ids of the person, by kind. */
  ids: Record<string, string>;
}

/** A body to send. */
export interface Recording {
  label: string;
  body: unknown;
}

/** Number of events that are not sent, by reason. */
export interface LeftOut {
  /** The body was not JSON, and only its beginning is stored. */
  not_json: number;
  /**
   * Its message is missing, was deleted, or has no id from Meta to find it by; or it is the echo of a message
   * of ours.
   */
  no_message: number;
  /** It has no id from Meta, so the stack that it came from would treat it as new. */
  no_id: number;
}

type Json = Record<string, unknown>;

/**
 * Reads what the stack has stored since a time, oldest first, and builds bodies from it.
 * @param toItself whether they are sent to the stack that they come from
 * @param left counts what is left out
 */
export async function* recordedSince(
  api: Api,
  since: Date,
  toItself: boolean,
  left: LeftOut,
): AsyncGenerator<Recording> {
  // What the replay itself stores is not read again.
  const until = new Date().toISOString();
  const displays = new Map(
    (await api.rows((client) => client.from("wa_numbers").select("id,display_number"))).map((
      number,
    ) => [number.id, number.display_number]),
  );
  for (let first = 0;; first += BATCH) {
    const events = await api.rows((client) =>
      client.from("webhook_events").select("dedupe_key,field,kind,number_id,raw,received_at")
        .eq("provider", "whatsapp").gte("received_at", since.toISOString()).lte("received_at", until)
        .order("received_at").order("dedupe_key").range(first, first + BATCH - 1)
    );
    if (events.length === 0) return;
    const messages = await messagesOf(api, events);
    for (const [index, body] of bodiesOf(events, messages, displays, toItself, left).entries()) {
      yield {
        label: `events ${first + 1}-${first + events.length}${index === 0 ? "" : ` (${index + 1})`}`,
        body,
      };
    }
    if (events.length < BATCH) return;
  }
}

const PERSON = "number_id,contact:contacts(name,ids:contact_identities(id,kind,value,dialled,valid_to))";

/** The rows of messages that contain these events' updates, by key. */
async function messagesOf(api: Api, events: StoredEvent[]): Promise<Map<string, StoredMessage>> {
  const ids = events.filter(isInMessage).flatMap((event) => wamidOf(event) ?? []);
  if (ids.length === 0) return new Map();
  const rows = await api.rows((client) =>
    client.from("messages").select(
      `provider_id,seq,direction,type,native,conversation:conversations!messages_conversation_id_fkey(${PERSON})`,
    ).in("provider_id", ids)
  );
  return new Map(rows.flatMap(({ provider_id, conversation: { number_id, contact }, ...row }) => {
    // Asked for by it, each has one.
    if (provider_id === null) return [];
    // Of several of a kind the last one stays: the latest, as Meta spells it.
    const current = contact.ids.filter((id) => id.valid_to === null)
      .sort((a, b) => Number(b.dialled) - Number(a.dialled) || a.id - b.id).map((id) => [id.kind, id.value]);
    const ids: Record<string, string> = Object.fromEntries(current);
    const message = { ...row, provider_id, number_id, name: contact.name, ids };
    return keysOf(message).map((key) => [key, message]);
  }));
}

/** Whether the raw form is stored in the row of a message (see ingest_updates). */
function isInMessage({ kind, number_id, raw }: StoredEvent): boolean {
  if (number_id === null) return false;
  // An imported file that does not name its person is kept beside its message.
  return kind === "message" || kind === "echo" || isPast(kind) && raw === null;
}

function isPast(kind: UpdateKind): kind is "past_message" | "past_echo" {
  return kind === "past_message" || kind === "past_echo";
}

/** A message in the form in which Meta sent it, not the form in which we sent it to Meta, which has no id. */
function nativeOf(message: StoredMessage | undefined): Json | undefined {
  return message?.native?.id === undefined ? undefined : message.native;
}

/** The keys of the updates that may have brought a message. Imported ones are before all others. */
function keysOf({ provider_id, type, number_id, seq }: StoredMessage): string[] {
  const id = `${number_id}:${provider_id}`;
  return seq < 0 ? [`h:${id}:${type}`, `hm:${id}`] : [`m:${id}:${type}`];
}

/** The message id in `m:<number>:<wamid>:<type>`, `h:…` or `hm:<number>:<wamid>`; undefined for other keys. */
function wamidOf({ dedupe_key, number_id }: StoredEvent): string | undefined {
  for (const prefix of [`m:${number_id}:`, `h:${number_id}:`]) {
    if (dedupe_key.startsWith(prefix)) return dedupe_key.slice(prefix.length, dedupe_key.lastIndexOf(":"));
  }
  const file = `hm:${number_id}:`;
  return dedupe_key.startsWith(file) ? dedupe_key.slice(file.length) : undefined;
}

/** Bodies of these events, in order; most fit into one. Pure, except for counting what is left out. */
export function bodiesOf(
  events: readonly StoredEvent[],
  messages: ReadonlyMap<string, StoredMessage>,
  displays: ReadonlyMap<string, string | null>,
  toItself: boolean,
  left: LeftOut,
): unknown[] {
  const entries: unknown[] = [];
  const alone: unknown[] = [];
  // Events of one batch were stored in the order of their keys; their messages know the order in which they came.
  const seqOf = (event: StoredEvent) => messages.get(event.dedupe_key)?.seq ?? 0;
  const ordered = events.toSorted((a, b) =>
    a.received_at < b.received_at ? -1 : a.received_at > b.received_at ? 1 : seqOf(a) - seqOf(b)
  );
  for (const event of ordered) {
    const message = messages.get(event.dedupe_key);
    const raw = isInMessage(event) ? nativeOf(message) : event.raw;
    if (event.field === "invalid_json") left.not_json++;
    // Raw forms may be purged before events are. Where a whole body or value was null, its key is that of nothing else.
    else if (raw === undefined || raw === null && isInMessage(event)) left.no_message++;
    else if (toItself && event.dedupe_key.startsWith("x:")) left.no_id++;
    else if (event.field === "unknown" && event.kind === "other") alone.push(raw);
    else {
      const { entry, bodyRest } = entryOf(
        event,
        raw,
        message,
        displays.get(event.number_id ?? "") ?? undefined,
      );
      if (bodyRest === undefined) entries.push(entry);
      else alone.push({ ...bodyOf([entry]), ...bodyRest });
    }
  }
  return entries.length === 0 ? alone : [bodyOf(entries), ...alone];
}

function bodyOf(entry: unknown[]): Json {
  return { object: "whatsapp_business_account", entry };
}

/** The list names that Meta uses for these kinds. */
const LISTS = {
  message: "messages",
  echo: "message_echoes",
  status: "statuses",
  identity: "user_id_update",
  name: "state_sync",
} as const;

function listOf(kind: keyof typeof LISTS, field: string): string {
  if (field === "calls") return "calls";
  return kind === "identity" && field === "messages" ? "messages" : LISTS[kind];
}

/** The entry of one update, and the members beside the entries of its body. */
function entryOf(event: StoredEvent, raw: unknown, message: StoredMessage | undefined, display?: string) {
  // `_rest` is ours: what stood beside the update, by level (see _shared/channels/whatsapp/inbound/updates.ts).
  const { _rest, ...item } = isObject(raw) ? raw : { _rest: undefined };
  const rest = (_rest ?? {}) as Record<"value" | "change" | "entry" | "body", Json | undefined>;
  const { metadata: metadataRest, contacts: contactsRest, ...valueRest } = rest.value ?? {};
  const contact = isPast(event.kind) ? undefined : contactOf(item, message);
  const contacts = contactsRest ?? [];
  const value = event.kind === "other" ? (isObject(raw) ? item : raw) : {
    messaging_product: "whatsapp",
    ...(event.number_id === null ? {} : {
      metadata: {
        display_phone_number: display,
        phone_number_id: event.number_id,
        ...(metadataRest as Json | undefined),
      },
    }),
    contacts: contact && Array.isArray(contacts) ? [contact, ...contacts] : contacts,
    ...(!isPast(event.kind)
      ? { [listOf(event.kind, event.field)]: [item] }
      : event.dedupe_key.startsWith("h:")
      ? { history: [{ threads: [threadOf(item, message)] }] }
      : { messages: [item] }),
    ...valueRest,
  };
  const entry = {
    // Keeps events apart that say the same, and is the same at each replay.
    id: event.dedupe_key,
    time: Math.floor(Date.parse(event.received_at) / 1000),
    ...rest.entry,
    changes: [{ field: event.field === "unknown" ? undefined : event.field, value, ...rest.change }],
  };
  return { entry, bodyRest: rest.body };
}

/** The entry about a message's person: with the ids in the message first, then the current ones. */
function contactOf(item: Json, message: StoredMessage | undefined): Json | undefined {
  // A change of identity says all in the message; another word on the person would contradict it.
  if (!message || systemChange(item)) return undefined;
  const { name, ids, direction } = message;
  // Who of a group wrote stands beside the message.
  if (ids.group !== undefined) return undefined;
  if (name === null && Object.keys(ids).length === 0) return undefined;
  const side = direction === "in" ? "from" : "to";
  return {
    profile: { name: name ?? undefined, username: ids.username },
    wa_id: item[side] ?? ids.phone,
    user_id: item[`${side}_user_id`] ?? ids.bsuid,
    parent_user_id: item[`${side}_parent_user_id`] ?? ids.parent_bsuid,
  };
}

/** A thread of the app's history with one message. */
function threadOf(item: Json, message: StoredMessage | undefined): Json {
  const { phone, bsuid, parent_bsuid, username } = message?.ids ?? {};
  const context = {
    ...(bsuid === undefined ? {} : { user_id: bsuid }),
    ...(parent_bsuid === undefined ? {} : { parent_user_id: parent_bsuid }),
    ...(username === undefined ? {} : { username }),
  };
  return { id: phone ?? bsuid, ...(Object.keys(context).length === 0 ? {} : { context }), messages: [item] };
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
