/** Bytes as text: by what they say of themselves, else as people say, and never by a guess. */
import { assertEquals, assertMatch, assertThrows } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { CHARSETS, isCharset, textOf, UnknownCharset } from "./charset.ts";
import { UnreadableFile } from "./unreadable.ts";

const TEXT = "code;url;tags\r\nabc;https://www.example.com/;Frühling €\r\n";
const utf8 = (text: string) => new TextEncoder().encode(text);
/** UTF-16, the low byte first or last. */
function utf16(text: string, isLittle: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), isLittle);
  return bytes;
}
const LATIN = Uint8Array.from(TEXT, (character) => character === "€" ? 0x80 : character.charCodeAt(0));

const found: [string, Uint8Array][] = [
  ["UTF-8", utf8(TEXT)],
  ["UTF-8 with a mark", utf8(`\ufeff${TEXT}`)],
  ["UTF-16 with a mark", utf16(`\ufeff${TEXT}`, true)],
  ["UTF-16 with the high byte first and a mark", utf16(`\ufeff${TEXT}`, false)],
  ["UTF-16", utf16(TEXT, true)],
  ["UTF-16 with the high byte first", utf16(TEXT, false)],
];
for (const [name, bytes] of found) {
  Deno.test(`textOf(): detects ${name}, and no other charset overrides a byte order mark`, () => {
    assertEquals(textOf(bytes, "file"), TEXT);
    if (name.includes("mark")) assertEquals(textOf(bytes, "file", "windows-1252"), TEXT);
  });
}

Deno.test("textOf(): asks for the charset of a Windows file, and then reads it", () => {
  const error = assertThrows(() => textOf(LATIN, "file"), UnknownCharset);
  assertMatch(error.message, /^file is not UTF-8.*windows-1252/s);
  assertEquals(textOf(LATIN, "file", "windows-1252"), TEXT);
  // L89.
  const bytes = Uint8Array.from(
    atob("Y29kZTtkZWZhdWx0X3VybDt0YWdzDQppbXAtbGF0O2h0dHBzOi8vd3d3LmV4YW1wbGUuY29tL2E7RnL8aGxpbmcNCg=="),
    (character) => character.charCodeAt(0),
  );
  assertThrows(() => textOf(bytes, "file"), UnknownCharset);
  assertMatch(textOf(bytes, "file", "windows-1252"), /Frühling/);
});

Deno.test("textOf(): refuses a charset that does not fit", () => {
  assertThrows(() => textOf(LATIN, "file", "utf-8"), UnreadableFile);
  assertThrows(() => textOf(Uint8Array.of(0x61, 0x81), "file", "windows-1252"), UnreadableFile);
  assertThrows(() => textOf(Uint8Array.of(0x61, 0x80), "file", "shift_jis"), UnreadableFile);
});

Deno.test("textOf(): distinguishes a workbook from a table", () => {
  const error = assertThrows(() => textOf(Uint8Array.of(0x50, 0x4b, 3, 4, 0), "links.xlsx"), UnreadableFile);
  assertMatch(error.message, /CSV UTF-8/);
});

Deno.test("textOf(): any UTF-8, or UTF-16 with a mark, is read unchanged", () => {
  holds(fc.property(fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed()), (text) => {
    assertEquals(textOf(utf8(`\ufeff${text}`), "file"), text);
    for (const isLittle of [true, false]) {
      assertEquals(textOf(utf16(`\ufeff${text}`, isLittle), "file"), text);
    }
  }));
});

Deno.test("isCharset(): accepts exactly those that people are offered", () => {
  assertEquals([...CHARSETS, "latin1"].filter((label) => !isCharset(label)), []);
  assertEquals(["", "excel", "utf-99"].filter(isCharset), []);
});
