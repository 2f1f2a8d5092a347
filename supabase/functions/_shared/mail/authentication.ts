/**
 * What the server of a mailbox found of a mail's author, from the Authentication-Results that it wrote itself (RFC 8601).
 *
 * Only of mails that were read from a mailbox, or that Cloudflare's Email Routing received: there the topmost such header is
 * the receiving server's, which removes those that claim to be its own (RFC 8601 5). Gmail names itself `mx.google.com`,
 * Cloudflare `mx.cloudflare.net`; Exchange Online names nobody, and is always the last to write one. In any other mail the
 * header is the sender's word.
 *
 * Failure policy: closed. What cannot be read is no verdict.
 *
 * @module
 */
import { domainOf, normalAddress } from "./header_values.ts";
import type { Mail, Post } from "./types.ts";

/** Who names itself first in its header; Exchange Online names nobody. */
const SERVERS = { google: "mx.google.com", cloudflare: "mx.cloudflare.net" } as const;
const MOST = 4000;
/** A host name (RFC 1123 2.1). */
const HOST = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** What stands for the provider's own statement of a mail in a mailbox at Google or Microsoft. */
export function postOfMailbox(
  mail: Pick<Mail, "headers">,
  provider: "google" | "microsoft",
  recipient: string,
): Post {
  const parts = partsOf(mail, provider);
  const spf = parts.find(({ method }) => method === "spf");
  const stated = spf?.properties.get("smtp.mailfrom");
  const from = stated === undefined || stated === "" ? returnPath(mail) : senderIn(stated);
  return {
    provider,
    envelope: { to: [recipient], from },
    // Without the address that was asked about, a pass says nothing.
    spf: spf === undefined || stated === undefined ? "none" : spf.verdict,
    dkim: dkimIn(parts),
    senderIp: null,
  };
}

/**
 * What stands for the provider's own statement of a mail that came through Cloudflare's Email Routing. A pass of SPF counts
 * only where it is about the sender of the envelope; Cloudflare also states one about the name of the sending server.
 */
export function postOfCloudflare(mail: Pick<Mail, "headers">, envelope: Post["envelope"]): Post {
  const parts = partsOf(mail, "cloudflare");
  const spf = parts.find(({ method, properties }) => method === "spf" && properties.has("smtp.mailfrom"));
  const about = senderIn(spf?.properties.get("smtp.mailfrom") ?? "");
  const isAbout = about !== null && envelope.from !== null && domainOf(about) === domainOf(envelope.from);
  return {
    provider: "cloudflare",
    envelope,
    spf: spf !== undefined && isAbout ? spf.verdict : "none",
    dkim: dkimIn(parts),
    senderIp: null,
  };
}

/** Verdicts by signing domain; the best one of a domain counts. */
function dkimIn(parts: readonly Found[]): Record<string, string> {
  const dkim: Record<string, string> = {};
  for (const { method, verdict, properties } of parts) {
    if (method !== "dkim") continue;
    const signer = properties.get("header.d") ?? properties.get("header.i") ?? "";
    const domain = signer.slice(signer.lastIndexOf("@") + 1);
    if (HOST.test(domain) && dkim[domain] !== "pass") dkim[domain] = verdict;
  }
  return dkim;
}

/** An address, or at Microsoft a domain. */
function senderIn(stated: string): string | null {
  const address = stated.includes("@") ? stated : `postmaster@${stated}`;
  return HOST.test(address.slice(address.lastIndexOf("@") + 1)) ? normalAddress(address) ?? null : null;
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

function partsOf(
  { headers }: Pick<Mail, "headers">,
  provider: "google" | "microsoft" | "cloudflare",
): Found[] {
  const [first] = headers.get("authentication-results") ?? [];
  // Of half a header, the rest might say otherwise.
  if (first === undefined || first.length > MOST) return [];
  const parts = withoutComments(first.toLowerCase())?.split(";").map((part) => part.trim());
  if (parts === undefined || provider !== "microsoft" && parts.shift() !== SERVERS[provider]) return [];
  return parts.flatMap((part) => {
    const words = part.split(/\s+/).map((word) => {
      const at = word.indexOf("=");
      return at < 1 ? undefined : [word.slice(0, at), word.slice(at + 1)] as const;
    }).filter((pair) => pair !== undefined);
    const [result, ...rest] = words;
    return result === undefined ? [] : [{ method: result[0], verdict: result[1], properties: new Map(rest) }];
  });
}

/**
 * Comments may hold anything, such as "(sender IP is …; dkim=pass)".
 *
 * Servers copy what a sender chose, such as the local part of the envelope's sender, into the header. Undefined where that
 * could pass for their own words: with a quoted string, a parenthesis within a word, or one that is not closed.
 */
function withoutComments(text: string): string | undefined {
  if (text.includes('"')) return undefined;
  let kept = "", depth = 0;
  for (const character of text) {
    if (character === "(") {
      if (depth === 0 && !/[\s;]$/.test(kept)) return undefined;
      depth++;
    } else if (character === ")") {
      if (--depth < 0) return undefined;
      // What follows a comment is a word of its own.
      if (depth === 0) kept += " ";
    } else if (depth === 0) kept += character;
  }
  return depth === 0 ? kept : undefined;
}
