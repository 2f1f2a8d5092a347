/**
 * What people would call an attachment, and a name for it that is safe to show and to save.
 *
 * @module
 */
import { cleanLine, firstOf } from "./charset.ts";
import { first, words } from "./header.ts";
import type { Part } from "./parts.ts";
import { encodingOf, sizeOf } from "./transfer.ts";
import type { Attachment } from "./types.ts";

const MOST_NAME = 200;

/** Marks that change the direction of text, or that nobody sees: U+202E shows `exe.fdp` as `pdf.exe`. */
const INVISIBLE =
  /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]/g;

/**
 * A file's name without folders, control and direction characters; null if nothing is left.
 *
 * @param stated As the mail states it: with encoded words too, which RFC 2047 does not allow there and Outlook writes.
 */
export function safeName(stated: string): string | null {
  const decoded = cleanLine(words(stated)).replace(INVISIBLE, "");
  const last = decoded.split(/[\\/]/).at(-1) ?? "";
  const name = last.replace(/[<>:"|?*]/g, "_").trim();
  if (name === "" || /^\.+$/.test(name)) return null;
  if (name.length <= MOST_NAME) return name;
  // The extension says how to open it.
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 && name.length - dot <= 12 ? name.slice(dot) : "";
  return firstOf(name, MOST_NAME - extension.length) + extension;
}

/**
 * Whether a leaf is one. Parts of a report are the report; a container that was not opened is none.
 *
 * @param inReport Whether it stands in a multipart/report.
 */
export function isAttachment(part: Part, inReport: boolean): boolean {
  const { value } = part.type;
  if (value.startsWith("multipart/") || value === "text/x-amp-html") return false;
  if (inReport) return !/^(message|text)\//.test(value);
  if (part.parent !== undefined) return true;
  // A mail that is nothing but a file, from a scanner for example.
  return value !== "text/calendar" || part.disposition.value === "attachment";
}

export function attachmentOf(bytes: Uint8Array, part: Part, index: number): Attachment {
  const encoding = encodingOf(first(part.fields, "content-transfer-encoding"));
  const stated = part.disposition.params.get("filename") ?? part.type.params.get("name") ?? "";
  const cid = /^\s*<?([^<>\s]{1,500})>?\s*$/.exec(first(part.fields, "content-id"))?.[1] ?? null;
  return {
    index,
    name: safeName(stated),
    type: part.type.value,
    size: sizeOf(bytes.subarray(part.start, part.end), encoding),
    start: part.start,
    end: part.end,
    encoding,
    cid,
    // Decided by markInline(), when the HTML is known.
    inline: cid !== null && part.disposition.value !== "attachment",
  };
}

/**
 * Marks what the HTML shows in place. Outlook calls inline images attachments, and Apple Mail calls attachments inline: what
 * counts is whether the HTML refers to it.
 */
export function markInline(attachments: readonly Attachment[], html: string | null): Attachment[] {
  if (html === null) return attachments.map((attachment) => ({ ...attachment, inline: false }));
  const referred = new Set<string>();
  for (const [, cid] of html.matchAll(/\bcid:([^\s"'<>)]{1,500})/gi)) referred.add(cid.toLowerCase());
  return attachments.map((attachment) => {
    const { cid } = attachment;
    if (cid === null) return { ...attachment, inline: false };
    const known = referred.has(cid.toLowerCase()) || referred.has(encodeURIComponent(cid).toLowerCase());
    return { ...attachment, inline: known };
  });
}
