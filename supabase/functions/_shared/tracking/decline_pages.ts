/**
 * The pages behind `/u/{token}`, and what its addresses hold. A GET changes nothing: scanners open every address in a mail
 * (github.com/usesend/useSend/issues/412). A POST does, of mail programs (RFC 8058) and of the page's form.
 *
 * @module
 */
import { Problem } from "../http/problem.ts";

/** Tokens and ids of messages are all that stands in these addresses. @throws {Problem} `not_found` */
export function requireToken(token: string): string {
  const lower = token.toLowerCase();
  if (!/^(?:[a-z2-7]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.test(lower)) {
    throw new Problem("not_found");
  }
  return lower;
}

/** What the form of the page asks for. */
export type Declined = "mails" | "tracking";

/** What a posted body declines. One that says nothing known, as that of a mail program, is about mails. */
export function declinedBy(body: string): Declined {
  return new URLSearchParams(body.slice(0, 1000)).get("decline") === "tracking" ? "tracking" : "mails";
}

const HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
};

const page = (body: string) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Unsubscribe</title><body style="font:1.1rem/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem">
${body}</body></html>`;
const button = (value: Declined, text: string) =>
  `<button name="decline" value="${value}" style="font:inherit;padding:.5rem 1rem;margin:.25rem 0">${text}</button>`;
const ASK = page(
  `<p>Do you want to get no more of these mails?</p>
<form method="post">${button("mails", "Unsubscribe")}</form>
<p>Or go on getting them, without being counted when you open them or follow a link?</p>
<form method="post">${button("tracking", "Do not track me")}</form>`,
);
const DONE: Readonly<Record<Declined, string>> = {
  mails: page("<p>You will get no more of these mails.</p>"),
  tracking: page("<p>Your mails are not tracked any more, and neither are those that you have.</p>"),
};

/** The page with the form. */
export const askPage = (): Response => new Response(ASK, { headers: HEADERS });
/** The page that says that it is done. */
export const donePage = (declined: Declined): Response => new Response(DONE[declined], { headers: HEADERS });
