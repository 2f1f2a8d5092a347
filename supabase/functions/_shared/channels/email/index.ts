/**
 * E-mail, through SendGrid or Resend, as a {@linkcode Channel}. Its doors, where providers report and mails come in,
 * are in `doors.ts`.
 *
 * @module
 */
import { env } from "../../config/env.ts";
import { nextSendAttempt } from "../backoff.ts";
import type { Channel, SendFailure, Sent } from "../channel.ts";
import { domains, forwardFrom, providerOf, ready } from "./config.ts";
import { checkMessage, checkRequest, wordsOf } from "./outbound/check.ts";
import { forwardMail } from "./outbound/forward.ts";
import { sendMail } from "./outbound/send.ts";

/** 20 MB of attachments in base64, and the texts. */
const REQUEST_BYTES = 30 * 1024 * 1024;

/** Why nothing can be sent at all; undefined if something can. */
function notReady(): SendFailure | undefined {
  const missing = ready();
  if (missing === true) return undefined;
  const message = missing.map(({ variable, fault }) => `${variable}: ${fault}`).join("; ");
  return { ok: false, kind: "retry", code: "not_ready", message };
}

/** Where addresses in mails begin: on a host of their own, or those of the functions. */
function addresses(): { baseUrl: string; trackUrl: string } {
  const { TRACK_BASE_URL, PUBLIC_BASE_URL, SUPABASE_URL } = env(
    "TRACK_BASE_URL",
    "PUBLIC_BASE_URL",
    "SUPABASE_URL",
  );
  const functions = `${PUBLIC_BASE_URL ?? SUPABASE_URL}/functions/v1`;
  return {
    baseUrl: TRACK_BASE_URL ?? `${functions}/email-webhook`,
    trackUrl: TRACK_BASE_URL ?? `${functions}/email-track`,
  };
}

/** E-mail with the secrets of the environment. */
export const email: Channel = {
  name: "email",
  provider: "mail",
  flags: { intake: "email_webhook", send: "email_send.enabled" },
  // People may write at any time. Who must get no mail is on the list of suppressions.
  policy: { windowMs: null, optOut: "suppression", pace: { perSecond: 10, pairSeconds: 1 } },
  limits: { requestBytes: REQUEST_BYTES },
  ready,
  check: checkMessage,
  checkRequest: (body) => checkRequest(body, ready() === true ? domains().sendDomain : undefined),
  wordsOf,
  addressOf: ({ email }) => email,
  async send(outgoing, world): Promise<Sent> {
    const missing = notReady();
    if (missing !== undefined) return missing;
    const { replyDomain } = domains();
    return await sendMail(outgoing, { provider: providerOf, replyDomain, ...addresses() }, world);
  },
  destination: {
    kind: "inbox",
    async deliver(forwarded, world): Promise<Sent> {
      const missing = notReady();
      if (missing !== undefined) return missing;
      let from;
      try {
        from = forwardFrom();
      } catch {
        // Told in the log, and by the failure.
      }
      return await forwardMail(
        forwarded,
        { provider: providerOf, replyDomain: domains().replyDomain, from },
        world,
      );
    },
  },
  nextAttempt: nextSendAttempt,
};
