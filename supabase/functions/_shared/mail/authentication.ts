/**
 * What the server of a mailbox found of a mail's author, from the Authentication-Results that it wrote itself (RFC 8601).
 *
 * Only of mails that were read from a mailbox: there the topmost such header is the receiving server's, which removes those
 * that claim to be its own (RFC 8601 5). Gmail names itself `mx.google.com`; Exchange Online names nobody, and is always the
 * last to write one. In any other mail the header is the sender's word.
 *
 * Failure policy: closed. What cannot be read is no verdict.
 *
 * @module
 */
import { normalAddress } from "./header_values.ts";
import type { Mail, Post } from "./types.ts";

const GOOGLE = "mx.google.com";
const MOST = 4000;

/** What stands for the provider's own statement of a mail in a mailbox at Google or Microsoft. */
export function postOfMailbox(
  mail: Pick<Mail, "headers">,
  provider: "google" | "microsoft",
  recipient: string,
): Post {
  const parts = partsOf(mail, provider);
  const spf = parts.find(({ method }) => method === "spf");
  const dkim: Record<string, string> = {};
  for (const { method, verdict, properties } of parts) {
    if (method !== "dkim") continue;
    const signer = properties.get("header.d") ?? properties.get("header.i") ?? "";
    const domain = signer.slice(signer.lastIndexOf("@") + 1);
    if (domain !== "" && dkim[domain] !== "pass") dkim[domain] = verdict;
  }
  const stated = spf?.properties.get("smtp.mailfrom");
  const from = stated === undefined || stated === ""
    ? returnPath(mail)
    : normalAddress(stated.includes("@") ? stated : `postmaster@${stated}`) ?? null;
  return {
    provider,
    envelope: { to: [recipient], from },
    // Without the address that was asked about, a pass says nothing.
    spf: spf === undefined || stated === undefined ? "none" : spf.verdict,
    dkim,
    senderIp: null,
  };
}

/** The null sender of a bounce is a statement. */
function returnPath({ headers }: Pick<Mail, "headers">): string | null {
  const [path] = headers.get("return-path") ?? [];
  if (path === undefined) return null;
  return path.trim() === "<>" ? "" : normalAddress(path) ?? null;
}

interface Found {
  readonly method: string;
  readonly verdict: string;
  readonly properties: ReadonlyMap<string, string>;
}

function partsOf({ headers }: Pick<Mail, "headers">, provider: "google" | "microsoft"): Found[] {
  const [first] = headers.get("authentication-results") ?? [];
  if (first === undefined) return [];
  const parts = withoutComments(first.slice(0, MOST).toLowerCase()).split(";").map((part) => part.trim());
  if (provider === "google" && parts.shift() !== GOOGLE) return [];
  return parts.flatMap((part) => {
    const words = part.split(/\s+/).map((word) => {
      const at = word.indexOf("=");
      return at < 1 ? undefined : [word.slice(0, at), word.slice(at + 1).replace(/^"|"$/g, "")] as const;
    }).filter((pair) => pair !== undefined);
    const [result, ...rest] = words;
    return result === undefined ? [] : [{ method: result[0], verdict: result[1], properties: new Map(rest) }];
  });
}

/** Comments may hold anything, such as "(sender IP is …; dkim=pass)". */
function withoutComments(text: string): string {
  let kept = "", depth = 0;
  for (const character of text) {
    if (character === "(") depth++;
    else if (character === ")" && depth > 0) depth--;
    else if (depth === 0) kept += character;
  }
  return kept;
}
