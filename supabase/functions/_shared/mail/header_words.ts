/**
 * Text in ASCII, for headers of ours and names of files that some providers do not encode themselves.
 *
 * @module
 */
import { cleanLine, firstOf } from "./charset.ts";
import type { MailAddress } from "./types.ts";

/** Bytes of one encoded word: 75 characters with its marks (RFC 2047 2). */
const MOST_BYTES = 42;

/** Text as encoded words (RFC 2047), if it needs them. Characters are never split over two words. */
export function encodedWords(text: string): string {
  const line = cleanLine(text);
  if (/^[\x20-\x7e]*$/.test(line) && !line.includes("=?")) return line;
  const words: string[] = [];
  let [word, bytes] = ["", 0];
  const encoder = new TextEncoder();
  const flush = () => {
    if (word !== "") words.push(`=?utf-8?B?${btoa(String.fromCharCode(...encoder.encode(word)))}?=`);
    [word, bytes] = ["", 0];
  };
  for (const character of line) {
    const size = encoder.encode(character).length;
    if (bytes + size > MOST_BYTES) flush();
    [word, bytes] = [word + character, bytes + size];
  }
  flush();
  return words.join(" ");
}

/** An address with its name, in ASCII. */
export function encodedAddress({ address, name }: MailAddress): string {
  if (name === "") return address;
  const encoded = encodedWords(name);
  const text = encoded === name ? `"${name.replace(/["\\]/g, "\\$&")}"` : encoded;
  return `${text} <${address}>`;
}

/** Extensions of common types, for files that have no name in ASCII. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  "application/pdf": "pdf",
  "application/zip": "zip",
  "application/msword": "doc",
  "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
  "application/vnd.ms-excel": "xls",
  "image/jpeg": "jpg",
  "image/png": "png",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/heic": "heic",
  "audio/mpeg": "mp3",
  "audio/mp4": "m4a",
  "video/mp4": "mp4",
  "text/plain": "txt",
  "text/html": "html",
  "text/csv": "csv",
  "text/calendar": "ics",
  "message/rfc822": "eml",
};

/** A file's name in ASCII, with an extension: accents off, anything else as `_`. */
export function asciiName(name: string, type: string): string {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^\x20-\x7e]+/g, "_").replace(
    /["\\/:*?<>|]/g,
    "_",
  );
  const dot = plain.lastIndexOf(".");
  const stem = (dot > 0 ? plain.slice(0, dot) : plain).split(/[\s._]/).filter((word) => word !== "").join(
    "_",
  );
  const extension = dot > 0 ? plain.slice(dot + 1).replace(/[^a-z0-9]/gi, "").slice(0, 10) : "";
  return `${firstOf(stem, 100) || "file"}.${extension || (EXTENSIONS[type] ?? "bin")}`;
}
