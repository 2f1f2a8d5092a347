/**
 * Who carries mails of identities; Google and Microsoft through the identity's own mailbox.
 *
 * @module
 */

/** Every provider, by the name that identities have it under. */
export const MAIL_PROVIDERS = ["sendgrid", "resend", "google", "microsoft"] as const;
/** See {@linkcode MAIL_PROVIDERS}. */
export type MailProviderName = typeof MAIL_PROVIDERS[number];

/** What people call them. */
export const MAIL_PROVIDER_NAMES: Readonly<Record<MailProviderName, string>> = {
  sendgrid: "SendGrid",
  resend: "Resend",
  google: "Google",
  microsoft: "Microsoft",
};
