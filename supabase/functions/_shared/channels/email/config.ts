/**
 * What e-mail takes from the environment. Read at each use, because secrets change while a worker lives.
 *
 * @module
 */
import { type ConfigFault, configFaults, env, type VariableName } from "../../config/env.ts";
import { MAIL_PROVIDERS } from "../../contract/mail_providers.ts";
import type { MailSetup } from "../../contract/http/mail.ts";
import type { MailWorld } from "../../mail/types.ts";
import type { Missing, SendFailure } from "../channel.ts";
import { createGmail } from "./mailboxes/gmail.ts";
import { createGraph } from "./mailboxes/graph.ts";
import { createResend } from "./providers/resend.ts";
import { createSendGrid } from "./providers/sendgrid.ts";
import type { MailProvider } from "./providers/provider.ts";

/** Providers with one account for everybody. The others send through the mailbox of each identity. */
export type Carrier = Exclude<MailProvider["name"], MailboxProvider>;
/** Providers of mailboxes. */
export type MailboxProvider = "google" | "microsoft";

const CARRIERS: Readonly<Record<Carrier, MailProvider>> = {
  sendgrid: createSendGrid(() => {
    const { SENDGRID_URL: url, SENDGRID_API_KEY: key } = env("SENDGRID_URL", "SENDGRID_API_KEY");
    return { url, key };
  }),
  resend: createResend(() => {
    const { RESEND_URL: url, RESEND_API_KEY: key } = env("RESEND_URL", "RESEND_API_KEY");
    return { url, key };
  }),
};

const KEYS = {
  sendgrid: ["SENDGRID_API_KEY", "SENDGRID_URL"],
  resend: ["RESEND_API_KEY", "RESEND_URL"],
  google: ["GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_OAUTH_URL", "GMAIL_URL"],
  microsoft: [
    "MICROSOFT_CLIENT_ID",
    "MICROSOFT_CLIENT_SECRET",
    "MICROSOFT_TENANT",
    "MICROSOFT_LOGIN_URL",
    "MICROSOFT_GRAPH_URL",
  ],
} as const satisfies Record<MailProvider["name"], readonly unknown[]>;

/** What is missing for a provider; empty if it can be called. */
export function providerFaults(name: MailProvider["name"]): ConfigFault[] {
  return configFaults(...KEYS[name]);
}

/**
 * The provider of an identity. Identities of a provider without a key wait for it; those of the others go on.
 *
 * @param identity Id of the identity, whose own mailbox google and microsoft send through.
 */
export function providerOf(name: MailProvider["name"], identity: string | null): MailProvider | SendFailure {
  const [missing] = providerFaults(name);
  if (missing !== undefined) return notReady(`${missing.variable}: ${missing.fault}`);
  if (name !== "google" && name !== "microsoft") return CARRIERS[name];
  if (identity === null) return notReady("the identity of this mail is not known");
  const mailbox = { url: mailboxUrl(name), identity };
  return name === "google" ? createGmail(mailbox) : createGraph(mailbox);
}

/** Base URL of the API of mailboxes. @throws {Problem} `config_invalid` */
export function mailboxUrl(name: MailboxProvider): string {
  return name === "google" ? env("GMAIL_URL").GMAIL_URL : env("MICROSOFT_GRAPH_URL").MICROSOFT_GRAPH_URL;
}

/**
 * Who carries what we send as ourselves, forwards and codes: the identity's provider, unless that is a mailbox, which sends
 * only as its owner.
 */
export function carrierOf(name: MailProvider["name"]): MailProvider | SendFailure {
  if (name === "sendgrid" || name === "resend") return providerOf(name, null);
  const ready = (["sendgrid", "resend"] as const).find((each) => providerFaults(each).length === 0);
  return providerOf(ready ?? "sendgrid", null);
}

function notReady(message: string): SendFailure {
  return { ok: false, kind: "held", scope: "number", code: "not_ready", message };
}

/** Whether mails can be sent: by one provider at least. An identity of another one waits for itself. */
export function ready(): true | readonly Missing[] {
  const domains = configFaults("SEND_DOMAIN", "INBOUND_PARSE_DOMAIN");
  const sendgrid = providerFaults("sendgrid");
  const others = ["resend", "google", "microsoft"] as const;
  const none = others.every((name) => providerFaults(name).length > 0) ? sendgrid : [];
  const missing = [...none, ...domains];
  return missing.length === 0 ? true : missing;
}

/** Domains of ours. @throws {Problem} `config_invalid` */
export function domains(): { replyDomain: string; sendDomain: string } {
  const { INBOUND_PARSE_DOMAIN: replyDomain, SEND_DOMAIN: sendDomain } = env(
    "INBOUND_PARSE_DOMAIN",
    "SEND_DOMAIN",
  );
  return { replyDomain, sendDomain };
}

/** Sender of forwards. @throws {Problem} `config_invalid` */
export function forwardFrom(): { address: string; name: string | null } {
  const { FORWARD_FROM_EMAIL: address, FORWARD_FROM_NAME: name } = env(
    "FORWARD_FROM_EMAIL",
    "FORWARD_FROM_NAME",
  );
  return { address, name: name ?? null };
}

/** Headers with which a former system marks its forwards: the setting `email.own_forward_headers`, comma-separated. */
export function ownForwardHeaders(settings: readonly { key: string; value: string }[]): string[] {
  const value = settings.find(({ key }) => key === "email.own_forward_headers")?.value ?? "";
  return value.split(",").map((name) => name.trim().toLowerCase()).filter((name) => name !== "");
}

/** What is ours, for judging a mail. @param forwardHeaders From the setting. @throws {Problem} `config_invalid` */
export function mailWorld(forwardHeaders: readonly string[]): MailWorld {
  // Without it nothing is forwarded, and so nothing comes from there.
  const known = configFaults("FORWARD_FROM_EMAIL").length === 0;
  return { ...domains(), forwardFrom: known ? forwardFrom().address : "", ownForwardHeaders: forwardHeaders };
}

/** How mail is set up, as far as the environment says. What is missing or malformed there counts as not set up. */
export function mailSetup(): MailSetup {
  const ok = (name: VariableName) => configFaults(name).length === 0;
  const inboundKeys = ok("SENDGRID_INBOUND_PUBLIC_KEY")
    ? env("SENDGRID_INBOUND_PUBLIC_KEY").SENDGRID_INBOUND_PUBLIC_KEY
    : [];
  const hasSecret = ok("SENDGRID_INBOUND_SECRET") &&
    env("SENDGRID_INBOUND_SECRET").SENDGRID_INBOUND_SECRET.length > 0;
  return {
    inbound: inboundKeys.length > 0 ? "signature" : hasSecret ? "secret" : "none",
    inbound_keys: [...inboundKeys],
    events_keys: ok("SENDGRID_EVENTS_PUBLIC_KEY")
      ? [...env("SENDGRID_EVENTS_PUBLIC_KEY").SENDGRID_EVENTS_PUBLIC_KEY]
      : [],
    sends_by: MAIL_PROVIDERS.filter((provider) => providerFaults(provider).length === 0),
    resend_webhook: ok("RESEND_WEBHOOK_SECRET") &&
      env("RESEND_WEBHOOK_SECRET").RESEND_WEBHOOK_SECRET.length > 0,
    reply_domain: ok("INBOUND_PARSE_DOMAIN") ? env("INBOUND_PARSE_DOMAIN").INBOUND_PARSE_DOMAIN : null,
    send_domain: ok("SEND_DOMAIN") ? env("SEND_DOMAIN").SEND_DOMAIN : null,
    email_worker: ok("EMAIL_WORKER_SECRET") && env("EMAIL_WORKER_SECRET").EMAIL_WORKER_SECRET.length > 0,
    mailgun: ok("MAILGUN_SIGNING_KEY") && env("MAILGUN_SIGNING_KEY").MAILGUN_SIGNING_KEY.length > 0,
  };
}
