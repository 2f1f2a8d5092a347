/** Answers of about 20 KB as SendGrid's Inbound Parse posts them: Gmail's two parts, the answered mail quoted in both. */
import { createPrivateKey, sign } from "node:crypto";
import { post } from "../load.ts";

/** Where mails are posted, and the key that signs them (PKCS #8 in base64). */
export interface MailTarget {
  hostname: string;
  port: number;
  signingKey: string;
  replyDomain: string;
}

/** Bytes of a mail. */
export const MAIL_BYTES = 20_000;

/** An answer: its number, unique over all runs, and the person and token of its conversation. */
export interface Answer {
  number: number;
  person: string;
  token: string;
}

const encoder = new TextEncoder();

/** Requests of answers, signed, ready to be written to a connection. */
export function requests(target: MailTarget, answers: readonly Answer[], path: string): Uint8Array[] {
  const key = createPrivateKey({
    key: Uint8Array.from(atob(target.signingKey), (char) => char.charCodeAt(0)) as never,
    format: "der",
    type: "pkcs8",
  });
  return answers.map((answer) => {
    const body = encoder.encode(form(answer, target.replyDomain));
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signed = new Uint8Array(timestamp.length + body.length);
    signed.set(encoder.encode(timestamp));
    signed.set(body, timestamp.length);
    return post(`${target.hostname}:${target.port}`, path, {
      "content-type": "multipart/form-data; boundary=xYzZY",
      "x-twilio-email-event-webhook-timestamp": timestamp,
      "x-twilio-email-event-webhook-signature": sign("sha256", signed, key).toString("base64"),
    }, body);
  });
}

/** The form of raw mode. */
function form(answer: Answer, domain: string): string {
  const to = `${answer.token}@${domain}`;
  const fields = {
    headers: "",
    dkim: "{@people.example : pass}",
    email: mail(answer, to),
    to: `Alex Morgan <${to}>`,
    from: `Casey Brooks <${answer.person}>`,
    sender_ip: "192.0.2.25",
    spam_report: "Spam detection software has NOT identified this incoming email as spam.",
    envelope: JSON.stringify({ to: [to], from: answer.person }),
    subject: "Re: Your order",
    spam_score: "0.1",
    charsets: JSON.stringify({ to: "UTF-8", from: "UTF-8", subject: "UTF-8" }),
    SPF: "pass",
  };
  return Object.entries(fields).map(([name, value]) =>
    `--xYzZY\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  ).join("") + "--xYzZY--\r\n";
}

/** Where the answers of this run come from, so that none is a repetition of an earlier run's. */
const RUN = crypto.randomUUID();

function mail({ number, person }: Answer, to: string): string {
  const head = [
    "Received: from mail.people.example (mail.people.example [192.0.2.25]) by mx.example.net with ESMTP id x1",
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=people.example; s=mail; h=from:to:subject:date;",
    ` bh=${"x".repeat(43)}=; b=${"y".repeat(340)}`,
    "MIME-Version: 1.0",
    `In-Reply-To: <${RUN}-asked-${number}@mail.example.net>`,
    `References: <${RUN}-asked-${number}@mail.example.net>`,
    `From: Casey Brooks <${person}>`,
    "Date: Tue, 24 Nov 2026 10:15:00 +0100",
    `Message-ID: <${RUN}-${number}@mail.people.example>`,
    `Subject: Re: Your order`,
    `To: Alex Morgan <${to}>`,
    'Content-Type: multipart/alternative; boundary="000000000000b1"',
    "",
    "--000000000000b1",
    'Content-Type: text/plain; charset="UTF-8"',
    "Content-Transfer-Encoding: quoted-printable",
    "",
  ].join("\r\n");
  const words =
    `Thank you, that is question ${number}.\n\nCould the caf=C3=A9 keep it until Saturday?\n\nCasey`;
  const quote = Array.from(
    { length: 60 },
    (_, i) => `> ${i} Your order is ready, and waits in the shop for you.`,
  );
  const text = [words, "", `On Tue, Nov 24, 2026 at 9:15 AM Alex Morgan <${to}> wrote:`, "", ...quote].join(
    "\n",
  );
  const middle = [
    "",
    "--000000000000b1",
    'Content-Type: text/html; charset="UTF-8"',
    "Content-Transfer-Encoding: quoted-printable",
    "",
    `<div dir=3D"ltr">${words.replaceAll("\n\n", "<br><br>")}</div><br><div class=3D"gmail_quote">`,
    `<div dir=3D"ltr" class=3D"gmail_attr">On Tue, Nov 24, 2026 at 9:15 AM Alex Morgan wrote:<br></div>`,
    '<blockquote class=3D"gmail_quote" style=3D"margin:0 0 0 .8ex;border-left:1px solid"><table>',
    "",
  ].join("\r\n");
  const end = "</table></blockquote></div>\r\n\r\n--000000000000b1--\r\n";
  const start = head + text.replaceAll("\n", "\r\n") + middle;
  const row = `<tr><td style=3D"padding:4px"><a href=3D"https://www.example.com/p/${
    "1".repeat(8)
  }">Your order</a></td></tr>\r\n`;
  const rows = Math.max(0, Math.floor((MAIL_BYTES - start.length - end.length) / row.length));
  return start + row.repeat(rows) + end;
}
