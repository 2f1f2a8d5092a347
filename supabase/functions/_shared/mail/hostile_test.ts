/** Mails that no program made: damaged, cut, and composed to be expensive. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { bytesOf, multipart, postOf, rawMail, resolve, WORLD } from "../../../../tests/support/mails.ts";
import fc from "fast-check";
import { factsOf } from "./facts.ts";
import { readForm } from "./form.ts";
import { sanitiseMail } from "./html.ts";
import { fromParsed, readPost } from "./inbound_parse.ts";
import { judge } from "./judge.ts";
import { contentOf, MAIL_LIMITS, readMail } from "./mime.ts";
import type { Mail, Post } from "./types.ts";

/** Mails of every kind, to be damaged. */
const SEEDS: readonly Uint8Array[] = [
  rawMail(),
  rawMail({
    headers: { "Content-Type": "text/plain; format=flowed; delsp=yes" },
    body: "On Tue \n> a \n>> b\n-- \nx",
  }),
  rawMail({
    headers: { "Content-Type": "text/html", "Content-Transfer-Encoding": "quoted-printable" },
    body: "<div>Noon=20=C3=A4</div><div class=3D'gmail_quote'>x</div>",
  }),
  rawMail(multipart("multipart/alternative", [
    "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nTm9vbi4=",
    "Content-Type: text/html; charset=iso-2022-jp\n\n<p>x</p>",
    "Content-Type: text/calendar; method=REPLY\n\nBEGIN:VCALENDAR\nUID:1\nATTENDEE;PARTSTAT=ACCEPTED:mailto:a@b.test",
  ])),
  rawMail(multipart("multipart/mixed", [
    "Content-Type: text/plain\n\nx",
    "Content-Type: application/pdf; name*0*=utf-8''a%C3; name*1*=%A4\nContent-Transfer-Encoding: base64\nContent-ID: <c>\n\nQUJD",
    "Content-Type: message/rfc822\n\nSubject: y\n\nz",
  ])),
  rawMail(multipart("multipart/report; report-type=delivery-status", [
    "Content-Type: text/plain\n\nfailed",
    "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b.test\nAction: failed\nStatus: 5.1.1\n",
    "Content-Type: text/rfc822-headers\n\nMessage-ID: <x@y>",
  ])),
];

/** Pieces that are put where they hurt. */
const PIECES: readonly Uint8Array[] = [
  ...[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "--=_b1\r\n",
    "--=_b1--",
    ":",
    ";",
    '"',
    "<",
    ">",
    "@",
    "=?utf-8?B?",
    "?=",
    "=",
    "%",
    "\0",
  ].map((text) => bytesOf(text)),
  ...[
    "\nContent-Type: multipart/mixed; boundary==_b1\n\n",
    "\nContent-Type: text/html; charset=utf-7\n",
    "\nFrom: x@y.test\n",
  ].map((text) => bytesOf(text)),
  ...[
    "\nContent-Transfer-Encoding: base64\n",
    "\nReferences: <a@b> <c",
    "<!--",
    "</style>",
    "boundary=",
    "> ",
    "-- \n",
  ].map((text) => bytesOf(text)),
  bytesOf([0xff, 0xfe, 0xf0, 0x9f, 0x1b, 0x24, 0x42, 0x80]),
];

/** What is done to a mail: bytes changed, left out, doubled, put in, or all from somewhere on cut off. */
const mutation = fc.record({
  how: fc.constantFrom("change", "delete", "double", "insert", "cut"),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 40 }),
  byte: fc.nat(255),
  piece: fc.constantFrom(...PIECES),
});
const mutated = fc.tuple(fc.constantFrom(...SEEDS), fc.array(mutation, { minLength: 1, maxLength: 8 })).map(
  ([seed, mutations]) =>
    mutations.reduce((bytes, { how, at, length, byte, piece }) => {
      const start = Math.floor(at * bytes.length);
      const [before, taken, after] = [
        bytes.subarray(0, start),
        bytes.subarray(start, start + length),
        bytes.subarray(start + length),
      ];
      if (how === "change") return bytesOf(before, taken.map((old) => old ^ byte), after);
      if (how === "delete") return bytesOf(before, after);
      if (how === "double") return bytesOf(before, taken, taken, after);
      return how === "insert" ? bytesOf(before, piece, taken, after) : before.slice();
    }, seed),
);

/** What holds for whatever was read of whatever bytes. */
function holdsFor(bytes: Uint8Array, mail: Mail): void {
  const values = [
    mail.subject,
    mail.text ?? "",
    mail.html ?? "",
    mail.from.name,
    ...mail.attachments.map(({ name }) => name ?? ""),
  ];
  for (const value of values) assert(value.isWellFormed() && !value.includes("\0") && !value.includes("\r"));
  assert(mail.attachments.length < MAIL_LIMITS.parts && mail.references.length <= MAIL_LIMITS.references);
  for (const [index, attachment] of mail.attachments.entries()) {
    assertEquals(attachment.index, index);
    assert(0 <= attachment.start && attachment.start <= attachment.end && attachment.end <= bytes.length);
    assertEquals(contentOf(bytes, attachment).length, attachment.size);
  }
}

async function decided(bytes: Uint8Array, mail: Mail, post: Post = postOf()): Promise<void> {
  const items = await factsOf(mail, post, WORLD, bytes);
  assert(items.length > 0);
  for (const facts of items) {
    const judgement = judge(facts, resolve(facts), WORLD);
    assertEquals(JSON.parse(JSON.stringify({ facts, judgement })), { facts, judgement });
    // Nothing that is not verified goes anywhere.
    if (judgement.verified !== true) assertEquals([judgement.forward, judgement.relay], [null, null]);
    if (judgement.relay !== null) assertEquals([judgement.kind, facts.auto], ["owner_reply", null]);
  }
}

Deno.test("any damaged mail is read, judged and left as it was", async () => {
  await holds(
    fc.asyncProperty(mutated, async (bytes) => {
      const before = bytes.slice();
      const mail = readMail(bytes);
      holdsFor(bytes, mail);
      await decided(bytes, mail);
      if (mail.html !== null) await sanitiseMail(mail.html);
      assertEquals(bytes, before);
    }),
    { cases: 20_000 },
  );
});

Deno.test("any damaged form is cut, and what it posts is read", async () => {
  const body = bytesOf(
    '--=_b1\r\nContent-Disposition: form-data; name="envelope"\r\n\r\n{"to":["a@in.bloom.example"],"from":"b@c.test"}\r\n',
    '--=_b1\r\nContent-Disposition: form-data; name="headers"\r\n\r\nFrom: a@b.test\r\nSubject: x\r\n\r\n',
    '--=_b1\r\nContent-Disposition: form-data; name="text"\r\n\r\nNoon.\r\n',
    '--=_b1\r\nContent-Disposition: form-data; name="attachment-info"\r\n\r\n{"attachment1":{"filename":"a.pdf"}}\r\n',
    '--=_b1\r\nContent-Disposition: form-data; name="attachment1"; filename="a.pdf"\r\n\r\nPDF\r\n--=_b1--\r\n',
  );
  const damaged = fc.array(mutation, { minLength: 1, maxLength: 6 }).map((mutations) =>
    mutations.reduce((bytes, { at, length, byte, piece, how }) => {
      const start = Math.floor(at * bytes.length);
      const rest = bytes.subarray(how === "delete" ? start + length : start);
      return how === "cut"
        ? bytes.slice(0, start)
        : bytesOf(bytes.subarray(0, start), how === "insert" ? piece : [byte], rest);
    }, body)
  );
  await holds(
    fc.asyncProperty(damaged, async (bytes) => {
      const form = readForm(bytes, "multipart/form-data; boundary==_b1")!;
      for (const { start, end } of form.fields.values()) {
        assert(0 <= start && start <= end && end <= bytes.length);
      }
      const mail = fromParsed(bytes, form);
      holdsFor(bytes, mail);
      await decided(bytes, mail, readPost(bytes, form));
    }),
    { cases: 2_000 },
  );
});

Deno.test("any bytes at all are a mail", () => {
  holds(fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => holdsFor(bytes, readMail(bytes))), {
    cases: 2_000,
  });
});
