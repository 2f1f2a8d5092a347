/**
 * Whether a mail comes from whom its From header names: SPF or DKIM passed for a domain that is aligned with it, relaxed,
 * by organisational domain (RFC 7489 3.1). The provider checks, and gives no verdict of DMARC, so the alignment is ours.
 *
 * Headers such as Authentication-Results are the sender's word and are never looked at.
 *
 * Failure policy: closed. Whatever is missing or odd, the mail is not verified; it is kept, and waits for a person.
 *
 * @module
 */
import { getDomain } from "tldts";
import { domainOf } from "./header_values.ts";
import type { Mail, Post, Verification } from "./types.ts";

/** The organisational domain; of the public suffix list, private entries count as in RFC 7489 3.2. */
export function organisation(domain: string): string {
  return getDomain(domain, { allowPrivateDomains: true }) ?? domain;
}

/** Whether two domains belong to one organisation. */
export function aligned(a: string, b: string): boolean {
  return a !== "" && b !== "" && (a === b || organisation(a) === organisation(b));
}

/** Judges the author of a mail by what the provider found. */
export function verify(
  mail: Pick<Mail, "from">,
  post: Pick<Post, "envelope" | "spf" | "dkim">,
): Verification {
  const no = (reason: Verification["reason"]) => ({ verified: false, by: null, domain: null, reason });
  if (mail.from.address === "") return no("no_from");
  // What DMARC says of several authors is undefined (RFC 7489 6.6.1), and programs differ in whom they show.
  if (mail.from.count !== 1) return no("several_from");
  const author = domainOf(mail.from.address);
  const passed: { by: "spf" | "dkim"; domain: string }[] = Object.entries(post.dkim)
    .filter(([, verdict]) => verdict === "pass").map(([domain]) => ({ by: "dkim", domain }));
  // SPF speaks of the envelope's sender. The null sender of a bounce names nobody.
  if (post.spf === "pass" && post.envelope.from !== null && post.envelope.from !== "") {
    passed.push({ by: "spf", domain: domainOf(post.envelope.from) });
  }
  const proof = passed.find(({ domain }) => aligned(domain, author));
  if (proof !== undefined) return { verified: true, ...proof, reason: "aligned" };
  return no(passed.length > 0 ? "not_aligned" : "not_passed");
}
