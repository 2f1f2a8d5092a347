/** Raw mails to what is read of them. Composed for this test. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { bytesOf, latin1, multipart, rawMail } from "../../../../tests/support/mails.ts";
import fc from "fast-check";
import PostalMime from "postal-mime";
import { contentOf, MAIL_LIMITS, readMail } from "./mime.ts";

const text = (contentType: string, body: string | Uint8Array, encoding = "8bit") =>
  readMail(rawMail({ headers: { "Content-Type": contentType, "Content-Transfer-Encoding": encoding }, body }))
    .text?.trim();

/** Bytes of a text in a charset, as its table says. */
const CHARSETS: readonly (readonly [label: string, bytes: readonly number[], text: string])[] = [
  ["iso-8859-1", [0x47, 0x72, 0xfc, 0xdf, 0x65], "Grüße"],
  ["ISO-8859-15", [0xa4, 0x20, 0x35], "€ 5"],
  ["windows-1252", [0x80, 0x20, 0x93, 0x61, 0x94], "€ “a”"],
  ["cp1252", [0x80], "€"],
  ["us-ascii", [0x63, 0x61, 0x66, 0xc3, 0xa9], "café"],
  ["us-ascii", [0x63, 0x61, 0x66, 0xe9], "café"],
  ["windows-1250", [0xb9, 0xea], "ąę"],
  ["windows-1251", [0xcf, 0xf0, 0xe8], "При"],
  ["koi8-r", [0xf0, 0xd2, 0xc9], "При"],
  ["iso-8859-7", [0xe1, 0xe2], "αβ"],
  ["windows-1255", [0xf9, 0xec, 0xe5, 0xed], "שלום"],
  ["windows-1256", [0xc3, 0xe5, 0xe1], "أهل"],
  ["iso-2022-jp", [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x4b, 0x5c, 0x1b, 0x28, 0x42], "日本"],
  ["shift_jis", [0x93, 0xfa, 0x96, 0x7b], "日本"],
  ["cp932", [0x93, 0xfa, 0x96, 0x7b], "日本"],
  ["euc-jp", [0xc6, 0xfc, 0xcb, 0xdc], "日本"],
  ["gb2312", [0xc4, 0xe3, 0xba, 0xc3], "你好"],
  ["gb18030", [0xc4, 0xe3, 0xba, 0xc3], "你好"],
  ["big5", [0xa7, 0x41, 0xa6, 0x6e], "你好"],
  ["euc-kr", [0xbe, 0xc8, 0xb3, 0xe7], "안녕"],
  ["ks_c_5601-1987", [0xbe, 0xc8, 0xb3, 0xe7], "안녕"],
  ["utf-16le", [0x48, 0x00, 0x69, 0x00], "Hi"],
  ["cp850", [0x81, 0x84, 0xe1], "üäß"],
  ["IBM437", [0x81, 0x84, 0xe1], "üäß"],
  ["utf-7", [...latin1("Gr+APwA3w-e +- x")], "Grüße + x"],
  ["x-nonsense", [0x63, 0x61, 0x66, 0xe9], "café"],
  ["", [0x63, 0x61, 0x66, 0xc3, 0xa9], "café"],
];
for (const [label, bytes, want] of CHARSETS) {
  Deno.test(`readMail(): text in charset "${label}" is ${want}`, () => {
    assertEquals(text(`text/plain; charset="${label}"`, Uint8Array.from(bytes)), want);
  });
}

Deno.test("readMail(): a truncated character of UTF-8 becomes U+FFFD, the rest stays", () => {
  assertEquals(text("text/plain; charset=utf-8", bytesOf("caf\u00e9 ", [0xf0, 0x9f])), "café \ufffd");
});

const ENCODINGS: readonly (readonly [what: string, encoding: string, body: string, text: string])[] = [
  ["quoted-printable", "quoted-printable", "Caf=C3=A9 =\nau lait=20\n", "Café au lait"],
  ["lower-case escapes", "Quoted-Printable", "Caf=c3=a9", "Café"],
  ["broken escapes stay", "quoted-printable", "1=2 and =ZZ and =", "1=2 and =ZZ and"],
  ["blanks after a soft break", "quoted-printable", "Caf=  \t\ne", "Cafe"],
  ["blanks at the end of a line go", "quoted-printable", "a  \nb", "a\nb"],
  ["base64", "base64", "Q2Fmw6k=\n", "Café"],
  ["base64 in lines, with noise", "BASE64", "Q2Fmw6kgYXUg\n*bGFpdA==", "Café au lait"],
  ["base64 without its padding", "base64", "Q2Fmw6k", "Café"],
  ["base64 in two pieces", "base64", "Q2Fm\nw6k=IQ==", "Café!"],
  [
    "base64 with a footer of a gateway",
    "base64",
    "Q2Fmw6k=\n\n-- \nAdded by the mail gateway!\n",
    "Café\n-- \nAdded by the mail gateway!",
  ],
  ["base64 with a damaged line", "base64", "Q2Fm\nw6kg!\nYXUgbGFpdA==", "Café au lait"],
  ["base64 that is plain text", "base64", "Noon is fine, thank you.", "Noon is fine, thank you."],
  ["an unknown encoding", "x-gzip64", "plain", "plain"],
];
for (const [what, encoding, body, want] of ENCODINGS) {
  Deno.test(`readMail(): ${what}`, () =>
    assertEquals(text("text/plain; charset=utf-8", body, encoding), want));
}

Deno.test("readMail(): soft lines of format=flowed are joined within a depth of quoting only", () => {
  const body = "A line that \ngoes on.\n\n> quoted and \n> on\n>> deeper \n> back \nmine \n-- \nMara\n";
  assertEquals(
    text("text/plain; format=flowed", body),
    "A line that goes on.\n\n> quoted and on\n>> deeper\n> back\nmine\n-- \nMara",
  );
  assertEquals(text("text/plain; format=flowed; delsp=yes", "日 \n本 \n語"), "日本語");
  assertEquals(text("text/plain; format=flowed", " From here\n > no quote"), "From here\n> no quote");
});

Deno.test("readMail(): text and HTML of an alternative, whichever comes first, and the text between attachments", () => {
  const alternative = readMail(rawMail(multipart("multipart/alternative", [
    "Content-Type: text/html\n\n<p>Noon</p>",
    "Content-Type: text/plain\n\nNoon",
  ])));
  assertEquals([alternative.text, alternative.html?.trim()], ["Noon", "<p>Noon</p>"]);
  const mixed = readMail(rawMail(multipart("multipart/mixed", [
    "Content-Type: text/plain\n\nabove",
    "Content-Type: application/pdf; name=a.pdf\nContent-Disposition: inline; filename=a.pdf\n\nx",
    "Content-Type: text/plain\n\nbelow",
    "Content-Type: text/plain; name=notes.txt\nContent-Disposition: attachment\n\nin a file",
    "Content-Type: text/plain; name=more.txt\n\nin another",
  ])));
  assertEquals(mixed.text, "above\nbelow");
  assertEquals(mixed.attachments.map(({ name, inline }) => [name, inline]), [
    ["a.pdf", false],
    ["notes.txt", false],
    ["more.txt", false],
  ]);
});

Deno.test("readMail(): the charset of HTML is that of the header, else that of its meta", () => {
  const html = (type: string) =>
    readMail(rawMail({ headers: { "Content-Type": type }, body: latin1('<meta charset="iso-8859-2">\xb1') }))
      .html;
  assert(html("text/html")?.includes("ą"));
  assert(html("text/html; charset=iso-8859-1")?.includes("±"));
});

const NAMES: readonly (readonly [what: string, header: string, name: string | null])[] = [
  ["plain", 'filename="seeds.pdf"', "seeds.pdf"],
  ["without quotes", "filename=seeds.pdf", "seeds.pdf"],
  ["with blanks and no quotes", "filename=my seeds.pdf", "my seeds.pdf"],
  ["an escaped quote", 'filename="a\\"b.pdf"', "a_b.pdf"],
  ["percent encoded", "filename*=utf-8''S%C3%A4mereien.pdf", "Sämereien.pdf"],
  ["in Latin-1", "filename*=iso-8859-1'de'S%E4mereien.pdf", "Sämereien.pdf"],
  ["in pieces", "filename*0*=utf-8''S%C3; filename*1*=%A4mer; filename*2=\"eien.pdf\"", "Sämereien.pdf"],
  ["pieces out of order", 'filename*1="eds.pdf"; filename*0="se"', "seeds.pdf"],
  ["plain and extended: the extended one", "filename=a.pdf; filename*=utf-8''%C3%A4.pdf", "ä.pdf"],
  ["encoded words within quotes", 'filename="=?utf-8?Q?S=C3=A4mereien.pdf?="', "Sämereien.pdf"],
  ["raw UTF-8", 'filename="Sämereien.pdf"', "Sämereien.pdf"],
  ["a comment", "filename=seeds.pdf (the list)", "seeds.pdf"],
  ["parentheses in the name", "filename=seeds(1).pdf", "seeds(1).pdf"],
  ["a path", 'filename="../../etc/passwd"', "passwd"],
  ["a path of Windows", 'filename="C:\\\\temp\\\\seeds.pdf"', "seeds.pdf"],
  ["a path in percent", "filename*=utf-8''..%2F..%2Fseeds.pdf", "seeds.pdf"],
  ["a mark that turns the name around", "filename*=utf-8''seeds%E2%80%AEfdp.exe", "seedsfdp.exe"],
  ["controls", 'filename="a\u0001b.pdf"', "ab.pdf"],
  ["dots alone", 'filename=".."', null],
  ["empty", 'filename=""', null],
  ["none", "x=y", null],
];
for (const [what, header, name] of NAMES) {
  Deno.test(`readMail(): the name of an attachment, ${what}`, () => {
    const raw = rawMail(multipart("multipart/mixed", [
      "Content-Type: text/plain\n\nx",
      `Content-Type: application/octet-stream\nContent-Disposition: attachment; ${header}\n\nx`,
    ]));
    assertEquals(readMail(raw).attachments.map((attachment) => attachment.name), [name]);
  });
}

Deno.test("readMail(): a long name keeps its extension", () => {
  const name = readMail(rawMail(multipart("multipart/mixed", [
    `Content-Type: application/pdf\nContent-Disposition: attachment; filename="${"a".repeat(900)}.pdf"\n\nx`,
  ]))).attachments[0].name!;
  assertEquals([name.length, name.slice(-5)], [200, "a.pdf"]);
});

Deno.test("readMail(): what the HTML shows is inline, whatever its disposition says", () => {
  const image = (cid: string, disposition: string) =>
    `Content-Type: image/png\nContent-ID: <${cid}>\nContent-Disposition: ${disposition}; filename=${cid}.png\n\nx`;
  const mail = readMail(rawMail(multipart("multipart/related", [
    'Content-Type: text/html\n\n<img src="cid:one"><img src="CID:Two">',
    image("one", "inline"),
    image("two", "attachment"),
    image("three", "inline"),
  ])));
  assertEquals(mail.attachments.map(({ cid, inline }) => [cid, inline]), [["one", true], ["two", true], [
    "three",
    false,
  ]]);
});

Deno.test("readMail(): an attached mail is one attachment; a signature too; a calendar without a name is none", () => {
  const mail = readMail(rawMail(multipart("multipart/mixed", [
    "Content-Type: text/plain\n\nx",
    "Content-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=in\n\n--in\n\ninner\n--in--\n",
    "Content-Type: application/pgp-signature; name=signature.asc\n\nx",
    "Content-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR",
  ])));
  assertEquals(mail.attachments.map(({ type }) => type), ["message/rfc822", "application/pgp-signature"]);
  assertEquals([mail.subject, mail.text, mail.calendar?.method], ["Re: Your seeds", "x", "REQUEST"]);
});

Deno.test("readMail(): headers: folds, repetitions, encoded words, ids, dates", () => {
  const mail = readMail(bytesOf(
    "From x@y.test Tue Dec  1 10:00:00 2026\r\n",
    "Subject: =?utf-8?Q?Gr=C3=BC?=\r\n =?utf-8?Q?=C3=9Fe?= an\r\n\talle\r\nsubject: second\r\n",
    "From: =?iso-8859-1?Q?J=F6rg?= <JOERG@Fern.Example>\r\nTo: friends: a@b.test, B <c@d.test>;, e@f.test\r\n",
    "Message-ID: <one@fern.example> (comment)\r\nIn-Reply-To: <a@b> <c@d>\r\nReferences: <r1@x>\r\n <r2@x>\r\n",
    "Date: Tue, 1 Dec 2026 10:00:00 +0100 (CET)\r\n\r\nbody",
  ));
  assertEquals([mail.subject, mail.headers.get("subject")], ["Grüße an alle", ["Grüße an alle", "second"]]);
  assertEquals([mail.from.address, mail.from.name, mail.from.count], ["joerg@fern.example", "Jörg", 1]);
  assertEquals(mail.to.map(({ address }) => address), ["a@b.test", "c@d.test", "e@f.test"]);
  assertEquals([mail.messageId, mail.inReplyTo, mail.references], ["one@fern.example", ["a@b", "c@d"], [
    "r1@x",
    "r2@x",
  ]]);
  assertEquals([mail.date, mail.text], ["2026-12-01T09:00:00.000Z", "body"]);
});

Deno.test("readMail(): the mark of UTF-8 at the beginning belongs to no header", () => {
  const raw = bytesOf([0xef, 0xbb, 0xbf], rawMail({ body: "Noon is fine." }));
  const { from, text } = readMail(raw);
  assertEquals([from.address, text], ["mara@fern.example", "Noon is fine."]);
});

Deno.test("readMail(): lines that end in CR alone, and a header without an empty line below", () => {
  const old = readMail(bytesOf("From: mara@fern.example\rSubject: Old\r\rNoon.\rMara"));
  assertEquals([old.from.address, old.subject, old.text], ["mara@fern.example", "Old", "Noon.\nMara"]);
  const glued = readMail(bytesOf("From: mara@fern.example\r\nSubject: x\r\nNoon is fine.\r\nMara"));
  assertEquals([glued.subject, glued.text], ["x", "Noon is fine.\nMara"]);
  const odd = readMail(bytesOf("From: mara@fern.example\r\na line of a gateway\r\nSubject: x\r\n\r\nNoon."));
  assertEquals([odd.subject, odd.text], ["x", "Noon."]);
});

Deno.test("readMail(): limits leave out and say so", () => {
  const limits = {
    ...MAIL_LIMITS,
    headerBytes: 2_000,
    parts: 5,
    textBytes: 50,
    references: 4,
    addresses: 3,
    depth: 2,
  };
  const many = (count: number, one: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => one(at)).join("");
  const read = (draft: Parameters<typeof rawMail>[0]) => readMail(rawMail(draft), limits);
  const references = read({ headers: { References: many(9, (at) => `<r${at}@x> `) } });
  assertEquals([references.references, references.truncated], [["r0@x", "r1@x", "r7@x", "r8@x"], [
    "references",
  ]]);
  const recipients = read({ headers: { Cc: many(9, (at) => `a${at}@b.test, `) } });
  assertEquals([recipients.cc.length, recipients.truncated], [3, ["addresses"]]);
  const long = read({ body: "x".repeat(80) });
  assertEquals([long.text, long.truncated], ["x".repeat(50), ["text"]]);
  const parts = read(
    multipart("multipart/mixed", Array.from({ length: 9 }, () => "Content-Type: image/png\n\nx")),
  );
  assertEquals([parts.attachments.length, parts.truncated], [4, ["parts"]]);
  const head = read({ headers: { "X-Long": "x".repeat(3_000), "X-After": "y" }, body: "still read" });
  assertEquals([head.text, head.headers.has("x-after"), head.truncated], ["still read", false, ["headers"]]);
  const inner = (level: number): string =>
    level > 4
      ? "Content-Type: text/plain\n\ndeep"
      : `Content-Type: multipart/mixed; boundary=n${level}\n\n--n${level}\n${
        inner(level + 1)
      }\n--n${level}--`;
  assertEquals(read(multipart("multipart/mixed", [inner(1)])).truncated, ["nesting"]);
});

Deno.test("readMail(): attachments are the very bytes that were attached, found where they stand", () => {
  const content = fc.uint8Array({ maxLength: 300 });
  const encoded = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes)).replace(/.{1,60}/g, "$&\r\n");
  holds(
    fc.property(fc.array(content, { minLength: 1, maxLength: 5 }), (files) => {
      const raw = rawMail(multipart("multipart/mixed", [
        "Content-Type: text/plain\n\nx",
        ...files.map((file) =>
          `Content-Type: application/x-file\nContent-Transfer-Encoding: base64\n\n${encoded(file)}`
        ),
      ]));
      const before = raw.slice();
      const { attachments } = readMail(raw);
      assertEquals(attachments.map(({ size }) => size), files.map(({ length }) => length));
      for (const [at, attachment] of attachments.entries()) {
        assertEquals([...contentOf(raw, attachment)], [...files[at]]);
      }
      assertEquals(raw, before);
    }),
    { cases: 300 },
  );
});

Deno.test("readMail(): agrees with postal-mime on ordinary mails", async () => {
  const words = fc.stringMatching(/^[a-zA-Zäöü€日本 .,]{1,60}$/).map((text) =>
    `${text.replace(/ +/g, " ").trim()}.`
  );
  const type = fc.constantFrom("text/plain; charset=utf-8", "text/html; charset=utf-8");
  const part = fc.tuple(type, words, fc.constantFrom("8bit", "base64", "quoted-printable")).map(
    ([type, text, encoding]) => {
      const bytes = new TextEncoder().encode(text);
      const body = encoding === "8bit"
        ? text
        : encoding === "base64"
        ? btoa(String.fromCharCode(...bytes))
        : Array.from(bytes, (byte) => `=${byte.toString(16).padStart(2, "0").toUpperCase()}`).join("")
          .replace(/.{72}/g, "$&=\n");
      return `Content-Type: ${type}\nContent-Transfer-Encoding: ${encoding}\n\n${body}`;
    },
  );
  await holds(
    fc.asyncProperty(part, fc.array(words, { minLength: 1, maxLength: 3 }), async (body, files) => {
      const raw = rawMail(multipart("multipart/mixed", [
        body,
        ...files.map((name, at) =>
          `Content-Type: application/pdf\nContent-Disposition: attachment; filename*=utf-8''${
            encodeURIComponent(`${at}${name}pdf`)
          }\n\n${name}`
        ),
      ]));
      const theirs = await PostalMime.parse(raw), ours = readMail(raw);
      assertEquals(
        (ours.text ?? ours.html)?.trim(),
        (body.includes("text/html") ? theirs.html : theirs.text)?.trim(),
      );
      assertEquals(
        ours.attachments.map(({ name }) => name),
        theirs.attachments.map(({ filename }) => filename),
      );
      assertEquals([ours.subject, ours.from.address], [
        theirs.subject,
        (theirs.from as { address: string }).address,
      ]);
    }),
    { cases: 300 },
  );
});
