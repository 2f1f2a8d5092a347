/**
 * Sends through Microsoft Graph, as the account itself, and finds what was sent.
 *
 * Source: Microsoft, "user: sendMail" (MIME content in base64 as text/plain, 202 without a body), "Get MIME content of a
 * message", "singleValueLegacyExtendedProperty" (learn.microsoft.com/graph). A mail as MIME keeps In-Reply-To and
 * References, which the JSON form refuses. It has **no idempotency key**, and Exchange gives the mail a Message-ID of its
 * own: after a call without an answer it is looked up by a header of ours.
 *
 * @module
 */
import { isObject } from "../../../json/json.ts";
import { writeMail } from "../../../mail/write.ts";
import type { SendFailure } from "../../channel.ts";
import { base64Of, type MailProvider } from "../providers/provider.ts";
import { callMailbox, jsonOf, type Mailbox, type MailboxWorld, meaningOf } from "./call.ts";
import { MESSAGE_HEADER, unknownIfAsked } from "./sent.ts";

/** Graph takes 4 MB in one request, and base64 adds a third. */
const MOST_BYTES = 3_000_000;

/** Our header as a named property of Exchange's: PS_INTERNET_HEADERS (MS-OXPROPS 1.3.2). */
const PROPERTY = `String {00020386-0000-0000-C000-000000000046} Name ${MESSAGE_HEADER}`;

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

/**
 * Which message of ours a mail in the account's Sent folder is: by its Message-ID there, or by our own id.
 *
 * @returns Our id; null if there is no such mail; undefined if nobody can say now.
 */
export async function sentAtGraph(
  mailbox: Mailbox,
  by: { readonly messageId: string } | { readonly id: string },
  world: MailboxWorld,
): Promise<string | null | undefined> {
  const filter = "id" in by
    ? `singleValueExtendedProperties/Any(ep: ep/id eq '${PROPERTY}' and ep/value eq '${quoted(by.id)}')`
    : `internetMessageId eq '<${quoted(by.messageId.replace(/[<>\s]/g, ""))}>'`;
  const query = new URLSearchParams({
    $filter: filter,
    $top: "1",
    $select: "id",
    $expand: `singleValueExtendedProperties($filter=id eq '${PROPERTY}')`,
  });
  const called = await callMailbox(mailbox, { path: `/me/mailFolders/sentitems/messages?${query}` }, world);
  if (!("answer" in called)) return undefined;
  const found = jsonOf(called.answer.bytes);
  if (found === undefined) return undefined;
  const [first] = Array.isArray(found.value) ? found.value : [];
  if (!isObject(first)) return null;
  const [property] = Array.isArray(first.singleValueExtendedProperties)
    ? first.singleValueExtendedProperties
    : [];
  return isObject(property) && typeof property.value === "string" ? property.value : null;
}

/** A text within an OData string. */
const quoted = (text: string) => text.replaceAll("'", "''");
