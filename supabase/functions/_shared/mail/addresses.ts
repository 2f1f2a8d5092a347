/**
 * Addresses of ours that lead to a message: the reply address with a token, the long form of the former system, and our
 * Message-IDs.
 *
 * @module
 */
import { domainOf, normalAddress } from "./header_values.ts";
import { isReplyToken } from "./reply_token.ts";

/** A message of the former system, as its addresses name it. */
export interface LegacyIds {
  readonly message: string;
  readonly user: string;
  readonly campaign: string | null;
}

/** The message's id is whole also where a server cut the local part at 64 characters (RFC 5321 4.5.3.1.1). */
const LEGACY = /^msg_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:\.|$)/;
const OUR_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@/;

/** `TOKEN@reply.example.com`: short enough for every server, without `+`, which some forms refuse. */
export function replyAddress(token: string, domain: string): string {
  return `${token}@${domain}`;
}

/** The address that the former system put into Reply-To: `msg_….u_….c_…@`. */
export function legacyAddress({ message, user, campaign }: LegacyIds, domain: string): string {
  return `msg_${message}.u_${user}.c_${campaign ?? "none"}@${domain}`;
}

/** Our Message-ID of a message, with angle brackets: its id stands in it, so replies thread even without a token. */
export function messageIdOf(id: string, domain: string): string {
  return `<${id}@${domain}>`;
}

/** The id of the message in one of our Message-IDs; undefined for anybody else's. */
export function ownMessageId(messageId: string, domain: string): string | undefined {
  const id = messageId.toLowerCase();
  return domainOf(id) === domain ? OUR_ID.exec(id)?.[1] : undefined;
}

/** Local parts of addresses on our domain, in their order, each once. Former systems put `reply+` before, some twice. */
function localParts(addresses: readonly string[], domain: string): string[] {
  const parts = addresses.flatMap((address) => {
    const normal = normalAddress(address);
    return normal === undefined || domainOf(normal) !== domain
      ? []
      : [normal.slice(0, normal.lastIndexOf("@"))];
  });
  return [...new Set(parts)].map((part) => part.replace(/^(?:reply\+)+/, ""));
}

/** The tokens that addresses name, in their order. */
export function tokensOf(addresses: readonly string[], domain: string): string[] {
  return [...new Set(localParts(addresses, domain).filter(isReplyToken))];
}

/** The messages of the former system that addresses name, in their order. */
export function legacyOf(addresses: readonly string[], domain: string): string[] {
  return [...new Set(localParts(addresses, domain).flatMap((part) => LEGACY.exec(part)?.[1] ?? []))];
}

/** Whether an address is on a domain, whatever its local part. */
export function isOn(address: string, domain: string): boolean {
  return domainOf(address) === domain;
}
