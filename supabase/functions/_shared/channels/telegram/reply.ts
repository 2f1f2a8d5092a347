/**
 * Answers from a chat: which messages are answers and what they hold, and the note below one that says what becomes of
 * it. Pure.
 *
 * Source: https://core.telegram.org/bots/api, "Message": in a forum each message of a topic has the topic's creation as
 * `reply_to_message`, and that is no answer.
 *
 * @module
 */
import { isObject, type JsonObject, list, text as textOf } from "../../json/json.ts";
import type { Button } from "./card.ts";
import { line, shortened } from "./text.ts";

/** What of a message can go on. */
export interface Repliable {
  readonly text?: string;
  /** Parts of one album have it in common. */
  readonly media_group?: string;
  readonly file?: {
    readonly file_id: string;
    readonly name: string;
    readonly type: string;
    /** Bytes; 0 where Telegram does not say. */
    readonly size: number;
  };
}

/** The message of a bot that a message answers; undefined for none. */
export function replyTo(message: JsonObject): number | undefined {
  const to = message.reply_to_message;
  if (!isObject(to) || isObject(to.forum_topic_created) || !isObject(to.from) || to.from.is_bot !== true) {
    return undefined;
  }
  // A command is for a bot, and for nobody else.
  const [first] = (list(message.entities) ?? []).filter(isObject);
  if (first?.type === "bot_command" && first.offset === 0) return undefined;
  return Number.isSafeInteger(to.message_id) ? to.message_id as number : undefined;
}

/** Members that are one file, with the name and type of a file that has none. */
const FILES: readonly (readonly [member: string, name: string, type: string])[] = [
  // Before `animation`, beside which Telegram repeats it.
  ["document", "file", "application/octet-stream"],
  ["animation", "animation.mp4", "video/mp4"],
  ["audio", "audio.mp3", "audio/mpeg"],
  ["video", "video.mp4", "video/mp4"],
  ["video_note", "video.mp4", "video/mp4"],
  ["voice", "voice.ogg", "audio/ogg"],
  ["sticker", "sticker.webp", "image/webp"],
];
const MEDIA_TYPE = /^[\w.+-]{1,60}\/[\w.+-]{1,60}$/;
const TEXT_UNITS = 4096;

/** What a message holds that can go on: its text or caption, and its file. */
export function repliableIn(message: JsonObject): Repliable {
  const text = (textOf(message.text) ?? textOf(message.caption) ?? "").toWellFormed().replaceAll("\0", "");
  const group = textOf(message.media_group_id);
  const file = fileIn(message);
  return {
    ...(text === "" ? {} : { text: text.slice(0, TEXT_UNITS) }),
    ...(group === undefined ? {} : { media_group: group.slice(0, 64) }),
    ...(file === undefined ? {} : { file }),
  };
}

function fileIn(message: JsonObject): Repliable["file"] {
  // Sizes of one photo, the largest last.
  const photo = (list(message.photo) ?? []).filter(isObject).at(-1);
  if (photo !== undefined) return fileOf(photo, "photo.jpg", "image/jpeg");
  for (const [member, name, type] of FILES) {
    const found = message[member];
    if (isObject(found)) return fileOf(found, name, type);
  }
  return undefined;
}

function fileOf(found: JsonObject, name: string, type: string): Repliable["file"] {
  const id = textOf(found.file_id);
  if (id === undefined || id.length > 300) return undefined;
  const given = line(textOf(found.file_name) ?? "").replace(/[\\/]/g, "_").slice(0, 200).toWellFormed();
  const said = textOf(found.mime_type) ?? "";
  const size = found.file_size;
  return {
    file_id: id,
    name: given === "" ? name : given,
    type: MEDIA_TYPE.test(said) ? said : type,
    size: Number.isSafeInteger(size) && size as number > 0 ? size as number : 0,
  };
}

/** A press of a note's button; undefined for any other. */
export function answerPressOf(
  data: unknown,
): { action: "unsend" | "sendnow"; token: string; version: number } | undefined {
  const found = typeof data === "string" ? /^(unsend|sendnow):([a-z2-7]{16}):(\d{1,9})$/.exec(data) : null;
  return found === null
    ? undefined
    : { action: found[1] as "unsend" | "sendnow", token: found[2], version: Number(found[3]) };
}

/** What a note shows. */
export interface ReplyStatus {
  readonly token: string;
  readonly version: number;
  readonly state: "asked" | "waiting" | "leaving" | "left" | "undone" | "refused";
  readonly channel: string;
  readonly to: string;
  readonly from: string;
  /** Why its author is asked first. */
  readonly asks: string | null;
  /** Why it was refused, in words. */
  readonly refused: string | null;
  /** Nobody confirmed it. */
  readonly expired: boolean;
  readonly files: number;
  /** Of the message that it became. */
  readonly status: string | null;
  readonly error: string | null;
  /** Who undid or confirmed it. */
  readonly by: string | null;
}

/** The note below an answer: its text, and its buttons. */
export function noteOf(reply: ReplyStatus): { text: string; buttons: Button[][] } {
  const { token, version, state } = reply;
  const button = (text: string, action: string): Button => ({
    text,
    callback_data: `${action}:${token}:${version}`,
  });
  switch (state) {
    case "asked":
      return {
        text: "⚠️ A machine or a list wrote this mail. Nothing was sent yet.",
        buttons: [[button("Send anyway", "sendnow"), button("Drop it", "unsend")]],
      };
    case "waiting":
      return {
        text: `✉️ Leaves in 10 s ${way(reply)}${filesOf(reply.files)}`,
        buttons: [[button("Undo", "unsend")]],
      };
    case "leaving":
      return { text: `✉️ Leaving ${way(reply)}`, buttons: [] };
    case "left":
      return { text: fate(reply), buttons: [] };
    case "undone":
      return {
        text: reply.expired
          ? "↩️ Not sent: nobody confirmed it within 10 minutes."
          : `↩️ Not sent: undone${reply.by === null ? "" : ` by ${shortened(line(reply.by), 60)}`}.`,
        buttons: [],
      };
    case "refused":
      return { text: `🚫 Not sent. ${reply.refused ?? ""}`.trimEnd(), buttons: [] };
  }
}

function way({ channel, to, from }: ReplyStatus): string {
  if (channel !== "email") return "to the person";
  return `to ${shortened(line(to), 120)} from ${shortened(line(from), 120)}`;
}

function filesOf(files: number): string {
  return files === 0 ? "" : `, with ${files === 1 ? "1 file" : `${files} files`}`;
}

function fate(reply: ReplyStatus): string {
  switch (reply.status) {
    case "delivered":
    case "read":
    case "played":
      return `✅ Delivered ${way(reply)}`;
    case "failed":
      return `❌ Not delivered ${way(reply)}${
        reply.error === null ? "" : `: ${shortened(line(reply.error), 120)}`
      }`;
    case "unknown":
      return `❓ Nobody knows yet whether it went ${way(reply)}`;
    case "accepted":
    case "sent":
      return `✅ Sent ${way(reply)}`;
    default:
      return `✉️ On its way ${way(reply)}`;
  }
}
