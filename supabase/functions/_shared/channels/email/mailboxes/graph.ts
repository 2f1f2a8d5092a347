/**
 * Sends through Microsoft Graph, as the account itself.
 *
 * Source: Microsoft, "user: sendMail" (MIME content in base64 as text/plain, 202 without a body; learn.microsoft.com/graph).
 * A mail as MIME keeps In-Reply-To and References, which the JSON form refuses. It has **no idempotency key**, and Exchange
 * gives the mail a Message-ID of its own: after a call without an answer it is looked up by a header of ours.
 *
 * @module
 */
import { writeMail } from "../../../mail/write.ts";
import type { SendFailure } from "../../channel.ts";
import { base64Of, type MailProvider } from "../providers/provider.ts";
import { callMailbox, type Mailbox, meaningOf } from "./call.ts";
import { MESSAGE_HEADER, unknownIfAsked } from "./sent.ts";

/** Graph takes 4 MB in one request, and base64 adds a third. */
const MOST_BYTES = 3_000_000;

/** The account of an identity at Microsoft as a {@linkcode MailProvider}. */
export function createGraph(mailbox: Mailbox): MailProvider {
  return {
    name: "microsoft",
    /**
     * Failure policy: a call that may have reached Microsoft is `unknown`. What it refuses in its own words with a 4xx was not
     * taken.
     */
    async send(mail, contents, ids, world) {
      const headers = { ...mail.headers, [MESSAGE_HEADER]: ids.id };
      const bytes = writeMail({ ...mail, headers }, contents, {
        date: new Date(),
        boundary: `gl${ids.id.replaceAll("-", "")}`,
      });
      if (bytes.length > MOST_BYTES) return tooLarge(bytes.length);
      const called = await callMailbox(mailbox, {
        method: "POST",
        path: "/me/sendMail",
        headers: { "content-type": "text/plain" },
        body: base64Of(bytes),
      }, world);
      if ("failure" in called) return unknownIfAsked(called);
      return "refusal" in called ? meaningOf(called.refusal) : { ok: true };
    },
  };
}

function tooLarge(bytes: number): SendFailure {
  return {
    ok: false,
    kind: "final",
    code: "too_large",
    message: `the mail has ${bytes} bytes; Microsoft takes ${MOST_BYTES} in one request`,
  };
}
