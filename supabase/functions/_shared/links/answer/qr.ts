/**
 * QR codes of links, as SVG and PNG.
 *
 * @module
 */
import { encode } from "uqr";
import type { Bytes } from "../../http/body.ts";

/** Options for drawing a code. */
export interface QrOptions {
  /** Share of the code that may be damaged: L 7 %, M 15 %, Q 25 %, H 30 %. @default {"M"} */
  level?: "L" | "M" | "Q" | "H";
  /** Colour of the modules, "#rrggbb". @default {"#000000"} */
  dark?: string;
  /** Colour of the background. @default {"#ffffff"} */
  light?: string;
  /** Width of the quiet zone in modules; the standard requires 4. @default {4} */
  margin?: number;
}

/** A QR code as SVG; scales to any size. */
export function qrSvg(text: string, options: QrOptions = {}): string {
  const { rows, size } = matrix(text, options);
  const { dark = "#000000", light = "#ffffff" } = options;
  // Draws each run of dark modules as one rectangle: a fifth of the size of one square per module.
  const path = rows.flatMap((row, y) => runs(row).map(([x, length]) => `M${x} ${y}h${length}v1h-${length}z`))
    .join("");
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">` +
    `<rect width="${size}" height="${size}" fill="${light}"/><path fill="${dark}" d="${path}"/></svg>`;
}

/**
 * A QR code as PNG (RFC 2083): two colours, one bit per pixel.
 *
 * @param wide Maximum width in pixels, but at least one pixel per module: each module is a whole number of pixels wide.
 */
export async function qrPng(text: string, wide: number, options: QrOptions = {}): Promise<Bytes> {
  const { rows, size } = matrix(text, options);
  const { dark = "#000000", light = "#ffffff" } = options;
  const scale = Math.max(1, Math.floor(wide / size));
  const width = size * scale, stride = Math.ceil(width / 8) + 1;
  const pixels = new Uint8Array(stride * width); // each line begins with its filter: 0, none
  rows.forEach((row, y) => {
    const line = pixels.subarray(y * scale * stride, (y * scale + 1) * stride);
    for (let x = 0; x < width; x++) {
      if (row[Math.floor(x / scale)]) line[1 + (x >> 3)] |= 0x80 >> (x & 7);
    }
    for (let copy = 1; copy < scale; copy++) pixels.set(line, (y * scale + copy) * stride);
  });
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, width);
  header.set([1, 3, 0, 0, 0], 8); // 1 bit, palette, deflate, standard filters, not interlaced
  return join([
    new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("PLTE", new Uint8Array([...rgb(light), ...rgb(dark)])),
    chunk("IDAT", await deflate(pixels)),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** The modules, true for dark, including the margin. */
function matrix(text: string, { level = "M", margin = 4 }: QrOptions): { rows: boolean[][]; size: number } {
  const { data, size } = encode(text, { ecc: level, border: margin });
  return { rows: data, size };
}

/** Start and length of each run of true. */
function runs(row: readonly boolean[]): [number, number][] {
  const found: [number, number][] = [];
  row.forEach((dark, x) => {
    if (!dark) return;
    if (x > 0 && row[x - 1]) found[found.length - 1][1]++;
    else found.push([x, 1]);
  });
  return found;
}

function rgb(colour: string): number[] {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

async function deflate(bytes: Bytes): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
  return bytes;
}

/** CRC-32 as PNG requires it. For at most a few kilobytes, bit by bit is fast enough. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

function join(parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
