import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import { inflateSync } from "node:zlib";
import { encode } from "uqr";
import { qrPng, qrSvg } from "./qr.ts";

const URL_TEXT = "https://go.example.com/demo2345";

Deno.test("qrPng(): a PNG whose pixels are the code's modules, in its colours", async () => {
  const { data, size } = encode(URL_TEXT, { ecc: "H", border: 2 });
  // As wide as asked for, less what would be a part of a module.
  const png = await qrPng(URL_TEXT, size * 4 - 1, {
    level: "H",
    dark: "#0b5fff",
    light: "#fffff0",
    margin: 2,
  });
  const view = new DataView(png.buffer);
  assertEquals([...png.slice(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const chunks = new Map<string, Uint8Array>();
  for (let at = 8; at < png.length;) {
    const length = view.getUint32(at), type = new TextDecoder().decode(png.slice(at + 4, at + 8));
    chunks.set(type, png.slice(at + 8, at + 8 + length));
    at += 12 + length;
  }
  assertEquals([...chunks.keys()], ["IHDR", "PLTE", "IDAT", "IEND"]);
  assertEquals(new DataView(chunks.get("IHDR")!.buffer).getUint32(0), size * 3);
  assertEquals([...chunks.get("PLTE")!], [0xff, 0xff, 0xf0, 0x0b, 0x5f, 0xff]);
  const pixels = inflateSync(chunks.get("IDAT")!), stride = Math.ceil(size * 3 / 8) + 1;
  for (let y = 0; y < size * 3; y++) {
    assertEquals(pixels[y * stride], 0);
    for (let x = 0; x < size * 3; x++) {
      const dark = (pixels[y * stride + 1 + (x >> 3)] >> (7 - (x & 7)) & 1) === 1;
      assertEquals(dark, data[Math.floor(y / 3)][Math.floor(x / 3)], `${x},${y}`);
    }
  }
});

Deno.test("qrPng(): checksums equal those of the PNG specification", async () => {
  const png = await qrPng("x", 1);
  // IEND has no data, so its checksum is the same in every PNG.
  assertEquals([...png.slice(-4)], [0xae, 0x42, 0x60, 0x82]);
});

Deno.test("qrSvg(): rectangles for runs of modules cover exactly the code", () => {
  const svg = qrSvg(URL_TEXT, { dark: "#112233" });
  const { data, size } = encode(URL_TEXT, { ecc: "M", border: 4 });
  assert(svg.includes(`viewBox="0 0 ${size} ${size}"`) && svg.includes('fill="#112233"'));
  const drawn = data.map((row) => row.map(() => false));
  for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    for (let i = 0; i < Number(length); i++) drawn[Number(y)][Number(x) + i] = true;
  }
  assertEquals(drawn, data);
});
