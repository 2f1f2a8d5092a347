/**
 * The file of a message.
 *
 * Source: Meta, "messages webhook reference", image, video, audio, document and sticker.
 *
 * @module
 */
import { id, type JsonObject, object, text } from "../../../json/json.ts";
import type { MessageMedia } from "../../channel.ts";

/** Types of messages that have a file. */
export const MEDIA_TYPES = ["image", "video", "audio", "document", "sticker"] as const;

/** The file that a message describes by an id; undefined if it has none, or a link that others serve. */
export function mediaOf(type: string, native: unknown): MessageMedia | undefined {
  if (!(MEDIA_TYPES as readonly string[]).includes(type)) return undefined;
  return mediaIn(object(object(native)?.[type]));
}

/** See {@linkcode mediaOf}. @param part The message's member of the name of its type. */
export function mediaIn(part: JsonObject | undefined): MessageMedia | undefined {
  const mediaId = id(part?.id);
  if (part === undefined || mediaId === undefined) return undefined;
  const size = part.file_size;
  return {
    id: mediaId,
    mimeType: text(part.mime_type) ?? null,
    sha256: text(part.sha256) ?? null,
    size: typeof size === "number" && Number.isSafeInteger(size) && size >= 0 ? size : null,
    name: text(part.filename) ?? null,
  };
}
