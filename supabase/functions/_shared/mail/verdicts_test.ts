/** Whole mails from raw bytes to their verdict. Composed for this test, by what mail programs and attackers do. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import {
  bytesOf,
  type Draft,
  IDENTITY,
  judged,
  latin1,
  MESSAGES,
  multipart,
  postOf,
  rawMail,
} from "../../../../tests/support/mails.ts";
import type { Judgement, MailFacts, Post, Resolved } from "./types.ts";

const TOKEN = MESSAGES.sent.token;
const OWNER = MESSAGES.forwarded.token;
const to = (local: string) => ({ to: [`${local}@in.bloom.example`] });
const envelope = (local: string, from = "mara@fern.example") => ({ envelope: { ...to(local), from } });
const daemon = { envelope: { ...to(TOKEN), from: "" }, spf: "none", dkim: {} };
const owner = {
  headers: { From: "Iris <iris.private@vale.example>", To: `${OWNER}@in.bloom.example` },
  post: { envelope: { ...to(OWNER), from: "iris.private@vale.example" }, dkim: { "vale.example": "pass" } },
};
const forged = { spf: "fail", dkim: {} };

/** A delivery report about an address. */
function report(
  status: string,
  more: { address?: string; action?: string; code?: string; about?: string } = {},
): Draft {
  const { address = "mara@fern.example", action = "failed", code, about } = more;
  const draft = multipart("multipart/report; report-type=delivery-status", [
    "Content-Type: text/plain\n\nYour mail could not be delivered.",
    `Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.fern.example\n\nFinal-Recipient: rfc822; ${address}\n` +
    `Action: ${action}\nStatus: ${status}\n${code === undefined ? "" : `Diagnostic-Code: smtp; ${code}\n`}`,
    `Content-Type: text/rfc822-headers\n\nFrom: iris@bloom.example\nMessage-ID: <${
      about ?? MESSAGES.sent.id
    }@bloom.example>\n`,
  ]);
  return {
    ...draft,
    headers: {
      ...draft.headers,
      "From": "MAILER-DAEMON@mx.fern.example",
      "Subject": "Undelivered Mail",
      "Auto-Submitted": "auto-replied",
    },
  };
}

const calendar = (method: string, more = "") =>
  `Content-Type: text/calendar; charset=utf-8; method=${method}\n\nBEGIN:VCALENDAR\nMETHOD:${method}\nBEGIN:VEVENT\nUID:seeds-7@fern.example\n${more}END:VEVENT\nEND:VCALENDAR`;

interface Case {
  readonly mail?: Draft;
  readonly post?: Partial<Post>;
  readonly resolved?: Partial<Resolved>;
  readonly want: Partial<Judgement>;
  readonly facts?: Partial<MailFacts>;
}

const reply = { kind: "reply", verdict: "forward", counted: true } as const;
const machine = { verdict: "store", counted: false, forward: null } as const;

const CASES: Readonly<Record<string, Case>> = {
  // Ways to the message.
  "a plain answer": {
    want: {
      ...reply,
      via: "token",
      token: TOKEN,
      message_id: MESSAGES.sent.id,
      sender: "recipient",
      verified: true,
    },
    facts: { text: "Noon is fine." },
  },
  "the inbox of the identity gets it": {
    want: { ...reply, forward: { identity_id: IDENTITY.id, to: "iris.private@vale.example" } },
  },
  "a token in capitals": { post: envelope(TOKEN.toUpperCase()), want: { ...reply, via: "token" } },
  "a token with the former prefix": { post: envelope(`reply+${TOKEN}`), want: { ...reply, via: "token" } },
  "the former prefix twice": { post: envelope(`reply+reply+${TOKEN}`), want: { ...reply, via: "token" } },
  "a blind copy: only the envelope knows": {
    mail: { headers: { To: "undisclosed-recipients:;" } },
    want: { ...reply, via: "token" },
  },
  "two tokens in To: the envelope decides": {
    mail: { headers: { To: `${OWNER}@in.bloom.example, ${TOKEN}@in.bloom.example` } },
    want: { ...reply, token: TOKEN },
  },
  "no envelope: the headers stand in": {
    post: { envelope: { to: [], from: null } },
    want: { ...reply, via: "token", token: TOKEN },
  },
  "no envelope and the token in Cc": {
    mail: { headers: { To: "somebody@fern.example", Cc: `Iris <${TOKEN}@in.bloom.example>` } },
    post: { envelope: { to: [], from: null } },
    want: { ...reply, token: TOKEN },
  },
  "the former system's address": {
    post: envelope(`msg_${MESSAGES.former.id}.u_11111111-2222-4333-8444-555555555555.c_none`),
    want: { ...reply, via: "legacy", message_id: MESSAGES.former.id, token: null },
  },
  "the former address, cut at 64 characters": {
    post: envelope(`msg_${MESSAGES.former.id}.u_11111111-2222-4333-8444-555`),
    want: { ...reply, via: "legacy", message_id: MESSAGES.former.id },
  },
  "a recipient that was rewritten on the way: the headers stand in": {
    post: envelope("catchall"),
    want: { ...reply, via: "token", token: TOKEN },
  },
  "a recipient without a token beside one that has its own post": {
    mail: { headers: { To: `hello@in.bloom.example, ${TOKEN}@in.bloom.example` } },
    post: envelope("hello"),
    want: { kind: "new_mail", verdict: "store" },
  },
  "the former address, cut within the message's id": {
    mail: { headers: { To: `msg_${MESSAGES.former.id.slice(0, 20)}@in.bloom.example` } },
    post: envelope(`msg_${MESSAGES.former.id.slice(0, 20)}`),
    want: { kind: "new_mail", verdict: "store", via: "none" },
  },
  "an unknown token, and an answer to ours": {
    mail: { headers: { "In-Reply-To": `<${MESSAGES.sent.id}@bloom.example>` } },
    post: envelope("aaaabbbbccccdddd"),
    want: { ...reply, via: "references", message_id: MESSAGES.sent.id, token: null },
  },
  "an unknown token, and ours among the references": {
    mail: { headers: { References: `<${MESSAGES.sent.id}@bloom.example> <x@fern.example>` } },
    post: envelope("aaaabbbbccccdddd"),
    want: { ...reply, via: "references" },
  },
  "a reference from somebody whom we did not write to": {
    mail: {
      headers: { "From": "Bob <bob@moss.example>", "In-Reply-To": `<${MESSAGES.sent.id}@bloom.example>` },
    },
    post: { ...envelope("aaaabbbbccccdddd", "bob@moss.example"), dkim: { "moss.example": "pass" } },
    want: { kind: "new_mail", verdict: "store", via: "none", message_id: null, sender_is_recipient: null },
  },
  "a reference that nobody vouches for": {
    mail: { headers: { "In-Reply-To": `<${MESSAGES.sent.id}@bloom.example>` } },
    post: { ...envelope("aaaabbbbccccdddd"), ...forged },
    want: { kind: "new_mail", verdict: "store", via: "none" },
  },
  "a stranger": {
    mail: { headers: { From: "Bob <bob@moss.example>", To: "hello@in.bloom.example" } },
    post: { ...envelope("hello", "bob@moss.example"), dkim: { "moss.example": "pass" } },
    want: { kind: "new_mail", verdict: "store", forward: null, sender_is_recipient: null },
  },
  "an identity without an inbox": {
    resolved: { identity: { ...IDENTITY, forward_to: null } },
    want: { kind: "reply", verdict: "store", counted: true, forward: null },
  },
  // Who wrote.
  "another person of another company": {
    mail: { headers: { From: "Bob <bob@moss.example>" } },
    post: { ...envelope(TOKEN, "bob@moss.example"), dkim: { "moss.example": "pass" } },
    want: { ...reply, sender: "other", sender_is_recipient: false },
  },
  "aligned by DKIM of a subdomain, SPF of a mailing service": {
    post: { envelope: { ...to(TOKEN), from: "b@mailer.test" }, dkim: { "news.fern.example": "pass" } },
    want: { ...reply, verified: true },
  },
  "aligned by SPF of a subdomain alone": {
    post: { envelope: { ...to(TOKEN), from: "b@bounce.fern.example" }, dkim: {} },
    want: { ...reply, verified: true },
  },
  "aligned by SPF, DKIM broken on the way": {
    post: { dkim: { "fern.example": "fail" } },
    want: { ...reply, verified: true },
  },
  "neither SPF nor DKIM": {
    post: forged,
    want: { kind: "spoof", verdict: "quarantine", verified: false, forward: null },
  },
  "a temporary error of SPF proves nothing": {
    post: { spf: "temperror", dkim: {} },
    want: { kind: "spoof", verdict: "quarantine" },
  },
  "passed for the forger's own domain": {
    post: { envelope: { ...to(TOKEN), from: "x@evil.test" }, dkim: { "evil.test": "pass" } },
    want: { kind: "spoof", verdict: "quarantine", verified: false },
  },
  "a domain that only ends alike": {
    post: { envelope: { ...to(TOKEN), from: "x@notfern.example" }, dkim: { "notfern.example": "pass" } },
    want: { kind: "spoof", verdict: "quarantine" },
  },
  "two neighbours on a public suffix": {
    mail: { headers: { From: "Mara <mara@fern.co.uk>" } },
    post: { envelope: { ...to(TOKEN), from: "x@evil.co.uk" }, dkim: { "evil.co.uk": "pass" } },
    want: { kind: "spoof", verdict: "quarantine" },
  },
  "two neighbours on a hoster's domain": {
    mail: { headers: { From: "Mara <mara@fern.github.io>" } },
    post: { envelope: { ...to(TOKEN), from: "x@evil.github.io" }, dkim: { "evil.github.io": "pass" } },
    want: { kind: "spoof", verdict: "quarantine" },
  },
  "two authors in one From": {
    mail: { headers: { From: "mara@fern.example, x@evil.test" } },
    post: {
      envelope: { ...to(TOKEN), from: "x@evil.test" },
      dkim: { "evil.test": "pass", "fern.example": "pass" },
    },
    want: { kind: "spoof", verdict: "quarantine", verified: false },
  },
  "two From headers": {
    mail: { headers: { From: ["mara@fern.example", "x@evil.test"] } },
    want: { kind: "spoof", verdict: "quarantine" },
  },
  "the same author twice": {
    mail: { headers: { From: ["mara@fern.example", "Mara <MARA@fern.example>"] } },
    want: reply,
  },
  "no From at all": { mail: { headers: { From: null } }, want: { kind: "spoof", verdict: "quarantine" } },
  "an author's name that looks like an address": {
    mail: { headers: { From: '"mara@fern.example" <x@evil.test>' } },
    post: { envelope: { ...to(TOKEN), from: "x@evil.test" }, dkim: { "evil.test": "pass" } },
    want: { ...reply, sender: "other", sender_is_recipient: false },
    facts: { from: { address: "x@evil.test", name: "mara@fern.example" } },
  },
  "results that the mail claims for itself": {
    mail: {
      headers: { "Authentication-Results": "mx.sendgrid.net; dkim=pass header.d=fern.example; dmarc=pass" },
    },
    post: forged,
    want: { kind: "spoof", verdict: "quarantine" },
  },
  "a domain in another script": {
    mail: { headers: { From: "Mara <mara@bücher.example>" } },
    post: { envelope: { ...to(TOKEN), from: "x@other.test" }, dkim: { "xn--bcher-kva.example": "pass" } },
    want: { ...reply, verified: true },
  },
  // The owner.
  "the owner answers the forward": {
    mail: { headers: owner.headers },
    post: owner.post,
    want: {
      kind: "owner_reply",
      verdict: "relay",
      relay: { identity_id: IDENTITY.id, from: "iris@bloom.example", to: "mara@fern.example" },
      forward: null,
      sender: "owner",
    },
  },
  "somebody writes as the owner": {
    mail: { headers: owner.headers },
    post: { ...owner.post, ...forged },
    want: { kind: "spoof", verdict: "quarantine", relay: null },
  },
  "the owner's machine answers": {
    mail: { headers: { ...owner.headers, "Auto-Submitted": "auto-replied" } },
    post: owner.post,
    want: { kind: "auto_reply", verdict: "store", relay: null },
  },
  "the owner's answer with a stop word": {
    mail: { headers: owner.headers, body: "Stop\n" },
    post: owner.post,
    want: { kind: "owner_reply", verdict: "relay", suppress: null },
  },
  "the owner sends the forward back without a word": {
    mail: { headers: owner.headers, body: "> Noon is fine.\n" },
    post: owner.post,
    want: { kind: "owner_reply", verdict: "store", relay: null },
  },
  "the owner writes to the address of an own message": {
    mail: { headers: { From: "iris.private@vale.example" } },
    post: { envelope: { ...to(TOKEN), from: "iris.private@vale.example" }, dkim: { "vale.example": "pass" } },
    want: { kind: "owner_reply", verdict: "store", relay: null, forward: null },
  },
  "the owner is the recipient, as when trying things out": {
    resolved: { identity: { ...IDENTITY, forward_to: "mara@fern.example" } },
    want: { ...reply, sender: "recipient", forward: { identity_id: IDENTITY.id, to: "mara@fern.example" } },
  },
  "the contact writes to the token of the forward": {
    post: envelope(OWNER),
    want: { ...reply, sender: "contact", sender_is_recipient: false, relay: null },
  },
  "a stranger writes to the token of the forward": {
    mail: { headers: { From: "bob@moss.example" } },
    post: { ...envelope(OWNER, "bob@moss.example"), dkim: { "moss.example": "pass" } },
    want: { ...reply, sender: "other", relay: null },
  },
  // Machines.
  ...Object.fromEntries(
    [
      ["auto-replied", "auto-submitted"],
      ["auto-generated", "auto-submitted"],
      ["auto-replied (vacation)", "auto-submitted"],
      ["auto-notified; owner-email=x@y.test", "auto-submitted"],
      ["Auto-Replied", "auto-submitted"],
    ].map(([value, auto]) => [`Auto-Submitted: ${value}`, {
      mail: { headers: { "Auto-Submitted": value } },
      want: { kind: "auto_reply", auto, ...machine },
    } as Case]),
  ),
  "Auto-Submitted: no is a person": { mail: { headers: { "Auto-Submitted": "no" } }, want: reply },
  "X-Auto-Response-Suppress is a wish, not a sign": {
    mail: { headers: { "X-Auto-Response-Suppress": "OOF, DR, RN, NRN, AutoReply" } },
    want: reply,
  },
  "Precedence: bulk": {
    mail: { headers: { Precedence: "bulk" } },
    want: { kind: "auto_reply", auto: "precedence", ...machine },
  },
  "Precedence: auto_reply": {
    mail: { headers: { Precedence: "auto_reply" } },
    want: { kind: "auto_reply", auto: "precedence", ...machine },
  },
  "X-Autoreply": {
    mail: { headers: { "X-Autoreply": "yes" } },
    want: { kind: "auto_reply", auto: "autoreply-header", ...machine },
  },
  "X-Autorespond": {
    mail: { headers: { "X-Autorespond": "Seeds" } },
    want: { kind: "auto_reply", ...machine },
  },
  "the null sender, and nothing else": {
    post: { envelope: { ...to(TOKEN), from: "" } },
    want: { kind: "auto_reply", auto: "null-sender", ...machine },
  },
  "from noreply@": {
    mail: { headers: { From: "no-reply@fern.example" } },
    want: { kind: "auto_reply", auto: "sender", ...machine },
  },
  "a mailing list": {
    mail: { headers: { "List-Id": "<seeds.fern.example>", "Precedence": "list" } },
    want: { kind: "bulk", auto: "list", ...machine },
  },
  "a newsletter": {
    mail: { headers: { "List-Unsubscribe": "<https://fern.example/u>", "Subject": "Our news" } },
    want: { kind: "bulk", ...machine },
  },
  "an answer through a program for newsletters": {
    mail: {
      headers: {
        "List-Unsubscribe": "<https://fern.example/u>",
        "In-Reply-To": `<${MESSAGES.sent.id}@bloom.example>`,
      },
    },
    want: reply,
  },
  "headers of an attached mail do not count": {
    mail: multipart("multipart/mixed", [
      "Content-Type: text/plain\n\nSee the attached mail.",
      "Content-Type: message/rfc822\nContent-Disposition: attachment; filename=old.eml\n\n" +
      "From: x@y.test\nAuto-Submitted: auto-replied\nX-Gatelink-Forwarded: 1\nList-Id: <a.b>\n\nold",
    ]),
    want: reply,
    facts: { text: "See the attached mail." },
  },
  // Reports.
  "an address that does not exist": {
    mail: report("5.1.1", { code: "550 5.1.1 no such user" }),
    post: daemon,
    want: {
      kind: "bounce",
      verdict: "suppress",
      suppress: { address: "mara@fern.example", reason: "hard_bounce" },
      verified: null,
      auto: "report",
    },
    facts: { text: "" },
  },
  "a full mailbox": {
    mail: report("5.2.2", { code: "552 5.2.2 mailbox full" }),
    post: daemon,
    want: { kind: "bounce", verdict: "store", suppress: null },
  },
  "a server that refuses us": {
    mail: report("5.7.26", { code: "550-5.7.26 unauthenticated email" }),
    post: daemon,
    want: { kind: "bounce", verdict: "store", suppress: null },
  },
  "a server that keeps trying": {
    mail: report("4.4.7", { action: "delayed" }),
    post: daemon,
    want: { kind: "delay", verdict: "store" },
  },
  "a server that delivered": {
    mail: report("2.0.0", { action: "delivered" }),
    post: daemon,
    want: { kind: "receipt", verdict: "store" },
  },
  "a bounce of somebody else's address suppresses nobody": {
    mail: report("5.1.1", { address: "victim@moss.example" }),
    post: daemon,
    want: { kind: "bounce", verdict: "store", suppress: null },
  },
  "backscatter of a mail that is not ours": {
    mail: report("5.1.1", { about: "01980000-0000-7000-8000-00000000dead" }),
    post: { ...daemon, envelope: { ...to("aaaabbbbccccdddd"), from: "" } },
    want: { kind: "bounce", verdict: "store", suppress: null, via: "none" },
  },
  "a bounce that is only known by what it returns": {
    mail: { ...report("5.1.1"), headers: { ...report("5.1.1").headers, To: "bounces@in.bloom.example" } },
    post: { ...daemon, envelope: { ...to("bounces"), from: "" } },
    want: { kind: "bounce", verdict: "suppress", via: "references", message_id: MESSAGES.sent.id },
  },
  "a report in a multipart/mixed": {
    mail: multipart("multipart/mixed", [
      "Content-Type: text/plain\n\nNot delivered.",
      "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; mara@fern.example\nAction: failed\nStatus: 5.1.1\n",
    ]),
    post: daemon,
    want: { kind: "bounce", verdict: "suppress" },
    facts: { text: "", attachments: [] },
  },
  "a bounce in words": {
    mail: {
      headers: { "From": "MAILER-DAEMON@fern.example", "Subject": "failure notice", "Content-Type": null },
      body:
        "Hi. This is the qmail-send program.\n\n<mara@fern.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n" +
        "--- Below this line is a copy of the message.\n\nFrom: iris@bloom.example\n",
    },
    post: daemon,
    want: { kind: "bounce", verdict: "suppress", auto: "bounce" },
    facts: { text: "" },
  },
  "a person who writes about a bounce": {
    mail: {
      headers: { Subject: "Undeliverable: what does that mean?" },
      body: "I got 550 5.1.1 for mara@fern.example.\n",
    },
    want: reply,
  },
  "a complaint": {
    mail: {
      ...multipart("multipart/report; report-type=feedback-report", [
        "Content-Type: text/plain\n\nAn abuse report.",
        "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Fern/1\nVersion: 1\n",
        `Content-Type: message/rfc822\n\nMessage-ID: <${MESSAGES.sent.id}@bloom.example>\n\nseeds`,
      ]),
    },
    post: { ...daemon, dkim: { "isp.test": "pass" } },
    want: {
      kind: "complaint",
      verdict: "suppress",
      suppress: { address: "mara@fern.example", reason: "complaint" },
    },
  },
  "a receipt": {
    mail: multipart("multipart/report; report-type=disposition-notification", [
      "Content-Type: text/plain\n\nYour mail was shown.",
      "Content-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed\n",
    ]),
    want: { kind: "receipt", verdict: "store", verified: true },
    facts: { text: "", attachments: [] },
  },
  // Calendars.
  "an invitation is accepted": {
    mail: multipart("multipart/alternative", [
      "Content-Type: text/plain\n\nMara has accepted.",
      calendar("REPLY", "ATTENDEE;CN=Mara;PARTSTAT=ACCEPTED:mailto:mara@fern.example\n"),
    ]),
    want: { kind: "calendar", verdict: "forward", counted: false, auto: "calendar" },
    facts: {
      calendar: { method: "REPLY", uid: "seeds-7@fern.example", partstat: "ACCEPTED" },
      attachments: [],
    },
  },
  "an answer of a calendar that says it is automatic": {
    mail: {
      ...multipart("multipart/alternative", ["Content-Type: text/plain\n\nAccepted.", calendar("REPLY")]),
      headers: {
        ...multipart("multipart/alternative", []).headers,
        "Auto-Submitted": "auto-generated",
      },
    },
    want: { kind: "calendar", verdict: "forward", counted: false, auto: "calendar" },
  },
  "a calendar that somebody attaches": {
    mail: multipart("multipart/mixed", ["Content-Type: text/plain\n\nOur dates.", calendar("PUBLISH")]),
    want: reply,
  },
  "a person invites": {
    mail: multipart("multipart/alternative", [
      "Content-Type: text/plain\n\nShall we meet?",
      calendar("REQUEST"),
    ]),
    want: { kind: "calendar", verdict: "forward", counted: true, auto: null },
    facts: { text: "Shall we meet?" },
  },
  "an unverified invitation": {
    mail: multipart("multipart/alternative", [
      "Content-Type: text/plain\n\nShall we meet?",
      calendar("REQUEST"),
    ]),
    post: forged,
    want: { kind: "spoof", verdict: "quarantine" },
  },
  // No more mail.
  "the button of a mail program": {
    mail: { headers: { Subject: "unsubscribe" }, body: "\n" },
    want: {
      kind: "unsubscribe",
      verdict: "suppress",
      suppress: { address: "mara@fern.example", reason: "unsubscribe" },
      forward: null,
    },
  },
  "the button of a program that says it is one": {
    mail: {
      headers: { "Subject": "Unsubscribe", "Auto-Submitted": "auto-generated" },
      body: "This message was automatically generated.\n",
    },
    want: { kind: "unsubscribe", verdict: "suppress" },
  },
  "a stop word, also forwarded": {
    mail: { body: "Stop!\n\nSent from my iPhone\n" },
    want: {
      kind: "unsubscribe",
      verdict: "suppress",
      forward: { identity_id: IDENTITY.id, to: "iris.private@vale.example" },
    },
  },
  "a sentence with the word is an answer": { mail: { body: "Please stop by at noon.\n" }, want: reply },
  "somebody else cannot unsubscribe the recipient": {
    mail: { headers: { From: "bob@moss.example", Subject: "unsubscribe" } },
    post: { ...envelope(TOKEN, "bob@moss.example"), dkim: { "moss.example": "pass" } },
    want: { kind: "reply", suppress: null },
  },
  "a forger cannot either": {
    mail: { headers: { Subject: "unsubscribe" } },
    post: forged,
    want: { kind: "spoof", verdict: "quarantine", suppress: null },
  },
  // Circles.
  "our forward comes back": {
    mail: { headers: { "X-Gatelink-Forwarded": "d1" } },
    want: { kind: "loop", verdict: "loop", loop: "own_forward", forward: null },
  },
  "the former system's forward comes back": {
    mail: { headers: { "X-OldGate-Forwarded": "yes" } },
    want: { kind: "loop", verdict: "loop", loop: "own_forward" },
  },
  "from our reply domain": {
    mail: { headers: { From: `${OWNER}@in.bloom.example` } },
    want: { kind: "loop", verdict: "loop", loop: "from_own_domain" },
  },
  "from the address of our forwards": {
    mail: { headers: { From: "Mara via Bloom <answers@bloom.example>" } },
    want: { kind: "loop", verdict: "loop", loop: "from_own_domain" },
  },
  "from an identity": {
    mail: { headers: { From: "iris@bloom.example" } },
    want: { kind: "loop", verdict: "loop", loop: "from_own_domain" },
  },
  "with a Message-ID of ours": {
    mail: { headers: { "Message-ID": `<${MESSAGES.sent.id}@bloom.example>` } },
    want: { kind: "loop", verdict: "loop", loop: "own_message_id" },
  },
  "with a Message-ID that the provider gave us": {
    resolved: { message_id_is_ours: true },
    want: { kind: "loop", verdict: "loop", loop: "own_message_id" },
  },
  "through us four times": {
    mail: { headers: { "X-Gatelink-Hops": "4" } },
    want: { kind: "loop", verdict: "loop", loop: "hops" },
  },
  "through us three times": { mail: { headers: { "X-Gatelink-Hops": "3" } }, want: reply },
  "51 servers": {
    mail: { headers: { Received: Array.from({ length: 51 }, (_, at) => `from a${at}.test by b.test`) } },
    want: { kind: "loop", verdict: "loop", loop: "hops" },
  },
  "50 servers": {
    mail: { headers: { Received: Array.from({ length: 50 }, (_, at) => `from a${at}.test by b.test`) } },
    want: reply,
  },
  "the 21st mail in an hour is kept, and not forwarded": {
    resolved: { last_hour: 20 },
    want: { kind: "reply", verdict: "store", forward: null, loop: "pace" },
  },
  "the 20th is forwarded": { resolved: { last_hour: 19 }, want: reply },
  "the same text within a minute is kept, and not forwarded": {
    resolved: { same_text: 1 },
    want: { kind: "reply", verdict: "store", forward: null, loop: "same_text" },
  },
  // Broken.
  "no Message-ID": { mail: { headers: { "Message-ID": null } }, want: reply, facts: { message_id: null } },
  "two Message-IDs: the first counts": {
    mail: { headers: { "Message-ID": ["<a@fern.example>", "<b@fern.example>"] } },
    want: reply,
    facts: { message_id: "a@fern.example" },
  },
  "Latin-1 without a word about it": {
    mail: { headers: { "Content-Type": null }, body: latin1("Schöne Grüße\r\n") },
    want: reply,
    facts: { text: "Schöne Grüße" },
  },
  "a charset that nobody knows": {
    mail: { headers: { "Content-Type": "text/plain; charset=x-tandem-17" }, body: "Noon.\n" },
    want: reply,
    facts: { text: "Noon." },
  },
  "NUL and other controls": {
    mail: { body: "No\0on\u0007.\u000b\n" },
    want: reply,
    facts: { text: "Noon." },
  },
  "cut off within a part": {
    mail: {
      headers: { "Content-Type": 'multipart/alternative; boundary="x"' },
      body: "--x\nContent-Type: text/plain\n\nNoon is fi",
    },
    want: reply,
    facts: { text: "Noon is fi" },
  },
  "a boundary that is not the one that was announced": {
    mail: {
      headers: { "Content-Type": "multipart/mixed" },
      body: "--y\nContent-Type: text/plain\n\nNoon.\n--y--\n",
    },
    want: reply,
    facts: { text: "Noon." },
  },
  "an empty mail": { mail: { body: "" }, want: reply, facts: { text: "", text_full: "" } },
};

for (const [name, { mail, post, resolved, want, facts: wanted = {} }] of Object.entries(CASES)) {
  Deno.test(`judge(): ${name}`, async () => {
    const { facts, judgement } = await judged(rawMail(mail), postOf(post), resolved);
    const seen = Object.fromEntries(Object.keys(want).map((key) => [key, judgement[key as keyof Judgement]]));
    assertEquals(seen, want, judgement.reasons.join(" "));
    const found = Object.fromEntries(Object.keys(wanted).map((key) => [key, facts[key as keyof MailFacts]]));
    assertEquals(found, wanted);
    assert(
      judgement.reasons.length > 0 && judgement.reasons.every((reason) => /^[A-Z0-9].*\.$/.test(reason)),
    );
  });
}

Deno.test("factsOf(): one item for each recipient of ours, with keys that differ, the same again for a repetition", async () => {
  const { readMail } = await import("./mime.ts");
  const { factsOf } = await import("./facts.ts");
  const { WORLD } = await import("../../../../tests/support/mails.ts");
  const post = postOf({
    envelope: {
      to: [`${TOKEN}@in.bloom.example`, "other@moss.example", `${OWNER}@in.bloom.example`],
      from: "mara@fern.example",
    },
  });
  const read = async (raw: Uint8Array) => await factsOf(readMail(raw), post, WORLD, raw);
  const raw = rawMail();
  const [one, two, ...more] = await read(raw);
  assertEquals(more, []);
  assertEquals([one.recipient, two.recipient], [`${TOKEN}@in.bloom.example`, `${OWNER}@in.bloom.example`]);
  assert(one.key !== two.key);
  assertEquals((await read(raw)).map(({ key }) => key), [one.key, two.key]);
  // Without a Message-ID, the bytes tell mails apart.
  const nameless = (body: string) => rawMail({ headers: { "Message-ID": null }, body });
  const [a] = await read(nameless("a")), [b] = await read(nameless("b")), [again] = await read(nameless("a"));
  assert(a.key !== b.key && a.key === again.key);
});

Deno.test("factsOf(): the same text has the same hash, whatever its blanks; empty texts differ by subject", async () => {
  const hash = async (draft: Draft) => (await judged(rawMail(draft))).facts.text_hash;
  assertEquals(await hash({ body: "Noon  is\nfine." }), await hash({ body: "noon is fine.\n\n" }));
  assert(await hash({ body: "Noon." }) !== await hash({ body: "One." }));
  assert(
    await hash({ body: "", headers: { Subject: "a" } }) !==
      await hash({ body: "", headers: { Subject: "b" } }),
  );
});

Deno.test("factsOf(): a long text is the same under another quote, and not with another attachment; a short one is not", async () => {
  const hash = async (draft: Draft) => (await judged(rawMail(draft))).facts.text_hash;
  const long = "I am away until the ninth and read my mails after that.";
  const under = (text: string, quote: string) => `${text}\n\nOn Tue, Iris Vale wrote:\n> ${quote}\n`;
  assertEquals(await hash({ body: under(long, "a") }), await hash({ body: under(long, "a\n> b") }));
  assert(await hash({ body: under("Yes.", "Noon?") }) !== await hash({ body: under("Yes.", "One?") }));
  const picture = (name: string) =>
    multipart("multipart/mixed", [
      `Content-Type: text/plain\n\n${long}`,
      `Content-Type: image/png\nContent-Disposition: attachment; filename=${name}\n\npng`,
    ]);
  assert(await hash(picture("one.png")) !== await hash(picture("two.png")));
});

Deno.test("judge(): the owner's mails that come round and round are not relayed either", async () => {
  const raw = rawMail({
    headers: { From: "iris.private@vale.example", To: `<${MESSAGES.forwarded.token}@in.bloom.example>` },
  });
  const post = postOf({
    envelope: { to: [`${MESSAGES.forwarded.token}@in.bloom.example`], from: "iris.private@vale.example" },
    dkim: { "vale.example": "pass" },
  });
  for (const [more, loop] of [[{ same_text: 1 }, "same_text"], [{ last_hour: 20 }, "pace"]] as const) {
    const { judgement } = await judged(raw, post, more);
    assertEquals([judgement.kind, judgement.verdict, judgement.loop, judgement.relay], [
      "owner_reply",
      "store",
      loop,
      null,
    ]);
  }
  assertEquals((await judged(raw, post, { last_hour: 19 })).judgement.verdict, "relay");
});

Deno.test("facts and judgement are plain JSON that Postgres can hold", async () => {
  const raw = bytesOf(
    rawMail({
      headers: { Subject: "\u0000a=?utf-8?B?AABhAA==?=", From: "M\u0000 <mara@fern.example>" },
      body: "\ud800 \0 \u0085",
    }),
  );
  const { facts, judgement } = await judged(raw);
  const text = JSON.stringify({ facts, judgement });
  assertEquals(JSON.parse(text), { facts, judgement });
  assert(!text.includes("\\u0000") && text.isWellFormed());
});
