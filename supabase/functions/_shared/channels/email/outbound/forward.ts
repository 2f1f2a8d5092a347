/**
 * Forwards: an answer on its way to the inbox of the identity that it was written to.
 *
 * @module
 */
import { isObject } from "../../../json/json.ts";
import { legacyAddress, replyAddress } from "../../../mail/addresses.ts";
import { composeForward, type Sender } from "../../../mail/compose.ts";
import type { Forwarded, SendDeps, SendFailure, Sent } from "../../channel.ts";
import { bytesOf, contentsOf } from "./contents.ts";
import type { MailProvider } from "../providers/provider.ts";
import type { MailSendOptions } from "./send.ts";

/** What forwarding takes from the environment. */
export interface MailForwardOptions extends Pick<MailSendOptions, "replyDomain"> {
  /** Who carries what is forwarded for an identity of this provider. */
  provider(name: MailProvider["name"]): MailProvider | SendFailure;
  /** FORWARD_FROM_EMAIL and FORWARD_FROM_NAME; undefined while they are not set. */
  from: Sender | undefined;
}

/**
 * Forwards one mail. Never throws.
 *
 * Failure policy: closed where it would go to an address that nobody has confirmed. What somebody can repair (the
 * address, the environment, the storage) is retried by the schedule of deliveries, and then waits as a dead letter.
 * A provider's lost answer is `unknown`.
 */
export async function forwardMail(
  { id, message, mail, config, traceparent }: Forwarded,
  options: MailForwardOptions,
  world: SendDeps,
): Promise<Sent> {
  if (mail === undefined || config === null || !("forward_to" in config) || message.native === null) {
    return failure("incomplete", "the database said too little of the mail");
  }
  if (config.forward_to === null) return failure("unconfirmed", "the inbox's address is not confirmed");
  if (options.from === undefined) return failure("not_ready", "FORWARD_FROM_EMAIL is not set");
  const provider = options.provider(config.provider);
  if (!("send" in provider)) return provider;
  const { native } = message;
  let composed, contents;
  try {
    const stored = await contentsOf(native, mail.objects, world);
    composed = await composeForward({
      messageId: mail.message_id_header,
      replyTo: mail.token !== null ? replyAddress(mail.token, options.replyDomain) : legacyAddress(
        { message: message.id, user: config.user_id ?? config.identity, campaign: null },
        options.replyDomain,
      ),
      answersTo: mail.reply_to === "sender" ? "sender" : "token",
      from: options.from,
      to: { address: config.forward_to, name: config.display_name ?? "" },
      mail: {
        from: mail.from,
        subject: textIn(native, "subject") ?? "",
        text: textIn(native, "text_full") ?? message.text ?? "",
        html: stored.html,
        messageId: textIn(native, "message_id") ?? null,
        // The chain of our own message is what the owner's mail program knows from the folder of sent mails.
        references: referencesOf(native, mail.answered?.message_id_header ?? null),
        verified: native.verified === true,
        otherSender: mail.other_sender,
      },
      delivery: id,
      hops: stored.hops,
      attachments: stored.attachments.map(({ attachment }) => attachment),
    });
    contents = await bytesOf(composed.attachments, stored.attachments);
  } catch {
    return failure("storage", "its stored parts cannot be read now");
  }
  if (contents === undefined) return failure("attachment_gone", "an attachment is not stored any more");
  return await provider.send(composed, contents, { kind: "gl_delivery", id }, { ...world, traceparent });
}

function referencesOf(native: Readonly<Record<string, unknown>>, answered: string | null): string[] {
  const listed = Array.isArray(native.references)
    ? native.references.filter((each) => typeof each === "string")
    : [];
  return answered === null || listed.includes(answered) ? listed : [...listed, answered];
}

function textIn(value: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const found = isObject(value) ? value[name] : undefined;
  return typeof found === "string" ? found : undefined;
}

function failure(code: string, message: string): SendFailure {
  return { ok: false, kind: "retry", code, message };
}
