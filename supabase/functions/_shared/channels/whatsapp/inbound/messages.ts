/**
 * The content of a message of any type, for routing and display.
 *
 * Source: Meta, "messages webhook reference" and its page for each type
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages). Unknown
 * types have empty content and cause no error.
 *
 * @module
 */
import { tokenIn } from "../../../contract/link_tokens.ts";
import type { InboundType } from "../../../contract/messages.ts";
import { parseFlow } from "../../../contract/flow.ts";
import { id, isObject, type JsonObject, object, text } from "../../../json/json.ts";

/** The content of a message, apart from who sent it. */
export interface Content {
  /** Text that the person wrote or chose: body, caption, title of the button or row, reaction emoji. */
  body?: string;
  /** Id of the chosen button or list row, payload of the quick reply, answer to a permission request. */
  choice?: string;
  /** The message that this one answers, edits, withdraws or reacts to. */
  reply_to?: string;
  /** The first deep-link token in `body`. */
  token?: string;
  /** The ad or post that the person came from (click to WhatsApp). */
  referral?: JsonObject;
  forwarded?: boolean;
}

/** Reads the content of a message or echo. */
export function contentOf(message: JsonObject): Content {
  const type = text(message.type);
  const part = type === undefined ? undefined : object(message[type]);
  const said = part === undefined ? undefined : wordsOf(type as string, part);
  const context = object(message.context);
  const token = said?.body === undefined ? undefined : tokenIn(said.body);
  return {
    body: said?.body,
    choice: said?.choice,
    reply_to: id(context?.id) ?? id(part?.original_message_id) ?? id(part?.message_id),
    token,
    referral: object(message.referral),
    forwarded: context?.forwarded === true || context?.frequently_forwarded === true ? true : undefined,
  };
}

/** Reads the member of a message that is named like its type. */
type Reader = (part: JsonObject) => Pick<Content, "body" | "choice">;

const NOTHING: Reader = () => ({});
/** For images, videos, documents, and future media types. */
const CAPTION: Reader = (part) => ({ body: text(part.caption) });

const READERS: Readonly<Record<InboundType, Reader>> = {
  text: (part) => ({ body: text(part.body) }),
  image: CAPTION,
  video: CAPTION,
  audio: CAPTION,
  document: CAPTION,
  sticker: CAPTION,
  location: CAPTION,
  contacts: CAPTION,
  interactive,
  // A quick reply of a template.
  button: (part) => ({ body: text(part.text), choice: text(part.payload) }),
  // No emoji, or an empty one, takes the reaction back.
  reaction: (part) => ({ body: text(part.emoji) }),
  order: (part) => ({ body: text(part.text) }),
  call: CAPTION,
  edit: edited,
  revoke: CAPTION,
  request_welcome: CAPTION,
  // WhatsApp's words, not the person's.
  system: NOTHING,
  unsupported: CAPTION,
};

function wordsOf(type: string, part: JsonObject): Pick<Content, "body" | "choice"> {
  return (Object.hasOwn(READERS, type) ? READERS[type as InboundType] : CAPTION)(part);
}

/** The current text of an edited message. */
function edited(part: JsonObject): Pick<Content, "body" | "choice"> {
  const message = object(part.message);
  const type = text(message?.type);
  const inner = type === undefined || type === "edit" ? undefined : object(message?.[type]);
  return inner === undefined ? {} : wordsOf(type as string, inner);
}

/**
 * The token with which a Flow was sent, by which routes tell one Flow from another: Meta's own name of it is always
 * "flow". Undefined if whoever sent it gave none.
 */
function flowToken(flow: JsonObject): string | undefined {
  return parseFlow(text(flow.response_json))?.token;
}

function interactive(part: JsonObject): Pick<Content, "body" | "choice"> {
  for (const reply of [part.button_reply, part.list_reply]) {
    if (isObject(reply)) return { body: text(reply.title), choice: text(reply.id) };
  }
  const flow = object(part.nfm_reply);
  if (flow !== undefined) return { body: text(flow.body), choice: flowToken(flow) ?? text(flow.name) };
  return { choice: text(object(part.call_permission_reply)?.response) };
}
