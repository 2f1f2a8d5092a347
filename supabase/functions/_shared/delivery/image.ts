/**
 * Loads an image of a stranger's mail in place of the person who reads it.
 *
 * The address is chosen by whoever wrote the mail, and no allowlist names it. So that nothing on our own network can be
 * reached: `https` on port 443 alone, to a name whose addresses are all public, asked again for each redirect. An answer
 * that changes between the check and the connection (DNS rebinding) leads nowhere either, because what answers on a
 * private network has no certificate for the sender's name.
 *
 * What the sender learns: that the image was loaded, when, and by this project. Nothing of the person: no address,
 * program, language, cookie or page.
 *
 * Failure policy: closed. Whatever is not an image that browsers show without running anything is left out.
 *
 * @module
 */
import { orAborted } from "./abort.ts";
import type { Resolution } from "./addresses.ts";

/** An image, its type by its bytes and not by anybody's word. */
export interface LoadedImage {
  readonly type: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
  readonly bytes: Uint8Array;
}

export interface ImageDeps {
  readonly fetch: typeof fetch;
  readonly resolve: (host: string) => Promise<Resolution>;
}

export interface ImageLimits {
  /** @default {2_000_000} */
  readonly maxBytes?: number;
  /** From the DNS query to the end of the body, in milliseconds. @default {5000} */
  readonly timeoutMs?: number;
  /** Ends it earlier. */
  readonly signal?: AbortSignal;
}

/** Shorteners and networks that distribute files redirect once or twice. */
const MAX_REDIRECTS = 3;
const MAX_URL = 2_000;
/** Says nothing of us, and gets what a browser gets. */
const HEADERS = { "user-agent": "Mozilla/5.0", accept: "image/png,image/jpeg,image/gif,image/webp" };

/** The image at an address; undefined for anything else. Never throws. */
export async function loadImage(
  address: string,
  { fetch, resolve }: ImageDeps,
  { maxBytes = 2_000_000, timeoutMs = 5000, signal: outer }: ImageLimits = {},
): Promise<LoadedImage | undefined> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  const end = () => controller.abort();
  outer?.addEventListener("abort", end, { once: true });
  if (outer?.aborted) end();
  const { signal } = controller;
  try {
    let url = publicUrl(address);
    for (let hops = 0; url !== undefined && hops <= MAX_REDIRECTS; hops++) {
      const resolution = await orAborted(resolve(url.hostname), signal);
      if (!resolution.ok) return undefined;
      const response: Response = await fetch(url, {
        headers: HEADERS,
        redirect: "manual",
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal,
      });
      if (response.status === 200) return imageOf(await bytesOf(response, maxBytes));
      await response.body?.cancel();
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) return undefined;
      url = publicUrl(location, url);
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", end);
  }
}

/** The address as it may be called: `http` becomes `https`, as browsers do with images of secure pages. */
function publicUrl(address: string, base?: URL): URL | undefined {
  if (address.length > MAX_URL || !URL.canParse(address, base)) return undefined;
  const url = new URL(address, base);
  if (url.protocol === "http:" && url.port === "") url.protocol = "https:";
  if (url.protocol !== "https:" || url.port !== "" || url.username !== "" || url.password !== "") {
    return undefined;
  }
  // Names alone are resolved and checked. A parser of URLs makes each way to write an IPv4 address four numbers.
  if (/^[\d.]+$|^\[/.test(url.hostname) || !url.hostname.includes(".")) return undefined;
  url.hash = "";
  return url;
}

/** The body, or nothing of it if it is larger. */
async function bytesOf(response: Response, most: number): Promise<Uint8Array> {
  const nothing = new Uint8Array();
  if (response.body === null || Number(response.headers.get("content-length") ?? 0) > most) {
    await response.body?.cancel();
    return nothing;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.length;
    // Leaving the loop cancels the rest.
    if (length > most) return nothing;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** By the first bytes (WHATWG MIME Sniffing 6.1). SVG is no image here: it can hold scripts and addresses. */
export function imageOf(bytes: Uint8Array): LoadedImage | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  const type = head.startsWith("\x89PNG\r\n\x1a\n")
    ? "image/png"
    : head.startsWith("\xff\xd8\xff")
    ? "image/jpeg"
    : /^GIF8[79]a/.test(head)
    ? "image/gif"
    : /^RIFF[\s\S]{4}WEBP$/.test(head)
    ? "image/webp"
    : undefined;
  return type === undefined ? undefined : { type, bytes };
}
