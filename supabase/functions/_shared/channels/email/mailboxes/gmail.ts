/**
 * Sends through the Gmail API, as the account itself.
 *
 * Source: Google, "Gmail API: users.messages.send" (media upload of message/rfc822) and "Resolve errors"
 * (developers.google.com/workspace/gmail/api). It has **no idempotency key**: after a call without an answer the
 * mail is looked up by its Message-ID.
 *
 * @module
 */
import { writeMail } from "../../../mail/write.ts";
import { accepted, type MailProvider } from "../providers/provider.ts";
import { callMailbox, jsonOf, type Mailbox, meaningOf } from "./call.ts";
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
