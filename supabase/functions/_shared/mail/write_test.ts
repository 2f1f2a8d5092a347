import fc from "fast-check";
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { contentOf, readMail } from "./mime.ts";
import type { OutgoingMail } from "./types.ts";
import { writeMail } from "./write.ts";

const DATE = new Date("2026-11-30T10:00:00Z");
const written = (mail: OutgoingMail, contents: Uint8Array[] = []) =>
  writeMail(mail, contents, { date: DATE, boundary: "gl0" });

const MAIL: OutgoingMail = {
  from: { address: "sam@bakery.example", name: 'Sam "the baker" Müller' },
  to: [{ address: "casey@example.org", name: "" }],
  cc: [{ address: "dana@example.org", name: "Dana" }],
  subject: "Brötchen",
  text: "Hello\nCasey",
  html: '<p>Hello <img src="cid:cake"></p>',
  headers: {
    "Message-ID": "<1@example.com>",
    "In-Reply-To": "<2@example.org>",
    "References": "<3@example.org> <2@example.org>",
  },
  attachments: [],
};

Deno.test("writeMail(): what is written is read again, whatever its parts", () => {
  const bytes = new Uint8Array([0, 1, 2, 255]);
  const raw = written({
    ...MAIL,
    attachments: [
      { name: "cake.png", type: "image/png", size: 4, cid: "cake", inline: true, source: { object: "0" } },
      {
        name: "bill.pdf",
        type: "application/pdf",
        size: 4,
        cid: null,
        inline: false,
        source: { object: "1" },
      },
    ],
  }, [bytes, bytes.toReversed()]);
  const mail = readMail(raw);
  assertEquals(
    [mail.from.address, mail.from.name, mail.to[0].address, mail.cc[0].name, mail.subject, mail.messageId],
    [
      "sam@bakery.example",
      'Sam "the baker" Müller',
      "casey@example.org",
      "Dana",
      "Brötchen",
      "1@example.com",
    ],
  );
  assertEquals([mail.inReplyTo, mail.references], [["2@example.org"], ["3@example.org", "2@example.org"]]);
  assertEquals([mail.text, mail.html, mail.date, mail.truncated], [
    "Hello\nCasey",
    '<p>Hello <img src="cid:cake"></p>',
    "2026-11-30T10:00:00.000Z",
    [],
  ]);
  assertEquals(mail.attachments.map(({ name, type, cid, inline }) => [name, type, cid, inline]), [
    ["cake.png", "image/png", "cake", true],
    ["bill.pdf", "application/pdf", null, false],
  ]);
  assertEquals(mail.attachments.map((each) => [...contentOf(raw, each)]), [[0, 1, 2, 255], [255, 2, 1, 0]]);
});

Deno.test("writeMail(): no value adds a header, no line is longer than servers take, all is ASCII", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary", maxLength: 300 }),
    fc.constant("a\r\nBcc: evil@example.org"),
  );
  const mail = fc.record({
    subject: line,
    name: line,
    text: line,
    html: fc.option(line, { nil: undefined }),
    references: line,
  });
  holds(fc.property(mail, ({ subject, name, text, html, references }) => {
    const raw = new TextDecoder().decode(written({
      ...MAIL,
      from: { ...MAIL.from, name },
      subject,
      text,
      ...(html === undefined ? {} : { html }),
      headers: { References: references },
    }));
    const [head] = raw.split("\r\n\r\n", 1);
    const names = head.split("\r\n").filter((each) => !/^[ \t]/.test(each)).map((each) =>
      each.split(":", 1)[0]
    );
    assert(!names.includes("Bcc") && names.filter((each) => each === "From").length === 1, head);
    assert(raw.split("\r\n").every((each) => each.length <= 998));
  }));
});

Deno.test("writeMail(): text is the same after it was written and read", () => {
  // What mail cannot carry as text, its reader takes out.
  const isControl = (each: string) => each < " " || (each >= "\x7f" && each <= "\x9f");
  const text = fc.string({ unit: "grapheme", maxLength: 400 })
    .filter((each) => each.isWellFormed() && ![...each].some(isControl));
  holds(fc.property(text, (text) => {
    const { html: _, ...plain } = MAIL;
    const read = readMail(written({ ...plain, text }));
    assertEquals((read.text ?? "").trimEnd(), text.replaceAll("\r\n", "\n").trimEnd());
  }));
});
