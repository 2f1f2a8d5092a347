/**
 * Codes that confirm addresses of mail, and what a mail would lead to, over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "../answers/common.ts";

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

/** Schemas of this module that docs/openapi.yaml names. */
export const MAIL_HTTP = { CodeMailed: codeMailed, CodeToMail: codeToMail, Explained: explained } as const;
