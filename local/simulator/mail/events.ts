/** Events as SendGrid's Event Webhook words them. */
import type { Json } from "../model.ts";
import type { SentMail } from "./store.ts";

/** What SendGrid adds to an event, by its name here; `event` where it words the name otherwise. */
const WORDING: Readonly<Record<string, Json>> = {
  delivered: { response: "250 2.0.0 OK" },
  deferred: { response: "451 4.7.1 Please try again later", attempt: "1" },
  bounce: {
    type: "bounce",
    status: "5.1.1",
    reason: "550 5.1.1 The email account that you tried to reach does not exist.",
    bounce_classification: "Invalid Address",
  },
  blocked: {
    event: "bounce",
    type: "blocked",
    status: "5.7.1",
    reason: "550 5.7.1 Message rejected due to content.",
    bounce_classification: "Content",
  },
  dropped: { reason: "Bounced Address" },
  open: { sg_machine_open: false, useragent: "Mozilla/5.0" },
};

/** An event about a mail, as SendGrid words it. */
export function eventOf(mail: SentMail, event: string, email: string, more: Json = {}): Json {
  return {
    email,
    timestamp: Math.floor(mail.at / 1000),
    "smtp-id": `<${mail.id}@geopod-ismtpd-1>`,
    event,
    // What is dropped was never sent.
    ...(event === "dropped" ? {} : { sg_message_id: `${mail.id}.recvd-5f8d6c7b9-1` }),
    ...mail.customArgs,
    ...WORDING[event],
    ...more,
  };
}
