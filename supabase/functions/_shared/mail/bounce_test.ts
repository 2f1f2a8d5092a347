/** Bounces as servers write them. Composed for this test. */
import { assertEquals } from "../../../../tests/support/assert.ts";
import { multipart, postOf, rawMail } from "../../../../tests/support/mails.ts";
import { bounceOf } from "./bounce.ts";
import { readMail } from "./mime.ts";

const NULL = postOf({ envelope: { to: [], from: "" } });

function reported(fields: string, text = "Not delivered."): ReturnType<typeof bounceOf> {
  const raw = rawMail(multipart("multipart/report; report-type=delivery-status", [
    `Content-Type: text/plain\n\n${text}`,
    `Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.test\n\n${fields}\n`,
  ]));
  return bounceOf(readMail(raw), NULL);
}

/** Status and words by what they mean: RFC 3463, and what large servers write. */
const STATUSES: readonly (readonly [status: string, diagnostic: string, meaning: string, code: string])[] = [
  ["5.1.1", "550 5.1.1 The email account does not exist", "hard", "5.1.1"],
  ["5.1.2", "550 5.1.2 host unknown", "hard", "5.1.2"],
  ["5.1.3", "550 bad syntax", "hard", "5.1.3"],
  ["5.1.6", "551 mailbox has moved", "hard", "5.1.6"],
  ["5.1.10", "550 5.1.10 RecipientNotFound", "hard", "5.1.10"],
  ["5.2.1", "550 5.2.1 mailbox disabled", "hard", "5.2.1"],
  ["5.4.4", "unable to route", "hard", "5.4.4"],
  ["5.4.1", "550 5.4.1 Recipient address rejected: Access denied", "hard", "5.4.1"],
  ["5.2.2", "552 5.2.2 mailbox full", "soft", "5.2.2"],
  ["5.2.3", "552 5.2.3 message too large", "soft", "5.2.3"],
  ["5.3.4", "552 5.3.4 message too big", "soft", "5.3.4"],
  ["5.4.7", "delivery time expired", "soft", "5.4.7"],
  ["4.2.2", "452 4.2.2 over quota", "soft", "4.2.2"],
  ["4.4.1", "connection timed out", "soft", "4.4.1"],
  ["5.7.1", "550 5.7.1 Message rejected", "block", "5.7.1"],
  ["5.7.26", "550-5.7.26 not authenticated", "block", "5.7.26"],
  ["4.7.0", "421 4.7.0 rate limited", "block", "4.7.0"],
  ["5.1.8", "550 5.1.8 bad sender", "block", "5.1.8"],
  ["5.0.0", "550 No such user here", "hard", "5.0.0"],
  ["5.0.0", "552 Mailbox is full", "soft", "5.0.0"],
  ["5.0.0", "554 Blocked by Spamhaus", "block", "5.0.0"],
  ["5.0.0", "550 5.1.1 unknown", "hard", "5.1.1"],
  ["5.5.0", "550 Requested action not taken: mailbox unavailable", "hard", "5.5.0"],
];
for (const [status, words, meaning, code] of STATUSES) {
  Deno.test(`bounceOf(): ${status} "${words}" is ${meaning}`, () => {
    const bounce = reported(
      `Final-Recipient: rfc822; Mara@Fern.example\nAction: failed\nStatus: ${status}\nDiagnostic-Code: smtp; ${words}`,
    );
    assertEquals([bounce?.class, bounce?.status, bounce?.recipient], [meaning, code, "mara@fern.example"]);
    assertEquals(bounce?.diagnostic, `smtp; ${words}`);
  });
}

Deno.test("bounceOf(): a delay is none; a success is nothing; the failed recipient of several counts", () => {
  assertEquals(reported("Final-Recipient: rfc822; a@b.test\nAction: delayed\nStatus: 5.1.1")?.class, "delay");
  assertEquals(reported("Final-Recipient: rfc822; a@b.test\nAction: delivered\nStatus: 2.0.0"), null);
  assertEquals(reported("Final-Recipient: rfc822; a@b.test\nAction: relayed\nStatus: 2.0.0"), null);
  const several = reported(
    "Final-Recipient: rfc822; a@b.test\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822; c@d.test\nAction: failed\nStatus: 5.1.1",
  );
  assertEquals([several?.recipient, several?.class], ["c@d.test", "hard"]);
});

Deno.test("bounceOf(): the address that we wrote to counts, not the one that it was forwarded to", () => {
  const bounce = reported(
    "Original-Recipient: rfc822; mara@fern.example\nFinal-Recipient: rfc822; m.fern@moss.example\nAction: failed\nStatus: 5.1.1",
  );
  assertEquals(bounce?.recipient, "mara@fern.example");
});

const TEXTS: readonly (readonly [
  what: string,
  from: string,
  subject: string,
  body: string,
  meaning: string | null,
  status: string | null,
])[] = [
  [
    "qmail",
    "MAILER-DAEMON@a.test",
    "failure notice",
    "<mara@fern.example>:\nSorry, no mailbox here by that name. (#5.1.1)",
    "hard",
    "5.1.1",
  ],
  [
    "a reply code before a colon",
    "MAILER-DAEMON@a.test",
    "Failure Notice",
    "<mara@fern.example>:\n554: delivery error: This user doesn't have a fern.example account [0] - mta",
    "hard",
    null,
  ],
  [
    "Exim",
    "Mailer-Daemon@a.test",
    "Mail delivery failed: returning message to sender",
    "  mara@fern.example\n    host mx.test: 550 Unknown user",
    "hard",
    "5.1.1",
  ],
  [
    "Exim, full",
    "Mailer-Daemon@a.test",
    "Mail delivery failed",
    "  mara@fern.example\n    mailbox is full",
    "soft",
    "5.2.2",
  ],
  [
    "Exim, warning",
    "Mailer-Daemon@a.test",
    "Warning: message 1 delayed 24 hours",
    "  mara@fern.example\n  The message will be retried",
    "delay",
    null,
  ],
  [
    "in German",
    "postmaster@a.test",
    "Unzustellbar: Ihre Samen",
    "<mara@fern.example> 550 5.1.1 unbekannt",
    "hard",
    "5.1.1",
  ],
  [
    "a refusal",
    "postmaster@a.test",
    "Undeliverable: Your seeds",
    "<mara@fern.example>\n554 5.7.1 rejected by policy",
    "block",
    "5.7.1",
  ],
  [
    "without any reason",
    "postmaster@a.test",
    "Returned mail",
    "<mara@fern.example> could not be reached",
    "soft",
    null,
  ],
  ["a person", "mara@fern.example", "Undeliverable: why?", "550 5.1.1", null, null],
  ["a postmaster who writes", "postmaster@a.test", "Your question", "Please call me.", null, null],
];
for (const [what, from, subject, body, meaning, status] of TEXTS) {
  Deno.test(`bounceOf(): in words, ${what}`, () => {
    const raw = rawMail({ headers: { From: from, Subject: subject }, body });
    const bounce = bounceOf(readMail(raw), postOf());
    assertEquals(bounce?.class ?? null, meaning);
    if (bounce === null || meaning === "delay") return;
    assertEquals([bounce.status, bounce.recipient], [status, "mara@fern.example"]);
  });
}
