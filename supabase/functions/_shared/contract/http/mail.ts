/**
 * Codes that confirm addresses of mail, and what a mail would lead to, over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "../answers/common.ts";
import { MAIL_PROVIDERS } from "../mail_providers.ts";

/** Which address of an identity a code is for. */
export const CHECKED_ADDRESSES = ["from", "forward"] as const;
/** See {@linkcode CHECKED_ADDRESSES}. */
export type CheckedAddress = typeof CHECKED_ADDRESSES[number];

/** The body that asks for a code. */
export const codeToMail = z.strictObject({
  what: z.enum(CHECKED_ADDRESSES)
    .describe("`from`: the address that mail is sent as; `forward`: the inbox that answers go to"),
});

/** What became of a code. */
export const codeMailed = z.strictObject({
  to: z.string().describe("The address that has the code"),
  expires_at: at,
  sent: z.enum(["yes", "unknown"])
    .describe("`unknown`: the provider's answer was lost, and the mail may have gone"),
});
/** See {@linkcode codeMailed}. */
export type CodeMailed = z.infer<typeof codeMailed>;

const address = z.string().nullable();

const explainedMail = z.strictObject({
  recipient: address.describe("The address of ours that it is about; null if it names none"),
  kind: z.string(),
  verdict: z.string(),
  reasons: z.array(z.string()).describe("In the order of the decision"),
  via: z.enum(["token", "legacy", "references", "none"]),
  answers: id.nullable().describe("The message of ours that it answers"),
  identity: address.describe("The identity that it was written to"),
  from: z.string(),
  sender: z.enum(["recipient", "contact", "owner", "other"]),
  verified: z.boolean(),
  verification: z.string().describe("Why the sender is verified, or is not"),
  automatic: z.string().nullable().describe("Why it counts as automatic; null if a person wrote it"),
  counted: z.boolean().describe("Whether it counts as a person's reply"),
  forward_to: address,
  relay_to: address,
  suppress: address.describe("The address that would get no more mail"),
  subject: z.string(),
  text: z.string().describe("What the person wrote, without quotes and signature"),
  attachments: count,
  truncated: z.array(z.string()).describe("What was left out, because it exceeds a limit"),
  bytes: count,
});
/** See {@linkcode explained}. */
export type ExplainedMail = z.infer<typeof explainedMail>;

/** What a mail would lead to now, once for each of our addresses that it is for. */
export const explained = z.strictObject({
  mode: z.enum(["mime", "raw", "parsed"])
    .describe("A mail by itself, or a form of Inbound Parse in one of its modes"),
  mails: z.array(explainedMail),
});
/** See {@linkcode explained}. */
export type Explained = z.infer<typeof explained>;

/** How posts of SendGrid's Inbound Parse are known to be SendGrid's. */
export const INBOUND_CHECKS = ["signature", "secret", "none"] as const;

/** How the functions are set up for mail, as far as their environment says; no secrets. */
export const mailSetup = z.strictObject({
  inbound: z.enum(INBOUND_CHECKS).describe(
    "How posts of Inbound Parse are checked: by their signature, by a secret at the end of the address, or not set up, so that all are refused",
  ),
  inbound_keys: z.array(z.string()).describe("Public keys of which one has to have signed"),
  events_keys: z.array(z.string()).describe(
    "Public keys of the Event Webhook; without any, all events are refused",
  ),
  sends_by: z.array(z.enum(MAIL_PROVIDERS)).describe(
    "Providers that have a key to send with, or a client to connect mailboxes with",
  ),
  resend_webhook: z.boolean().describe("Whether webhooks of Resend can be verified"),
  reply_domain: z.string().nullable().describe("INBOUND_PARSE_DOMAIN"),
  send_domain: z.string().nullable().describe("SEND_DOMAIN"),
  email_worker: z.boolean().describe(
    "Whether posts of the Worker behind Cloudflare's Email Routing can be verified",
  ),
  mailgun: z.boolean().describe("Whether posts of Mailgun's routes can be verified"),
});
/** See {@linkcode mailSetup}. */
export type MailSetup = z.infer<typeof mailSetup>;

/** What judging opens and clicks once more has led to. */
export const judged = z.strictObject({ judged: z.int().min(0).describe("How many verdicts were written") });
/** See {@linkcode judged}. */
export type Judged = z.infer<typeof judged>;

/** The share of mail that is for Gatelink, as the Worker behind Cloudflare's Email Routing asks for it. */
export const mailWeight = z.strictObject({
  weight: z.number().min(0).max(100).describe("Percentage of threads; the others go to the former system"),
  salt: z.string().describe("Salt of the hash by which threads are shared out"),
});
/** See {@linkcode mailWeight}. */
export type MailWeight = z.infer<typeof mailWeight>;

/** Schemas of this module that docs/openapi.yaml names. */
export const MAIL_HTTP = {
  CodeMailed: codeMailed,
  CodeToMail: codeToMail,
  Explained: explained,
  Judged: judged,
  MailSetup: mailSetup,
  MailWeight: mailWeight,
} as const;
