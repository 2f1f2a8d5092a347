/** Whatever is posted as a mail, and signed, is answered 200 and kept, and never costs more than its limit. */
import { assert, assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import process from "node:process";
import { formOf, mimeOf, type WrittenMail } from "../../local/simulator/mail/mime.ts";
import { type Edge, edgeTest, KEYS } from "../support/edge.ts";
import { bytesOf, latin1 } from "../support/mails.ts";
import { casesOf, holds } from "../support/property.ts";

const MAILS = 20_000;
/** Most CPU seconds of one mail. */
const MOST_CPU = 2;
const PERSON = "casey@example.org";

/** Lines and pieces that mail programs, servers and attackers write, to be put anywhere. */
const PIECES: readonly Uint8Array[] = [
  ...[
    "",
    "\r\n",
    "\r\n\r\n",
    "\n\n",
    "\r",
    "\0",
    " ",
    "--",
    "--=_b1",
    "--=_b1--",
    "--xYz",
    "=",
    "=\r\n",
    "=?utf-8?B?AAAA",
    "=?utf-8?Q?=00=ff?=",
    "=?x-unknown?B?/w==?=",
    "Content-Type: multipart/mixed; boundary=\r\n",
    'Content-Type: multipart/mixed; boundary="=_b1"\r\n',
    "Content-Type: message/rfc822\r\n\r\n",
    "Content-Type: text/html; charset=utf-7\r\n",
    "Content-Type: text/plain; charset=utf-16le\r\n",
    "Content-Type: multipart/report; report-type=delivery-status\r\n",
    "Content-Type: message/delivery-status\r\n\r\n",
    "Content-Type: text/calendar; method=REPLY\r\n\r\nBEGIN:VCALENDAR",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Transfer-Encoding: uuencode\r\n",
    "Content-Disposition: attachment; filename*0*=utf-8''%; filename*1=b\r\n",
    'Content-Disposition: form-data; name="email"\r\n',
    'Content-Disposition: form-data; name="envelope"\r\n\r\n{"to":[1,null],"from":{}}\r\n',
    "Message-ID: <>\r\n",
    "Message-ID: <\0@\ud83d>\r\n",
    "From: a@b, c@d\r\n",
    "From: =?utf-8?q?a@b?= <>\r\n",
    "From: \u202e<a@[127.0.0.1]>\r\n",
    "To: :;,<>@\r\n",
    "Date: 99 Foo 99999\r\n",
    "References: <a@b> <a@b\r\n",
    "Auto-Submitted: \r\n",
    "X-Gatelink-Hops: 1e999\r\n",
    "Received: \r\n",
    "On Tue wrote:",
    "On Tue, <a@b> wrote:\r\n> ",
    "> > > > ",
    "<div><blockquote><table><!--",
    "<style>@import 'x'</style><svg onload=x>",
    "&#xfffff;&#0;&",
    "\u2028\ufeff\u0000\u200b",
  ].map((text) => bytesOf(text)),
  Uint8Array.of(0xff, 0xfe, 0xc0, 0x80),
  Uint8Array.of(0xed, 0xa0, 0x80),
  latin1("Gr\xfc\xdfe"),
];

/** Changes of a body: a piece is put in, a part is cut out, doubled, moved or overwritten. */
type Change =
  | { kind: "insert"; at: number; piece: number; times: number }
  | { kind: "cut" | "double" | "reverse" | "upper"; at: number; length: number }
  | { kind: "byte"; at: number; value: number };

const at = fc.double({ min: 0, max: 1, noNaN: true });
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant("insert" as const),
    at,
    piece: fc.nat(PIECES.length - 1),
    times: fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 3 }) }, {
      weight: 1,
      arbitrary: fc.integer({ min: 100, max: 3000 }),
    }),
  }),
  fc.record({
    kind: fc.constantFrom("cut" as const, "double" as const, "reverse" as const, "upper" as const),
    at,
    length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3000 })),
  }),
  fc.record({ kind: fc.constant("byte" as const), at, value: fc.nat(255) }),
);

function changed(body: Uint8Array, change: Change): Uint8Array<ArrayBuffer> {
  const from = Math.floor(change.at * body.length);
  const head = body.subarray(0, from);
  if (change.kind === "insert") {
    return bytesOf(
      head,
      ...Array<Uint8Array>(change.times).fill(PIECES[change.piece]),
      body.subarray(from),
    ) as Uint8Array<ArrayBuffer>;
  }
  if (change.kind === "byte") {
    return bytesOf(head, [change.value], body.subarray(from + 1)) as Uint8Array<ArrayBuffer>;
  }
  const part = body.subarray(from, from + change.length), tail = body.subarray(from + change.length);
  const instead = {
    cut: [],
    double: [part, part],
    reverse: [part.toReversed()],
    upper: [part.map((byte) => byte >= 97 && byte <= 122 ? byte - 32 : byte)],
  }[change.kind];
  return bytesOf(head, ...instead, tail) as Uint8Array<ArrayBuffer>;
}

const pdf = { name: "Übersicht.pdf", type: "application/pdf", content: btoa("%PDF-1.7 ".repeat(40)) };
const QUOTE =
  "\n\nOn Tue, Nov 24, 2026 at 9:15 AM Alex <alex@example.com> wrote:\n> Your order is ready.\n> Alex\n";
/** Mails that are right: each kind that the intake tells apart. */
const seeds = (to: string): readonly WrittenMail[] => {
  const mail = { from: { address: PERSON, name: "Casey Brøoks" }, to, subject: "Re: Your order" };
  const report = (type: string, parts: string): WrittenMail => ({
    ...mail,
    subject: "Undelivered",
    headers: { "Content-Type": `multipart/report; report-type=${type}; boundary="=_b1"` },
    text: parts,
  });
  return [
    { ...mail, text: `Can I come on Saturday?${QUOTE}` },
    { ...mail, text: `Später.${QUOTE}`, html: `<p>Später.</p><blockquote type="cite">Ready</blockquote>` },
    {
      ...mail,
      html: `<div dir="ltr">Yes</div><div class="gmail_quote">On Tue<br></div>`,
      attachments: [pdf],
    },
    { ...mail, text: "See", html: `<img src="cid:l">`, attachments: [{ ...pdf, cid: "l" }] },
    { ...mail, text: "I am away", headers: { "Auto-Submitted": "auto-replied" } },
    { ...mail, text: "All", headers: { "List-Id": "<l.example.org>", Precedence: "list" } },
    report(
      "delivery-status",
      "--=_b1\r\n\r\nno\r\n--=_b1\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--=_b1--",
    ),
    report(
      "feedback-report",
      "--=_b1\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n--=_b1--",
    ),
    { ...mail, text: "x", references: Array.from({ length: 60 }, (_, i) => `<${i}@example.org>`) },
    { ...mail, subject: "unsubscribe", text: "" },
  ];
};

const post = fc.record({
  seed: fc.nat(),
  changes: fc.array(change, { minLength: 1, maxLength: 6 }),
  /** In the mail only, or anywhere in the form. */
  inForm: fc.boolean(),
  type: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    undefined,
    "multipart/form-data",
    'multipart/form-data; boundary="',
    "text/plain",
  ),
  recipients: fc.constantFrom(1, 1, 1, 2),
});

/** An address to answer to, of a message that went out. */
async function replyAddress({ call, mail, settled, sql }: Edge): Promise<string> {
  await sql`
    insert into public.email_identities (id, user_id, from_email, display_name, forward_to, is_default, verified_at)
    values (${crypto.randomUUID()}, 'user-1', 'alex@example.com', 'Alex', 'alex@corp.example', true, now())`;
  const body = { to: PERSON, subject: "Your order", text: "It is ready." };
  assertEquals((await call("email-send", { headers: { apikey: KEYS.secretKey }, body })).status, 202);
  await settled();
  return mail.sent[0].replyTo!.email;
}

edgeTest(
  "20,000 mails that are not quite right: no 500, little CPU, and what got a 200 is kept",
  async (edge) => {
    const { mail, settled, set, sql, url } = edge;
    const to = await replyAddress(edge);
    await set({ "email_send.enabled": "false" });
    const written = seeds(to);
    const now = new Date("2026-11-29T12:00:00Z");
    let received = 0, stored = 0, slowest = 0;
    await holds(
      fc.asyncProperty(post, async ({ seed, changes, inForm, type, recipients }) => {
        const one = written[seed % written.length];
        let raw = mimeOf({ ...one, messageId: `${seed}-${received}@example.org` }, now);
        if (!inForm) { for (const each of changes) raw = changed(raw, each); }
        const way = { recipients: [to, `other-${seed}@reply.example.com`].slice(0, recipients) };
        let { body, contentType } = formOf(raw, one, way);
        if (inForm) { for (const each of changes) body = changed(body, each); }
        const request = new Request(`${url}/functions/v1/email-webhook/inbound`, {
          method: "POST",
          headers: { "content-type": type ?? contentType, ...mail.poster.headersFor(body) },
          body,
        });
        const before = process.cpuUsage();
        const response = (await edge.fetch(request))!;
        const answer = await response.json();
        const { user, system } = process.cpuUsage(before);
        const seconds = (user + system) / 1e6;
        slowest = Math.max(slowest, seconds);
        assertEquals(response.status, 200, JSON.stringify(answer));
        assert(seconds <= MOST_CPU, `${seconds} s of CPU`);
        received += answer.received;
        stored += answer.stored;
        assertEquals(answer.stored + answer.duplicates, answer.received);
        // Or most would be too many in an hour, and go nowhere.
        if (received % 10 === 0) await sql`delete from private.mail_senders`;
      }),
      { cases: MAILS },
    );
    await settled();
    const [{ events, rawless, kinds }] = await sql`
    select (
      select count(*)::int from public.webhook_events e where e.provider = 'sendgrid' and e.field = 'inbound') as events, (
      select count(*)::int from public.messages m where m.channel = 'email' and m.direction = 'in' and not exists (
        select from public.storage_objects o where o.message_id = m.id and o.kind = 'raw')) as rawless, (
      select count(distinct m.native ->> 'kind')::int from public.messages m
      where m.channel = 'email' and m.direction = 'in') as kinds`;
    assertEquals([events, rawless], [stored, 0]);
    assert(stored >= casesOf(MAILS) / 2 && kinds >= 5, `${stored} stored, of ${kinds} kinds`);
    console.log(
      `${received} received, ${stored} stored, of ${kinds} kinds; at most ${slowest.toFixed(2)} s of CPU`,
    );
  },
);
