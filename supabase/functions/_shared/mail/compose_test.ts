import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { IDENTITY } from "../../../../tests/support/mails.ts";
import fc from "fast-check";
import { composeForward, composeMail, composeRelay, type MailToForward, MOST_ATTACHED } from "./compose.ts";
import { asciiName, encodedAddress, encodedWords } from "./header_words.ts";
import { words } from "./header.ts";
import { replySubject, threadHeaders } from "./threading.ts";
import type { OutgoingAttachment } from "./types.ts";

const file = (name: string, more: Partial<OutgoingAttachment> = {}): OutgoingAttachment => ({
  ...{ name, type: "application/pdf", size: 10, cid: null, inline: false, source: { object: "m/0" } },
  ...more,
});

Deno.test("composeMail(): a person's message carries its thread and nothing that calls it automatic", async () => {
  const mail = await composeMail({
    from: { address: "iris@bloom.example", name: "Iris Vale" },
    to: { address: "mara@fern.example", name: "Mara" },
    subject: "Your\r\nBcc: x@evil.test seeds",
    html: "<p>They are <b>here</b>.</p>",
    messageId: "m1@bloom.example",
    replyTo: "k7qzp3mwx2vtnd4c@in.bloom.example",
    parent: { messageId: "p@fern.example", references: ["r@fern.example"] },
  });
  assertEquals(mail.headers, {
    "Message-ID": "<m1@bloom.example>",
    "In-Reply-To": "<p@fern.example>",
    "References": "<r@fern.example> <p@fern.example>",
  });
  assertEquals(mail.replyTo, { address: "k7qzp3mwx2vtnd4c@in.bloom.example", name: "Iris Vale" });
  assertEquals([mail.subject, mail.text], ["Your Bcc: x@evil.test seeds", "They are here."]);
});

Deno.test("composeMail(): a mail to many can be ended with one click, and says that a machine sent it", async () => {
  const { headers } = await composeMail({
    ...{
      from: { address: "iris@bloom.example", name: null },
      to: { address: "mara@fern.example", name: "" },
    },
    ...{ subject: "News", text: "x", messageId: "m1@bloom.example", replyTo: "t@in.bloom.example" },
    bulk: { url: "https://bloom.example/u/t", mailto: "t@in.bloom.example" },
  });
  assertEquals(
    headers["List-Unsubscribe"],
    "<https://bloom.example/u/t>, <mailto:t@in.bloom.example?subject=unsubscribe>",
  );
  assertEquals(headers["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
  assertEquals(headers["Auto-Submitted"], "auto-generated");
});

const forwarded = (
  more: Partial<MailToForward["mail"]> = {},
  rest: Partial<MailToForward> = {},
): MailToForward => ({
  from: { address: "answers@bloom.example", name: "Bloom" },
  to: { address: IDENTITY.forward_to!, name: "" },
  messageId: "f1@bloom.example",
  replyTo: "w5hdb6ytrq7xsn3e@in.bloom.example",
  delivery: "d1",
  hops: 0,
  mail: {
    ...{
      from: { address: "mara@fern.example", name: "Mära" },
      subject: "Re: Your seeds",
      text: "Noon.",
      html: "<p>Noon.</p><script>x</script>",
    },
    ...{ messageId: "a1@fern.example", references: ["m1@bloom.example"], verified: true, otherSender: false },
    ...more,
  },
  ...rest,
});

Deno.test("composeForward(): from an address of ours, answers to a token, thread and subject kept, marked as a forward", async () => {
  const mail = await composeForward(forwarded());
  assertEquals(mail.from, { address: "answers@bloom.example", name: "Mära via Bloom" });
  assertEquals(mail.replyTo, { address: "w5hdb6ytrq7xsn3e@in.bloom.example", name: "Mära" });
  assertEquals([mail.subject, mail.text, mail.html], ["Re: Your seeds", "Noon.", "<p>Noon.</p>"]);
  assertEquals(mail.headers, {
    "Message-ID": "<f1@bloom.example>",
    "In-Reply-To": "<a1@fern.example>",
    "References": "<m1@bloom.example> <a1@fern.example>",
    "Auto-Submitted": "auto-generated",
    "X-Auto-Response-Suppress": "All",
    "X-Gatelink-Forwarded": "d1",
    "X-Gatelink-Hops": "1",
    "X-Original-From": "=?utf-8?B?TcOkcmE=?= <mara@fern.example>",
    "X-Original-Message-ID": "<a1@fern.example>",
  });
  assert(!JSON.stringify(mail.headers).includes("List-Unsubscribe"));
});

Deno.test("composeForward(): the setting sends answers to the contact at once", async () => {
  const mail = await composeForward(forwarded({}, { answersTo: "sender" }));
  assertEquals(mail.replyTo, { address: "mara@fern.example", name: "Mära" });
});

Deno.test("composeForward(): what a reader has to know stands above", async () => {
  const mail = await composeForward(
    forwarded({ verified: false, otherSender: true, from: { address: "<x>&@evil.test", name: "" } }),
  );
  assert(mail.text.startsWith("[This mail could not be verified"), mail.text);
  assert(mail.text.includes("is not whom you wrote to") && mail.text.endsWith("\n\nNoon."));
  assert(mail.html!.includes("&lt;x&gt;&amp;@evil.test") && mail.html!.endsWith("<p>Noon.</p>"));
});

Deno.test("composeForward(): attachments up to a size, images of the text first; names and types that arrive", async () => {
  const attachments = [
    file("Sämereien.pdf", { size: MOST_ATTACHED - 10 }),
    file("big.pdf", { size: 100 }),
    file("notes.txt", { type: "text/plain", size: 1 }),
    file("logo.gif", { inline: true, cid: "l1", size: 9 }),
  ];
  const mail = await composeForward(forwarded({}, { attachments }));
  assertEquals(mail.attachments.map(({ name, type }) => [name, type]), [
    ["Samereien.pdf", "application/pdf"],
    ["notes.txt", "application/octet-stream"],
    ["logo.gif", "application/pdf"],
  ]);
  assert(mail.text.startsWith("[1 of 4 attachments were too large to forward.]"));
});

Deno.test("composeRelay(): the owner's words in the identity's name; quotes and the inbox's address stay behind", async () => {
  const mail = await composeRelay({
    from: { address: "iris@bloom.example", name: "Iris Vale" },
    to: { address: "mara@fern.example", name: "" },
    messageId: "o1@bloom.example",
    replyTo: "t@in.bloom.example",
    inbox: "iris.private@vale.example",
    mail: {
      text: "Write to Iris.Private@vale.example.",
      html:
        '<div>Write to <a href="mailto:IRIS.private@vale.example">me</a>.</div><div class="gmail_quote"><div class="gmail_attr">Mara via Bloom to iris.private@vale.example</div><blockquote class="gmail_quote">Noon.</blockquote></div>',
    },
    parent: { subject: "AW: Re: Your seeds", messageId: "a1@fern.example", references: [] },
  });
  assertEquals([mail.subject, mail.text], ["Re: Your seeds", "Write to iris@bloom.example."]);
  assert(mail.html!.includes("mailto:iris@bloom.example") && !mail.html!.includes("Noon"), mail.html);
  assert(!JSON.stringify(mail).toLowerCase().includes("vale.example"));
  assertEquals(mail.headers, {
    "Message-ID": "<o1@bloom.example>",
    "In-Reply-To": "<a1@fern.example>",
    "References": "<a1@fern.example>",
  });
});

Deno.test("composeRelay(): no HTML where its quotes cannot be told from the answer", async () => {
  const mail = await composeRelay({
    ...{
      from: { address: "iris@bloom.example", name: null },
      to: { address: "mara@fern.example", name: "" },
    },
    ...{ messageId: "o1@bloom.example", replyTo: "t@in.bloom.example", inbox: "iris.private@vale.example" },
    mail: { text: "Yes.", html: "<div>Yes.</div><div>From: Mara, To: iris.private@vale.example</div>" },
    parent: { subject: "x", messageId: null, references: [] },
  });
  assertEquals([mail.html, mail.text], [undefined, "Yes."]);
});

const SUBJECTS: readonly (readonly [subject: string, answer: string])[] = [
  ["Your seeds", "Re: Your seeds"],
  ["Re: Your seeds", "Re: Your seeds"],
  ["RE: AW: Sv: Your seeds", "Re: Your seeds"],
  ["Re[2]: Your seeds", "Re: Your seeds"],
  ["回复：您的种子", "Re: 您的种子"],
  ["Reform: a question", "Re: Reform: a question"],
  ["", "Re:"],
];
for (const [subject, answer] of SUBJECTS) {
  Deno.test(`replySubject(): "${subject}"`, () => assertEquals(replySubject(subject), answer));
}

Deno.test("threadHeaders(): the first and the last twenty, each id once", () => {
  const references = Array.from({ length: 60 }, (_, at) => `r${at}@x`);
  const kept = threadHeaders({ messageId: "r59@x", references })["References"].split(" ");
  assertEquals([kept.length, kept[0], kept[19], kept[20], kept[39]], [
    40,
    "<r0@x>",
    "<r19@x>",
    "<r40@x>",
    "<r59@x>",
  ]);
  assertEquals(threadHeaders({ messageId: null, references: [] }), {});
});

Deno.test("encodedWords(): any text comes back, in ASCII, in words of at most 75 characters", () => {
  holds(
    fc.property(fc.string({ unit: "grapheme", maxLength: 120 }), (text) => {
      const clean = text.toWellFormed().replace(/[\p{C}\s]+/gu, " ").trim();
      const encoded = encodedWords(clean);
      assert(/^[\x20-\x7e]*$/.test(encoded));
      if (encoded !== clean) assert(encoded.split(" ").every((word) => word.length <= 75), encoded);
      assertEquals(words(encoded), clean);
    }),
    { cases: 500 },
  );
  assertEquals(encodedAddress({ address: "a@b.test", name: 'A "B"' }), '"A \\"B\\"" <a@b.test>');
});

Deno.test("asciiName(): ASCII, with an extension, without folders", () => {
  for (
    const [name, type, want] of [
      ["Sämereien.pdf", "application/pdf", "Samereien.pdf"],
      ["种子", "image/png", "file.png"],
      ["../x", "x/y", "file.x"],
      [".htaccess", "text/plain", "htaccess.txt"],
      ["a.b.c", "x/y", "a_b.c"],
    ] as const
  ) {
    assertEquals(asciiName(name, type), want);
  }
});
