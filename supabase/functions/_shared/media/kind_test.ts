import { assertEquals } from "../../../../tests/support/assert.ts";
import { checkedType, withHead } from "./kind.ts";

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const PNG = bytes("\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
const JPEG = bytes("\xff\xd8\xff\xe0\0\x10JFIF\0");
const PAGE = bytes("<!doctype html><");

Deno.test("checkedType(): a picture has the type that it is", () => {
  assertEquals(checkedType("image/png", PNG), "image/png");
  assertEquals(checkedType("image/jpeg", PNG), "image/png");
  assertEquals(checkedType("application/pdf", JPEG), "image/jpeg");
  assertEquals(checkedType(null, bytes("GIF89a\x01\0\x01\0\0\0\0\0\0\0")), "image/gif");
  assertEquals(checkedType("image/webp", bytes("RIFF\x10\0\0\0WEBPVP8 ")), "image/webp");
});

Deno.test("checkedType(): what is called a picture, sound or film and is none is only bytes", () => {
  for (const claimed of ["image/jpeg", "image/png", "audio/mpeg", "video/mp4", "text", "", null]) {
    assertEquals(checkedType(claimed, PAGE), "application/octet-stream", String(claimed));
  }
});

Deno.test("checkedType(): sound, film and documents keep their name", () => {
  for (
    const [claimed, head] of [
      ["video/mp4", "\0\0\0\x18ftypmp42\0\0\0\0"],
      ["audio/3gpp", "\0\0\0\x18ftyp3gp5\0\0\0\0"],
      ["audio/amr", "#!AMR\n\x3c\x91\x17\x16\xbe\x66\0\0\0\0"],
      ["audio/ogg", "OggS\0\x02\0\0\0\0\0\0\0\0\0\0"],
      ["audio/mpeg", "ID3\x04\0\0\0\0\0\0\0\0\0\0\0\0"],
      ["audio/mpeg", "\xff\xfb\x90\0\0\0\0\0\0\0\0\0\0\0\0\0"],
      ["audio/wav", "RIFF\x24\0\0\0WAVEfmt "],
      ["text/x-vcard", "BEGIN:VCARD\r\nVER"],
      ["application/pdf", "%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1"],
      ["image/heic", "\0\0\0\x18ftypheic\0\0\0\0"],
    ]
  ) assertEquals(checkedType(claimed, bytes(head)), claimed);
  assertEquals(checkedType("Text/VCard; charset=utf-8", bytes("BEGIN:VCARD")), "text/vcard");
});

Deno.test("withHead(): passes everything on, and gives the first bytes of a stream of small chunks", async () => {
  const chunks = ["\x89PN", "G\r\n\x1a\n", "\0\0\0\rIHDR and the rest"].map(bytes);
  const { body, head } = withHead(ReadableStream.from(chunks));
  assertEquals((await new Response(body).bytes()).length, 3 + 5 + 21);
  assertEquals(checkedType(null, head()), "image/png");
  const short = withHead(ReadableStream.from([bytes("ab")]));
  await new Response(short.body).bytes();
  assertEquals(short.head(), bytes("ab"));
});
