/**
 * Whose mailbox it is: the account's address, its aliases and its name.
 *
 * Sources: Gmail API, "users.getProfile" and "users.settings.sendAs.list"; Microsoft Graph, "Get a user"
 * (`proxyAddresses`: SMTP: is the primary one, smtp: an alias), and "Migrate away from using email claims for user
 * identification": whoever administers any organisation there writes what he likes into `mail`, while the domain of a
 * `userPrincipalName` is one that the organisation has proved to be its own.
 *
 * @module
 */
import { callMailbox, jsonOf, type MailboxWorld } from "../_shared/channels/email/mailboxes/call.ts";
import { isObject, type JsonObject } from "../_shared/json/json.ts";
import { normalAddress } from "../_shared/mail/header_values.ts";
import type { MailboxProvider } from "../_shared/mailboxes/oauth.ts";

/** Paths that answer whose mailbox it is. */
export const PROFILES: Readonly<Record<MailboxProvider, string>> = {
  google: "/gmail/v1/users/me/profile",
  microsoft: "/me?$select=mail,userPrincipalName,displayName,proxyAddresses",
};

/** An account. */
export interface Account {
  /** Lower-cased; the account's own first, then its aliases. */
  readonly addresses: readonly string[];
  /** Those of which the provider knows that they are the account's. */
  readonly proved: readonly string[];
  readonly name: string | null;
}

/** Most aliases that are taken. */
const MOST = 50;

/**
 * The account that a token is for; undefined if the provider does not say. Never throws.
 *
 * @param ourOwn Whether it belongs to the one organisation that may connect, whose admins' word counts.
 */
export async function accountOf(
  provider: MailboxProvider,
  url: string,
  world: MailboxWorld,
  ourOwn: boolean,
): Promise<Account | undefined> {
  // The token in hand decides whose mailbox it is.
  const mailbox = { url, identity: "" };
  const ask = async (path: string): Promise<JsonObject | undefined> => {
    const called = await callMailbox(mailbox, { path }, world);
    return "answer" in called ? jsonOf(called.answer.bytes) : undefined;
  };
  const profile = await ask(PROFILES[provider]);
  if (profile === undefined) return undefined;
  return provider === "google"
    ? ofGoogle(profile, await ask("/gmail/v1/users/me/settings/sendAs"))
    : ofMicrosoft(profile, ourOwn);
}

function ofGoogle(profile: JsonObject, sendAs: JsonObject | undefined): Account | undefined {
  const own = addressIn(profile.emailAddress);
  if (own === undefined) return undefined;
  const listed = (Array.isArray(sendAs?.sendAs) ? sendAs.sendAs : []).filter(isObject);
  // An alias counts once Google has verified it; the account's own needs no verification.
  const aliases = listed.filter(({ verificationStatus }) => verificationStatus === "accepted")
    .flatMap(({ sendAsEmail }) => addressIn(sendAsEmail) ?? []);
  const primary = listed.find(({ sendAsEmail }) => addressIn(sendAsEmail) === own);
  const addresses = distinct([own, ...aliases]);
  return {
    addresses,
    proved: addresses,
    name: typeof primary?.displayName === "string" && primary.displayName !== "" ? primary.displayName : null,
  };
}

function ofMicrosoft(
  { mail, userPrincipalName, displayName, proxyAddresses }: JsonObject,
  ourOwn: boolean,
): Account | undefined {
  const principal = addressIn(userPrincipalName);
  const own = addressIn(mail) ?? principal;
  if (own === undefined) return undefined;
  const aliases = (Array.isArray(proxyAddresses) ? proxyAddresses : []).flatMap((each) =>
    typeof each === "string" && /^smtp:/i.test(each) ? addressIn(each.slice(5)) ?? [] : []
  );
  const addresses = distinct([own, ...aliases]);
  // A guest's (#EXT#) is made of an address somewhere else.
  const isProved = (address: string) => ourOwn || address === principal && !address.includes("#ext#");
  return {
    addresses,
    proved: addresses.filter(isProved),
    name: typeof displayName === "string" && displayName !== "" ? displayName : null,
  };
}

function addressIn(value: unknown): string | undefined {
  return typeof value === "string" ? normalAddress(value) : undefined;
}

function distinct(addresses: readonly string[]): string[] {
  return [...new Set(addresses)].slice(0, MOST);
}
