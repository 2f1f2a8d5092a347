/** Mails that are composed to be expensive: none takes more than linear time to read, to cut, to show or to judge. */
import { withoutHtmlQuotes } from "../../supabase/functions/_shared/mail/html_quotes.ts";
import { factsOf } from "../../supabase/functions/_shared/mail/facts.ts";
import { readForm } from "../../supabase/functions/_shared/mail/form.ts";
import { shownMail, textOf } from "../../supabase/functions/_shared/mail/html.ts";
import { readMail } from "../../supabase/functions/_shared/mail/mime.ts";
import { withoutQuotes } from "../../supabase/functions/_shared/mail/quotes.ts";
import { assertLinear } from "../support/growth.ts";
import { bytesOf, postOf, WORLD } from "../support/mails.ts";

const HEAD = "From: a@b.test\r\n";
const MIXED = `${HEAD}Content-Type: multipart/mixed; boundary="a"\r\n\r\n`;
const nested = Array.from(
  { length: 99 },
  (_, at) => `--n${at}\r\nContent-Type: multipart/mixed; boundary="n${at + 1}"\r\n\r\n`,
).join("");

/** What a mail begins with, and what is repeated in it; 16,000 bytes of it in the smaller run. */
const MAILS: Readonly<Record<string, readonly [head: string, unit: string, tail?: string]>> = {
  "empty lines": [MIXED, "\n"],
  "lines like boundaries": [MIXED, "--b\n"],
  "hyphens": [MIXED, "-"],
  "boundaries without an end": [MIXED, "--a\n"],
  "lines like the innermost of 99 boundaries": [
    `${HEAD}Content-Type: multipart/mixed; boundary="n0"\r\n\r\n${nested}`,
    "--n98x\n",
  ],
  "fields": [HEAD, "a: b\n"],
  "a folded field": [`${HEAD}Subject: a\n`, " b\n"],
  "lines that are no fields": [HEAD, "x\n y\n"],
  "authors": ["From: ", "a@b.test, ", "\r\n\r\n"],
  "open groups": ["From: ", "a:", "\r\n\r\n"],
  "open comments": ["From: ", "(", "\r\n\r\n"],
  "open brackets": ["From: ", "<", "\r\n\r\n"],
  "escapes in quotes": ['From: "', '\\"', "\r\n\r\n"],
  "encoded words": [`${HEAD}Subject: `, "=?utf-8?B?YQ==?= ", "\r\n\r\n"],
  "beginnings of encoded words": [`${HEAD}Subject: `, "=?", "\r\n\r\n"],
  "blanks in a subject": [`${HEAD}Subject: a`, " ", "b\r\n\r\n"],
  "ids": [`${HEAD}References: `, "<a@b> ", "\r\n\r\n"],
  "beginnings of ids": [`${HEAD}References: `, "<", "\r\n\r\n"],
  "parameters": [`${HEAD}Content-Type: text/plain`, ";a*1*=b%", "\r\n\r\n"],
  "soft lines": [`${HEAD}Content-Type: text/plain; format=flowed\r\n\r\n`, "> a \n"],
  "escapes": [`${HEAD}Content-Transfer-Encoding: quoted-printable\r\n\r\n`, "=\t "],
  "UTF-7": [`${HEAD}Content-Type: text/plain; charset=utf-7\r\n\r\n`, "+AAA"],
  "groups of a report": [
    `${HEAD}Content-Type: multipart/report; boundary=a\r\n\r\n--a\r\nContent-Type: message/delivery-status\r\n\r\n`,
    "Action: failed\n\n",
  ],
  "words of a bounce": [
    "From: mailer-daemon@b.test\r\nSubject: failure notice\r\n\r\n",
    "mailbox user not <a@",
  ],
  "attendees": [`${HEAD}Content-Type: text/calendar; method=REPLY\r\n\r\n`, "ATTENDEE;PARTSTAT"],
};
for (const [what, [head, unit, tail = ""]] of Object.entries(MAILS)) {
  Deno.test(`readMail(), factsOf(): linear in ${what}`, async () => {
    const mails = new Map<number, Uint8Array>();
    await assertLinear(16_000, async (size) => {
      const raw = mails.get(size) ?? bytesOf(head, unit.repeat(Math.ceil(size / unit.length)), tail);
      mails.set(size, raw);
      await factsOf(readMail(raw), postOf(), WORLD, raw);
    });
  });
}

Deno.test("readForm(): linear in near-delimiters", async () => {
  for (const unit of ["\n--aa", "\n", "--a", "\n--a x", "-"]) {
    await assertLinear(
      100_000,
      (size) => readForm(bytesOf(unit.repeat(size / unit.length)), "multipart/form-data; boundary=aab"),
    );
  }
});

const TEXTS = [
  "On Tue 3:00 <a@b.test>:\n",
  "On ",
  "on the 3rd at ",
  ">",
  "> a\n",
  ">\nx\n",
  "\n",
  " \n",
  "-- \n",
  "From: a\n",
  "From: a\nTo: b\n",
  "Sent from ",
  "-----Original",
  "wrote:\n",
  "a@",
  "(",
  "_",
  "\t",
];
for (const unit of TEXTS) {
  Deno.test(`withoutQuotes(): linear in ${JSON.stringify(unit)}`, async () => {
    await assertLinear(4_000, (size) => withoutQuotes(unit.repeat(size / unit.length) + "x"));
  });
}

const TAGS = [
  "<div>",
  "<ul><li>",
  "<table><tr><td>x",
  "<blockquote type=cite>x",
  "<div class=gmail_quote>x</div>",
  "<",
  "<!--",
  "<a href=x>",
  "<p>x</p>",
  "&amp",
  "<b",
  "</div>",
  "<style>",
  "<p style='color:red;x:y'>",
  "<img src=https://moss.example/a.png>",
];
for (const unit of TAGS) {
  Deno.test(`textOf(), withoutHtmlQuotes(), shownMail(): linear in ${unit}`, async () => {
    await assertLinear(20_000, async (size) => {
      const html = unit.repeat(size / unit.length);
      await textOf(html);
      await withoutHtmlQuotes(html);
      await shownMail(html, () => "cid:own");
    });
  });
}
