/**
 * QR codes of links.
 *
 * @module
 */
import { Problem } from "../_shared/http/problem.ts";
import { type QrOptions, qrPng, qrSvg } from "../_shared/links/answer/qr.ts";
import { intParam } from "./params.ts";
import type { VisitCall } from "./routes.ts";

/** Dependencies of {@linkcode createQr}. */
export interface QrDeps {
  /** Calls back once the link is found; throws `link_not_found`. */
  withLink(
    call: VisitCall,
    code: string,
    then: () => Response | Promise<Response>,
  ): Response | Promise<Response>;
  urlOf(request: Request, code: string): { url: string };
}

/** QR codes never change, except for colours and a domain that moves. */
const KEPT = { "cache-control": "public, max-age=86400" };

/**
 * Creates the handlers of `GET /{code}/qr.svg` and `GET /{code}/qr.png`, with
 * `?level=&dark=&light=&margin=&size=&src=`.
 */
export function createQr({ withLink, urlOf }: QrDeps) {
  return { qrSvg: answer("svg"), qrPng: answer("png") };

  function answer(form: "svg" | "png") {
    return (call: VisitCall, code: string): Response | Promise<Response> => {
      const query = new URLSearchParams(call.query);
      const options = qrOptions(query);
      const size = intParam(query, "size", 512, 64, 2048);
      return withLink(call, code, async () => {
        const url = urlOf(call.request, code).url + sourceOf(query);
        if (form === "svg") {
          // Keeps the image inert if somebody opens it as a document.
          const headers = {
            "content-type": "image/svg+xml",
            "content-security-policy": "default-src 'none'",
            ...KEPT,
          };
          return new Response(qrSvg(url, options), { headers });
        }
        const bytes = await qrPng(url, size, options);
        return new Response(bytes, { headers: { "content-type": "image/png", ...KEPT } });
      });
    };
  }
}

function qrOptions(query: URLSearchParams): QrOptions {
  const level = query.get("level")?.toUpperCase() ?? "M";
  if (!/^[LMQH]$/.test(level)) {
    throw new Problem("invalid_request", { detail: "`level` must be L, M, Q or H." });
  }
  const dark = colourParam(query, "dark", "000000"), light = colourParam(query, "light", "ffffff");
  if (contrastOf(dark, light) < MIN_CONTRAST) {
    throw new Problem("invalid_request", {
      detail: "`dark` and `light` are too much alike: scanners could not read the code.",
    });
  }
  return {
    level: level as "L" | "M" | "Q" | "H",
    dark,
    light,
    margin: intParam(query, "margin", 4, 0, 16),
  };
}

/** The query appended to the link's address in the code, to distinguish scans from taps. */
function sourceOf(query: URLSearchParams): string {
  const source = query.get("src");
  if (source === null) return "";
  if (/^[A-Za-z0-9_-]{1,50}$/.test(source)) return `?src=${source}`;
  throw new Problem("invalid_request", {
    detail: "`src` must have 1 to 50 letters, digits, hyphens or underscores.",
  });
}

/** Hexadecimal only, since the colour is inserted into the SVG unescaped. */
function colourParam(query: URLSearchParams, name: string, fallback: string): string {
  const text = (query.get(name) ?? fallback).replace(/^#/, "").toLowerCase();
  if (!/^[0-9a-f]{6}$/.test(text)) {
    throw new Problem("invalid_request", { detail: `\`${name}\` must be a colour like 0b5fff.` });
  }
  return `#${text}`;
}

/** Contrast of two colours below which cameras fail to tell the modules apart. */
const MIN_CONTRAST = 2;

/** Contrast of two colours like #0b5fff, from 1 to 21 (WCAG 2.2, "contrast ratio"). */
function contrastOf(one: string, other: string): number {
  const [low, high] = [luminanceOf(one), luminanceOf(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminanceOf(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
