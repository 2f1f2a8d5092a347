/**
 * A phone that opens a link, for example after scanning its QR code: it visits the link and acts on the
 * result.
 */

import { LINK_CODE } from "../../supabase/functions/_shared/contract/names.ts";

/** The result. */
export type Scanned =
  /** WhatsApp opens the chat with the business, with this text ready to send. */
  | { opens: "chat"; text: string }
  /** Something else opens: a page, an app, a store, a chat with somebody else. */
  | { opens: "elsewhere"; location: string }
  /** The link answers with its own page, such as a password form. */
  | { opens: "page"; location: string };

/** Where links are below an origin: on a link domain, and at the function. */
const PLACES = ["/l/", "/functions/v1/deeplinks/"];
const PHONE =
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36";

/**
 * Opens a link of this stack.
 *
 * @param link A code, or the URL of a link; its query is kept. No other URL is ever visited.
 * @param origin The stack's own, where its links are.
 * @param business Digits of the number whose chat is simulated.
 * @throws RangeError with a sentence for the person, if it is not a link or cannot be used.
 */
export async function scan(
  link: string,
  origin: string,
  business: string,
  request: typeof fetch = globalThis.fetch,
): Promise<Scanned> {
  const address = addressOf(link.trim(), origin);
  const response = await request(address, { headers: { "user-agent": PHONE }, redirect: "manual" });
  const body = await response.text();
  const location = response.headers.get("location");
  if (location === null) {
    const type = response.headers.get("content-type") ?? "";
    if (type.startsWith("text/html")) return { opens: "page", location: address };
    throw new RangeError(titleOf(body) ?? `The link answered ${response.status}.`);
  }
  const chat = new URL(location);
  return chat.origin === "https://wa.me" && chat.pathname === `/${business}`
    ? { opens: "chat", text: chat.searchParams.get("text") ?? "" }
    : { opens: "elsewhere", location };
}

function addressOf(link: string, origin: string): string {
  if (isCode(link)) return `${origin}/l/${link}`;
  if (URL.canParse(link)) {
    const { host, hostname, pathname, search } = new URL(link), here = new URL(origin);
    const isHere = host === here.host || (hostname === "localhost" && host === `localhost:${here.port}`);
    // One part: what follows a code (its figures, its QR code) is not for phones.
    if (
      isHere && PLACES.some((place) => pathname.startsWith(place) && isCode(pathname.slice(place.length)))
    ) {
      return origin + pathname + search;
    }
  }
  throw new RangeError(`This is not a link of this stack. Enter a code, or an address like ${origin}/l/demo`);
}

/** Codes may be typed in any case. */
const isCode = (text: string) => LINK_CODE.test(text.toLowerCase());

/** The title of a problem. */
function titleOf(body: string): string | undefined {
  try {
    const { title } = JSON.parse(body) as { title?: unknown };
    return typeof title === "string" ? title : undefined;
  } catch {
    return undefined;
  }
}
