/**
 * Connecting mailboxes over HTTP, and the event about one whose access ended.
 *
 * @module
 */
import { z } from "zod";
import { id } from "../answers/common.ts";

const provider = z.enum(["google", "microsoft"]);

/** The body that begins a connection. */
export const mailboxToConnect = z.strictObject({
  provider,
  identity: z.guid().optional().describe(
    "The identity that is to send through it; without one, that with the account's address, or a new one",
  ),
  return_to: z.string().max(500).optional().describe(
    "The page of the panel that the browser comes back to; without one, the last answer is text",
  ),
});

/** Where to go to let us in. */
export const mailboxBegun = z.strictObject({
  url: z.url().describe("At the provider; open it in a browser within 10 minutes"),
});
/** See {@linkcode mailboxBegun}. */
export type MailboxBegun = z.infer<typeof mailboxBegun>;

const ofProvider = z.strictObject({
  ready: z.boolean(),
  missing: z.array(z.string()).describe("Variables that are missing or malformed, and what is wrong"),
  redirect_uri: z.string().describe("Enter it at the provider exactly like this"),
});

/** How mailboxes are set up in the functions' environment; no secrets. */
export const mailboxSetup = z.strictObject({
  google: ofProvider,
  microsoft: ofProvider,
  keys: z.array(z.string()).describe("Names of the keys in SEALING_KEYS, the one that seals first"),
});
/** See {@linkcode mailboxSetup}. */
export type MailboxSetup = z.infer<typeof mailboxSetup>;

/** What became of a mailbox that was disconnected. */
export const mailboxDisconnected = z.strictObject({
  address: z.string(),
  provider,
  revoked: z.boolean().describe(
    "Whether the access ended at the provider too. Microsoft has no call for it: the account's owner ends it at https://myapps.microsoft.com",
  ),
});
/** See {@linkcode mailboxDisconnected}. */
export type MailboxDisconnected = z.infer<typeof mailboxDisconnected>;

/** Whether a mailbox answers now. */
export const mailboxChecked = z.strictObject({
  ok: z.boolean(),
  code: z.string().nullable().describe("Why it does not: a code of the provider's, or of ours"),
  detail: z.string().nullable(),
});
/** See {@linkcode mailboxChecked}. */
export type MailboxChecked = z.infer<typeof mailboxChecked>;

/** The answer to the clock. */
export const mailboxesReading = z.strictObject({ status: z.literal("reading") });

/** The event for subscribers of `mailbox_reauthorise`. */
export const mailboxEvent = z.strictObject({
  type: z.literal("mailbox.reauthorise"),
  timestamp: z.iso.datetime({ offset: true }),
  data: z.strictObject({
    id,
    provider,
    address: z.string().describe("The account's own"),
    error: z.string().nullable().describe("The provider's word for why"),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode mailboxEvent}. */
export type MailboxEvent = z.infer<typeof mailboxEvent>;

/** Schemas of this module that docs/openapi.yaml names. */
export const MAILBOXES_HTTP = {
  MailboxBegun: mailboxBegun,
  MailboxChecked: mailboxChecked,
  MailboxDisconnected: mailboxDisconnected,
  MailboxesReading: mailboxesReading,
  MailboxEvent: mailboxEvent,
  MailboxSetup: mailboxSetup,
  MailboxToConnect: mailboxToConnect,
} as const;

/** Why a connection failed, as the panel's page gets it in its address. */
export const MAILBOX_REFUSALS = [
  "access_denied",
  "state_invalid",
  "scopes_missing",
  "wrong_account",
  "not_connected",
  "client_refused",
  "no_refresh_token",
] as const;
/** See {@linkcode MAILBOX_REFUSALS}. */
export type MailboxRefusal = typeof MAILBOX_REFUSALS[number];
