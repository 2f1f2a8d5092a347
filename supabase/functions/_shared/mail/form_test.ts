/** Forms as Inbound Parse posts them, cut by bytes. Composed for this test. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { bytesOf, latin1 } from "../../../../tests/support/mails.ts";
import fc from "fast-check";
import { fieldText, readForm } from "./form.ts";
import { fromParsed, modeOf, readPost } from "./inbound_parse.ts";

const TYPE = "multipart/form-data; boundary=qq7";
type Content = string | Uint8Array;

/** A body of fields; a name may carry more of its header after a semicolon. */
function formOf(fields: readonly (readonly [name: string, content: Content, more?: string])[]): Uint8Array {
  return bytesOf(
    ...fields.flatMap(([name, content, more = ""]) => [
      `--qq7\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`,
      content,
      "\r\n",
    ]),
    "--qq7--\r\n",
  );
}

Deno.test("readForm(): fields are the very bytes that were posted, whatever they are", () => {
  const name = fc.stringMatching(/^[a-z0-9_-]{1,12}$/);
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    // What looks like a delimiter, and is none.
    fc.array(fc.constantFrom("\r\n", "--qq", "--", "-", "qq7", "\n", "\r"), { maxLength: 20 })
      .map((pieces) => bytesOf(pieces.join(""))).filter((bytes) =>
        !new TextDecoder().decode(bytes).includes("--qq7")
      ),
  );
  holds(
    fc.property(
      fc.uniqueArray(fc.tuple(name, content), { selector: ([name]) => name, maxLength: 8 }),
      (fields) => {
        const body = formOf(fields);
        const form = readForm(body, TYPE)!;
        assert(form.complete);
        assertEquals([...form.fields.keys()], fields.map(([name]) => name));
        for (const [name, content] of fields) {
          const { start, end } = form.fields.get(name)!;
          assertEquals([...body.subarray(start, end)], [...content]);
        }
      },
    ),
    { cases: 1000 },
  );
});

Deno.test("readForm(): a body that is cut anywhere is incomplete, and its last field is not read", () => {
  const body = formOf([["SPF", "pass"], ["email", "Subject: x\r\n\r\nnoon"], ["to", "a@b.test"]]);
  const last = body.length - "--\r\n".length;
  for (let end = 0; end < last; end++) {
    const form = readForm(body.subarray(0, end), TYPE)!;
    assert(!form.complete, String(end));
    for (const [name, want] of [["SPF", "pass"], ["email", "Subject: x\r\n\r\nnoon"]] as const) {
      const field = form.fields.get(name);
      if (field !== undefined) assertEquals(fieldText(body, field), want.replaceAll("\r", ""));
    }
  }
  assertEquals(readForm(bytesOf("--qq7--\r\n"), TYPE), { fields: new Map(), complete: true });
});

Deno.test("readForm(): other bodies are no forms", () => {
  for (
    const type of [
      "",
      "text/plain",
      "multipart/form-data",
      "multipart/mixed; boundary=qq7",
      "application/json",
    ]
  ) {
    assertEquals(readForm(formOf([["a", "b"]]), type), undefined, type);
  }
  assertEquals(
    readForm(formOf([["a", "b"]]), 'Multipart/Form-Data; charset=utf-8; BOUNDARY="qq7"')?.fields.size,
    1,
  );
});

const posted = (fields: readonly (readonly [string, Content])[]) => {
  const body = formOf(fields);
  return readPost(body, readForm(body, TYPE)!);
};

const ENVELOPES: readonly (readonly [what: string, text: string, to: string[], from: string | null])[] = [
  ["one recipient", '{"to":["A@B.test"],"from":"C@d.test"}', ["a@b.test"], "c@d.test"],
  [
    "several",
    '{"to":["a@b.test","c@d.test","a@b.test"],"from":"e@f.test"}',
    ["a@b.test", "c@d.test"],
    "e@f.test",
  ],
  ["a text instead of a list", '{"to":"a@b.test","from":"e@f.test"}', ["a@b.test"], "e@f.test"],
  ["the null sender", '{"to":["a@b.test"],"from":""}', ["a@b.test"], ""],
  ["the null sender in brackets", '{"to":["a@b.test"],"from":"<>"}', ["a@b.test"], ""],
  ["no sender", '{"to":["a@b.test"]}', ["a@b.test"], null],
  ["a sender that is no address", '{"to":["a@b.test"],"from":"nobody"}', ["a@b.test"], null],
  ["what is no address", '{"to":["x", 7, null, "a@b.test"],"from":3}', ["a@b.test"], null],
  ["no JSON", '{"to":', [], null],
  ["a list", "[1]", [], null],
  ["nothing", "", [], null],
];
for (const [what, text, to, from] of ENVELOPES) {
  Deno.test(`readPost(): an envelope with ${what}`, () =>
    assertEquals(posted([["envelope", text]]).envelope, { to, from }));
}

const SIGNATURES: readonly (readonly [text: string, verdicts: Record<string, string>])[] = [
  ["{@fern.example : pass}", { "fern.example": "pass" }],
  ["{@Fern.Example : PASS}", { "fern.example": "pass" }],
  ["{@a.test : fail}{@b.test : pass}", { "a.test": "fail", "b.test": "pass" }],
  ["{@a.test : pass, @b.test : fail}", { "a.test": "pass", "b.test": "fail" }],
  ["{@a.test : pass}{@a.test : fail}", { "a.test": "pass" }],
  ["none", {}],
  ["pass", {}],
  ["{@ : pass}", {}],
  ["", {}],
];
for (const [text, verdicts] of SIGNATURES) {
  Deno.test(`readPost(): dkim "${text}"`, () => assertEquals(posted([["dkim", text]]).dkim, verdicts));
}

Deno.test("readPost(): SPF in any spelling; nothing is none", () => {
  assertEquals(posted([["SPF", "Pass"]]).spf, "pass");
  assertEquals(posted([["SPF", "softfail (mx: x)"]]).spf, "softfail");
  assertEquals(posted([]).spf, "none");
});

Deno.test("fromParsed(): each field in its own charset, files by their numbers, images by their ids", () => {
  const body = formOf([
    [
      "headers",
      "From: =?utf-8?Q?J=C3=B6rg?= <joerg@fern.example>\r\nSubject: Re: x\r\nMessage-ID: <p1@fern.example>\r\n",
    ],
    ["text", latin1("Gr\xfc\xdfe\r\n")],
    ["html", '<p>x</p><img src="cid:l1">'],
    ["charsets", '{"text":"iso-8859-1","html":"utf-8"}'],
    ["attachments", "2"],
    [
      "attachment-info",
      '{"attachment2":{"filename":"l.gif","type":"image/gif","content-id":"l1"},"attachment1":{"filename":"Sämereien.pdf","type":"application/pdf"}}',
    ],
    ["content-ids", '{"l1":"attachment2"}'],
  ]);
  const files = bytesOf(
    body.subarray(0, body.length - "--qq7--\r\n".length),
    '--qq7\r\nContent-Disposition: form-data; name="attachment2"; filename="l.gif"\r\nContent-Type: image/gif\r\n\r\nGIF\r\n',
    '--qq7\r\nContent-Disposition: form-data; name="attachment1"; filename="x"\r\n\r\n',
    [1, 2, 0, 255],
    "\r\n--qq7--\r\n",
  );
  const form = readForm(files, TYPE)!;
  assertEquals(modeOf(form), "parsed");
  const mail = fromParsed(files, form);
  assertEquals([mail.text, mail.from.name, mail.subject, mail.messageId], [
    "Grüße\n",
    "Jörg",
    "Re: x",
    "p1@fern.example",
  ]);
  assertEquals(mail.attachments.map(({ name, type, size, inline }) => [name, type, size, inline]), [
    ["Sämereien.pdf", "application/pdf", 4, false],
    ["l.gif", "image/gif", 3, true],
  ]);
  const [pdf] = mail.attachments;
  assertEquals([...files.subarray(pdf.start, pdf.end)], [1, 2, 0, 255]);
});

Deno.test("fromParsed(): without headers, the fields say who wrote what", () => {
  const body = formOf([["from", "Mara <mara@fern.example>"], ["to", "a@b.test"], ["subject", "Hi"], [
    "text",
    "Noon.",
  ]]);
  const mail = fromParsed(body, readForm(body, TYPE)!);
  assertEquals([mail.from.address, mail.from.count, mail.to[0].address, mail.subject, mail.text], [
    "mara@fern.example",
    1,
    "a@b.test",
    "Hi",
    "Noon.",
  ]);
});
