/** Reading QR codes as a camera does. */
import jsQR from "jsqr";

/** What a picture of a QR code says; null when there is none to be seen. */
export function readQr(pixels: Uint8ClampedArray, width: number, height: number): string | null {
  // The module's own types know it as the function only; Deno gives what CommonJS exports.
  const read = (jsQR as unknown as { default?: typeof jsQR }).default ?? jsQR;
  return (read as unknown as (
    data: Uint8ClampedArray,
    width: number,
    height: number,
  ) => { data: string } | null)(
    pixels,
    width,
    height,
  )?.data ?? null;
}

/** An SVG made of rectangles `M<x> <y>h<length>v1h-<length>z`, as pixels: `scale` a unit, dark on light. */
export function rasterize(svg: string, scale = 4): { pixels: Uint8ClampedArray; size: number } {
  const units = Number(/viewBox="0 0 (\d+) \d+"/.exec(svg)?.[1]);
  const size = units * scale;
  const pixels = new Uint8ClampedArray(size * size * 4).fill(255);
  for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row++) {
      for (let column = Number(x) * scale; column < (Number(x) + Number(length)) * scale; column++) {
        pixels.fill(0, (row * size + column) * 4, (row * size + column) * 4 + 3);
      }
    }
  }
  return { pixels, size };
}
