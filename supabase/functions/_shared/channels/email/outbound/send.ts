/**
 * Sending: a queued mail, or the owner's answer to a forward, through the identity's provider.
 *
 * @module
 */
import type { ClaimedMail } from "../../../contract/answers/mail.ts";
import { isObject } from "../../../json/json.ts";
import { legacyAddress, replyAddress } from "../../../mail/addresses.ts";
import { composeMail, composeRelay } from "../../../mail/compose.ts";
import type { MailAddress, OutgoingMail } from "../../../mail/types.ts";
import type { Outbound, Outgoing, SendDeps, SendFailure, Sent } from "../../channel.ts";
import type { MailProvider } from "../providers/provider.ts";
import { bytesOf, type Content, contentsOf, type MailObject } from "./contents.ts";
import { trackedHtml } from "./track.ts";

/** What sending takes from the environment. */
export interface MailSendOptions {
  /** The provider of an identity, or what is missing for it. */
  provider(name: MailProvider["name"], identity: string | null): MailProvider | SendFailure;
  replyDomain: string;
  /** Where addresses that end a subscription begin. */
  baseUrl: string;
  /** Where addresses of tracked mails begin. */
  trackUrl: string;
}

/**
 * Sends one mail. Never throws.
 *
 * Failure policy: as the provider's. While the storage of its attachments is unavailable the mail waits; a mail whose
 * attachments are gone is given up, because it would say less than its author meant.
 */
export async function sendMail(outgoing: Outgoing, options: MailSendOptions, world: SendDeps): Promise<Sent> {
  const { id, mail, traceparent } = outgoing;
  if (mail === undefined) return failure("final", "incomplete", "the database said nothing of its sender");
  const provider = options.provider(mail.provider, mail.identity);
  if (!("send" in provider)) return provider;
  let composed: { mail: OutgoingMail; contents: Uint8Array[] | undefined };
  try {
    composed = mail.relay
      ? await relayOf(outgoing, mail, options, world)
      : await mailOf(outgoing, mail, options, world);
  } catch {
    return failure("retry", "storage", "its stored parts cannot be read now");
  }
  if (composed.contents === undefined) {
    return failure("final", "attachment_gone", "an attachment is not stored any more");
  }
  const campaign = mail.campaign_id ?? undefined;
  const ids = { kind: "gl_message", id, ...(campaign === undefined ? {} : { campaign }) } as const;
  const { replyTo: _, ...direct } = composed.mail;
  // Answers come to the mailbox itself, where its owner has the whole thread.
  const sent = mail.provider === "google" || mail.provider === "microsoft" ? direct : composed.mail;
  return await provider.send(sent, composed.contents, ids, { ...world, traceparent });
}

/** The address for answers: a token's, or the form of the former system. */
function answersTo(
  id: string,
  { token, user_id, identity, campaign_id }: ClaimedMail,
  domain: string,
): string {
  if (token !== null) return replyAddress(token, domain);
  return legacyAddress({ message: id, user: user_id ?? identity ?? id, campaign: campaign_id }, domain);
}

async function mailOf(
  { id, to, message }: Outgoing,
  mail: ClaimedMail,
  { replyDomain, baseUrl, trackUrl }: MailSendOptions,
  world: SendDeps,
) {
  const replyTo = answersTo(id, mail, replyDomain);
  const contents = attachmentsOf(message, world);
  // By the message and not by its token: tokens are deleted earlier, by the plan's clean-up and its rollback.
  const unsubscribe = `${baseUrl}/u/${id}`;
  const words = {
    html: wordsFor(mail.html ?? textIn(message, "html"), unsubscribe),
    text: wordsFor(mail.text ?? textIn(message, "text"), unsubscribe),
  };
  const composed = await composeMail({
    messageId: mail.message_id_header,
    replyTo,
    from: { address: mail.from.address, name: mail.from.name || null },
    to: { address: to, name: textIn(message, "to_name") ?? "" },
    cc: Array.isArray(message.cc) ? message.cc as MailAddress[] : [],
    subject: textIn(message, "subject") ?? "",
    html: await trackedHtml(
      { id, message: { ...message, ...words }, ofCampaign: mail.campaign_id !== null },
      trackUrl,
      [`${baseUrl}/`],
      world,
    ),
    text: words.text,
    ...(mail.in_reply_to === null
      ? {}
      : { parent: { messageId: mail.in_reply_to, references: mail.references } }),
    ...(mail.bulk ? { bulk: { url: unsubscribe, mailto: replyTo } } : {}),
    automatic: message.automatic === true,
    attachments: contents.map(({ attachment }) => attachment),
  });
  return { mail: composed, contents: await bytesOf(composed.attachments, contents) };
}

/** The words with the address to unsubscribe, which is known only here. It has no character that HTML would escape. */
function wordsFor(words: string | undefined, unsubscribe: string): string | undefined {
  return words?.replaceAll("{{unsubscribe_url}}", () => unsubscribe);
}

async function relayOf(
  { id, to, message }: Outgoing,
  mail: ClaimedMail,
  { replyDomain }: MailSendOptions,
  world: SendDeps,
) {
  const relay = isObject(message.relay) ? message.relay : {};
  const native = isObject(relay.mail) ? relay.mail : {};
  const objects = Array.isArray(relay.objects) ? relay.objects as MailObject[] : [];
  const { html, attachments } = await contentsOf(native, objects, world);
  const composed = await composeRelay({
    messageId: mail.message_id_header,
    replyTo: answersTo(id, mail, replyDomain),
    from: { address: mail.from.address, name: mail.from.name || null },
    to: { address: to, name: "" },
    mail: { text: textIn(message, "text") ?? "", html },
    inbox: textIn(native, "inbox") ?? "",
    parent: {
      subject: textIn(message, "subject") ?? "",
      messageId: mail.in_reply_to,
      references: mail.references,
    },
    attachments: attachments.map(({ attachment }) => attachment),
  });
  return { mail: composed, contents: await bytesOf(composed.attachments, attachments) };
}

/** Attachments of a queued mail, which stand in storage. */
function attachmentsOf({ attachments }: Outbound, world: SendDeps): Content[] {
  if (!Array.isArray(attachments)) return [];
  return attachments.filter(isObject).map((each): Content => {
    const { index, name, type, size, cid, bucket, path } = each as Record<string, unknown>;
    return {
      attachment: {
        name: String(name ?? "attachment"),
        type: String(type ?? "application/octet-stream"),
        size: Number(size ?? 0),
        cid: typeof cid === "string" ? cid : null,
        inline: typeof cid === "string",
        source: { object: String(index) },
      },
      bytes: async () => await world.readFile?.({ bucket: String(bucket), path: String(path) }),
    };
  });
}

function textIn(value: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const found = value[name];
  return typeof found === "string" ? found : undefined;
}

function failure(kind: SendFailure["kind"], code: string, message: string): SendFailure {
  return { ok: false, kind, code, message };
}
