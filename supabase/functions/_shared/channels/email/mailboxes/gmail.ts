/**
 * Sends through the Gmail API, as the account itself, and finds what was sent.
 *
 * Source: Google, "Gmail API: users.messages.send" (media upload of message/rfc822), "users.messages.list" and "Resolve
 * errors" (developers.google.com/workspace/gmail/api). It has **no idempotency key**: after a call without an answer the
 * mail is looked up by its Message-ID.
 *
 * @module
 */
import { isObject } from "../../../json/json.ts";
import { writeMail } from "../../../mail/write.ts";
import { accepted, type MailProvider } from "../providers/provider.ts";
import { callMailbox, jsonOf, type Mailbox, type MailboxWorld, meaningOf } from "./call.ts";
import { MESSAGE_HEADER, unknownIfAsked } from "./sent.ts";

/** The account of an identity at Gmail as a {@linkcode MailProvider}. */
export function createGmail(mailbox: Mailbox): MailProvider {
  return {
    name: "google",
    /**
     * Failure policy: a call that may have reached Google is `unknown`. What Google refuses in its own words with a 4xx was
     * not taken.
     */
    async send(mail, contents, ids, world) {
      const headers = { ...mail.headers, [MESSAGE_HEADER]: ids.id };
      const bytes = writeMail({ ...mail, headers }, contents, {
        date: new Date(),
        boundary: `gl${ids.id.replaceAll("-", "")}`,
      });
      const called = await callMailbox(mailbox, {
        method: "POST",
        path: "/upload/gmail/v1/users/me/messages/send?uploadType=media",
        headers: { "content-type": "message/rfc822" },
        body: bytes,
      }, world);
      if ("failure" in called) return unknownIfAsked(called);
      if ("refusal" in called) return meaningOf(called.refusal);
      return accepted(jsonOf(called.answer.bytes)?.id);
    },
  };
}

/**
 * Which message of ours a mail in the account's Sent folder is, by its Message-ID, which Gmail may have replaced.
 *
 * @returns Our id; null if there is no such mail; undefined if nobody can say now.
 */
export async function sentAtGmail(
  mailbox: Mailbox,
  messageId: string,
  world: MailboxWorld,
): Promise<string | null | undefined> {
  const query = new URLSearchParams({ q: `in:sent rfc822msgid:${messageId.replace(/[<>\s]/g, "")}` });
  const found = await getJson(mailbox, `/gmail/v1/users/me/messages?${query}`, world);
  if (found === undefined) return undefined;
  const [first] = Array.isArray(found.messages) ? found.messages : [];
  if (!isObject(first) || typeof first.id !== "string") return null;
  const named = new URLSearchParams({ format: "metadata", metadataHeaders: MESSAGE_HEADER });
  const mail = await getJson(
    mailbox,
    `/gmail/v1/users/me/messages/${encodeURIComponent(first.id)}?${named}`,
    world,
  );
  if (mail === undefined) return undefined;
  const headers = isObject(mail.payload) && Array.isArray(mail.payload.headers) ? mail.payload.headers : [];
  const ours = headers.find((each) =>
    isObject(each) && String(each.name).toLowerCase() === MESSAGE_HEADER.toLowerCase()
  );
  return isObject(ours) && typeof ours.value === "string" ? ours.value.trim() : null;
}

async function getJson(mailbox: Mailbox, path: string, world: MailboxWorld) {
  const called = await callMailbox(mailbox, { path }, world);
  return "answer" in called ? jsonOf(called.answer.bytes) : undefined;
}
