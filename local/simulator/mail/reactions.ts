/** What comes back besides answers: notices of absence, bounces, lists, forgeries, mails that are too big. */
import { bare, type Original } from "./clients.ts";
import { type Language, WORDS } from "./languages.ts";
import type { MailWay, WrittenMail } from "./mime.ts";

/** A mail and the way that it takes. */
export interface Posted {
  mail: WrittenMail;
  way?: MailWay;
}

/** What can happen to a mail, with the words of the page. */
export const REACTIONS = {
  away: "Out of office",
  bounce_hard: "Bounce: no such person",
  bounce_soft: "Bounce: mailbox full",
  bounce_delayed: "Bounce: delayed, still trying",
  list: "Mailing list",
  forger: "Forger in this name",
  receipt: "Read receipt",
  big: "Answer of 30 MB",
} as const;
export type Reaction = keyof typeof REACTIONS;

/** Fields of a delivery report (RFC 3464 2.3) and what a person reads. */
const BOUNCES = {
  bounce_hard: {
    ...{ action: "failed", status: "5.1.1" },
    diagnostic: "550 5.1.1 The email account that you tried to reach does not exist.",
    subject: "Delivery Status Notification (Failure)",
  },
  bounce_soft: {
    ...{ action: "failed", status: "5.2.2" },
    diagnostic: "552 5.2.2 The recipient's inbox is out of storage space.",
    subject: "Delivery Status Notification (Failure)",
  },
  bounce_delayed: {
    ...{ action: "delayed", status: "4.4.1" },
    diagnostic: "421 4.4.1 No answer from host.",
    subject: "Delivery Status Notification (Delay)",
  },
} as const;

/** Just below the 30 MB that SendGrid takes: bytes of the file before base64, which adds a third and line ends. */
export const BIG_FILE = Math.floor(29.5 * 1024 * 1024 / 4 * 3 / (78 / 76));

/** The mail that a reaction makes. */
export function reactionTo(original: Original, reaction: Reaction, language: Language): Posted {
  switch (reaction) {
    case "away":
      return away(original, language);
    case "bounce_hard":
    case "bounce_soft":
    case "bounce_delayed":
      return bounce(original, BOUNCES[reaction]);
    case "list":
      return list(original);
    case "forger":
      return forger(original);
    case "receipt":
      return receipt(original);
    case "big":
      return big(original);
  }
}

/** Addressed to where answers go, in the thread. */
function reply(original: Original): Pick<WrittenMail, "from" | "to" | "inReplyTo" | "references"> {
  const { to, answersTo, messageId, references } = original;
  return {
    from: to,
    to: answersTo.address,
    inReplyTo: messageId,
    references: [...references, messageId],
  };
}

/** As Exchange does it: a null sender in the envelope, and the header of RFC 3834. */
function away(original: Original, language: Language): Posted {
  const { subject, text } = WORDS[language].away;
  return {
    mail: {
      ...reply(original),
      subject: subject + bare(original.subject),
      text,
      headers: {
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-MS-Exchange-Inbox-Rules-Loop": original.to.address,
      },
    },
    way: { sender: "" },
  };
}

/** A delivery report of a server that sends it to where answers go. */
function bounce(original: Original, kind: (typeof BOUNCES)[keyof typeof BOUNCES]): Posted {
  const { to, answersTo } = original;
  const host = to.address.split("@")[1];
  return {
    mail: {
      from: { address: `mailer-daemon@${host}`, name: "Mail Delivery Subsystem" },
      to: answersTo.address,
      subject: kind.subject,
      text: `Your message to ${to.address} ${
        kind.action === "delayed" ? "has been delayed. We will keep trying" : "was not delivered"
      }.\n\n${kind.diagnostic}\n`,
      headers: { "Auto-Submitted": "auto-replied", "X-Failed-Recipients": to.address },
      report: {
        type: "delivery-status",
        fields: `Reporting-MTA: dns; ${host}\n\n` +
          `Final-Recipient: rfc822; ${to.address}\nAction: ${kind.action}\nStatus: ${kind.status}\n` +
          `Diagnostic-Code: smtp; ${kind.diagnostic}\n`,
        returned: returnedHeaders(original),
      },
    },
    way: { sender: "" },
  };
}

const returnedHeaders = ({ from, to, subject, messageId }: Original) =>
  `From: ${from.address}\nTo: ${to.address}\nSubject: ${
    /^[\x20-\x7e]*$/.test(subject) ? subject : "mail"
  }\nMessage-ID: ${messageId}\n`;

/** A post to a list that somebody subscribed the address to. */
function list(original: Original): Posted {
  const host = original.to.address.split("@")[1];
  const name = `neighbours.lists.${host}`;
  return {
    mail: {
      from: original.to,
      to: `neighbours@lists.${host}`,
      subject: "[neighbours] Who has a ladder?",
      text: "Could somebody lend me a ladder for the weekend?\n\n-- \nneighbours mailing list\n",
      headers: {
        "List-Id": `<${name}>`,
        "List-Unsubscribe": `<mailto:neighbours-leave@lists.${host}>`,
        "List-Post": `<mailto:neighbours@lists.${host}>`,
        Precedence: "list",
        "X-BeenThere": `neighbours@lists.${host}`,
      },
    },
    way: { sender: `neighbours-bounces@lists.${host}`, recipients: [original.answersTo.address] },
  };
}

/** Somebody else in this person's name: neither SPF nor DKIM is the person's domain's. */
function forger(original: Original): Posted {
  return {
    mail: {
      ...reply(original),
      subject: `Re: ${bare(original.subject)}`,
      text: "My bank details have changed. Please send the money to the new account.",
      headers: { "Authentication-Results": `mx.example; spf=pass; dkim=pass header.d=${domain(original)}` },
    },
    way: { sender: "a@attacker.example", spf: "fail", dkim: "attacker.example" },
  };
}

const domain = ({ to }: Original) => to.address.split("@")[1];

/** A disposition notification (RFC 8098), as Outlook sends it. */
function receipt(original: Original): Posted {
  const { to, messageId } = original;
  return {
    mail: {
      ...reply(original),
      subject: `Read: ${bare(original.subject)}`,
      text: "Your message was read.",
      report: {
        type: "disposition-notification",
        fields: `Reporting-UA: mail.example; Outlook\nFinal-Recipient: rfc822; ${to.address}\n` +
          `Original-Message-ID: ${messageId}\nDisposition: manual-action/MDN-sent-manually; displayed\n`,
        returned: returnedHeaders(original),
      },
    },
    way: { sender: "" },
  };
}

/** As large as SendGrid passes it on. */
function big(original: Original): Posted {
  return {
    mail: {
      ...reply(original),
      subject: `Re: ${bare(original.subject)}`,
      text: "Here is the film of the party.",
      attachments: [{ name: "party.mov", type: "video/quicktime", size: BIG_FILE }],
    },
  };
}
