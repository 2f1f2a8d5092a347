/** Answers in HTML, by the marks of mail programs. Composed for this test. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { withoutHtmlQuotes } from "./html_quotes.ts";
import { cutReply } from "./reply_text.ts";

const QUOTE = "<div>Hello Mara,</div><div>your seeds are here.</div>";
const answer = async (html: string, text: string | null = null) => (await cutReply({ text, html })).text;

const MARKED: Readonly<Record<string, string>> = {
  "Gmail":
    `<div dir="ltr">Noon is fine.</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Tue Iris wrote:<br></div><blockquote class="gmail_quote">${QUOTE}</blockquote></div>`,
  "Gmail since 2024":
    `<div>Noon is fine.</div><div class="gmail_quote gmail_quote_container"><div class="gmail_attr">On Tue Iris wrote:</div><blockquote class="gmail_quote">${QUOTE}</blockquote></div>`,
  "a forward of Gmail":
    `<div>Noon is fine.</div><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------</div>${QUOTE}</div>`,
  "Gmail with a signature":
    `<div>Noon is fine.</div><br><span class="gmail_signature_prefix">-- </span><div class="gmail_signature">Mara Fern</div><div class="gmail_quote"><blockquote class="gmail_quote">${QUOTE}</blockquote></div>`,
  "Apple Mail":
    `<body>Noon is fine.<br><div><blockquote type="cite"><div>On 24 Nov 2026, Iris wrote:</div>${QUOTE}</blockquote></div></body>`,
  "Thunderbird":
    `<p>Noon is fine.</p><div class="moz-cite-prefix">On 24.11.26 Iris wrote:</div><blockquote type="cite" cite="mid:x">${QUOTE}</blockquote>`,
  "Outlook on the web":
    `<div>Noon is fine.</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> Iris</div>${QUOTE}`,
  "Outlook on the web, forwarded once":
    `<div>Noon is fine.</div><div id="x_divRplyFwdMsg"><b>From:</b> Iris</div>${QUOTE}`,
  "Outlook for Windows":
    `<p>Noon is fine.</p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p><b>From:</b> Iris</p></div></div>${QUOTE}`,
  "Outlook for Mac":
    `<p>Noon is fine.</p><div style="border: none; border-top: solid #B5C4DF 1.0pt; padding: 3.0pt"><p><b>From:</b> Iris</p></div>${QUOTE}`,
  "Outlook for phones":
    `<div>Noon is fine.</div><div id="ms-outlook-mobile-signature">Get Outlook for iOS</div><div id="mail-editor-reference-message-container">${QUOTE}</div>`,
  "Yahoo":
    `<div>Noon is fine.</div><div id="ydp1yahoo_quoted_77" class="ydp1yahoo_quoted"><div>On Tuesday Iris wrote:</div>${QUOTE}</div>`,
  "Proton":
    `<div>Noon is fine.</div><div class="protonmail_quote">On Tuesday Iris wrote:<blockquote class="protonmail_quote" type="cite">${QUOTE}</blockquote></div>`,
  "Tuta": `<div>Noon is fine.</div><blockquote class="tutanota_quote">${QUOTE}</blockquote>`,
  "Zoho": `<div>Noon is fine.</div><div class="zmail_extra"><blockquote>${QUOTE}</blockquote></div>`,
  "Zimbra":
    `<div>Noon is fine.</div><hr id="zwchr" data-marker="__DIVIDER__"><div><blockquote><b>From: </b>Iris<br></blockquote></div><div><blockquote>${QUOTE}</blockquote></div>`,
  "Spark":
    `<div>Noon is fine.</div><div name="messageSignatureSection"><br>Mara Fern</div><div name="messageReplySection">On Dec 1, 2026 Iris wrote:<br><blockquote type="cite">${QUOTE}</blockquote></div>`,
  "Outlook, with a rule above the quote":
    `<div class="elementToProof">Noon is fine.</div><hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg"><b>From:</b> Iris</div>${QUOTE}`,
  "GMX": `<div>Noon is fine.</div><div name="quote" style="margin:10px">${QUOTE}</div>`,
  "Hotmail of old": `<div>Noon is fine.</div><hr id="stopSpelling">${QUOTE}`,
  "Mail.ru": `<div>Noon is fine.</div><div class="mail_quote">${QUOTE}</div>`,
  "capitals and missing ends": `<DIV>Noon is fine.<BLOCKQUOTE TYPE="CITE">${QUOTE}`,
};
for (const [program, html] of Object.entries(MARKED)) {
  Deno.test(`cutReply(): the marks of ${program}`, async () => {
    assertEquals(await answer(html), "Noon is fine.");
    assert((await cutReply({ text: null, html })).text_full.includes("your seeds are here."));
  });
}

const OTHERS: Readonly<Record<string, readonly [html: string, text: string | null, want: string]>> = {
  "no marks: the text part counts": [
    `<div>Noon is fine.</div><div style="padding:8px">${QUOTE}</div>`,
    "Noon is fine.\n\n-----Original Message-----\nFrom: Iris\n\nHello Mara",
    "Noon is fine.",
  ],
  "no marks and no text: the header in bold": [
    `<div>Noon is fine.</div><div><b>From:</b> Iris &lt;iris@bloom.example&gt;<br><b>Sent:</b> Tuesday<br><b>To:</b> Mara<br><b>Subject:</b> Your seeds</div>${QUOTE}`,
    null,
    "Noon is fine.",
  ],
  "an answer below the quote": [
    `<div class="moz-cite-prefix">On 24.11.26 09:15, Iris wrote:</div><blockquote type="cite">${QUOTE}</blockquote><p>Noon is fine.</p>`,
    "On 24.11.26 09:15, Iris wrote:\n> Hello Mara,\n> your seeds are here.\n\nNoon is fine.",
    "Noon is fine.",
  ],
  "answers between quotes, in HTML alone": [
    `<div class="gmail_quote"><div class="gmail_attr">On Tue, 24 Nov 2026 at 09:15 Iris &lt;a@b.test&gt; wrote:</div><blockquote class="gmail_quote"><div>Noon?</div></blockquote><div>Yes.</div><blockquote class="gmail_quote"><div>Friday?</div></blockquote><div>No.</div></div>`,
    null,
    "> Noon?\nYes.\n> Friday?\nNo.",
  ],
  "nothing but a quote": [
    `<div><br></div><div class="gmail_quote"><blockquote class="gmail_quote">${QUOTE}</blockquote></div>`,
    "\n> Hello Mara,\n",
    "",
  ],
  "entities and blanks": ["<p>Tea&nbsp;&amp; cake &lt;3</p>", null, "Tea & cake <3"],
  "lines and lists": ["One<br>two<ul><li>a</li><li>b</li></ul>", null, "One\ntwo\n * a\n * b"],
  "a link that says more": [
    '<p>See <a href="https://moss.example/a">this</a></p>',
    null,
    "See this [https://moss.example/a]",
  ],
  "a link that says the same": [
    '<p><a href="https://moss.example">https://moss.example</a></p>',
    null,
    "https://moss.example",
  ],
  "styles and scripts are no text": [
    "<style>p{}</style><script>x()</script><title>t</title><p>Noon.</p>",
    null,
    "Noon.",
  ],
  "an empty text part beside HTML": ["<p>Noon.</p>", " \r\n ", "Noon."],
  "neither": ["", null, ""],
};
for (const [what, [html, text, want]] of Object.entries(OTHERS)) {
  Deno.test(`cutReply(): ${what}`, async () => assertEquals(await answer(html, text), want));
}

Deno.test("cutReply(): a clear-signed message is its text, without armour and escapes", async () => {
  const signed = (body: string) =>
    `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${body}\n-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----\n`;
  const cut = async (text: string) => (await cutReply({ text, html: null })).text;
  assertEquals(
    await cut(
      signed("Noon is fine.\n- - two\n\nOn Tue, 24 Nov 2026, Iris <i@in.bloom.example> wrote:\n> Hi"),
    ),
    "Noon is fine.\n- two",
  );
  // Cut off on the way: nothing is lost.
  const broken = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nNoon is fine.";
  assertEquals(await cut(broken), broken);
});

Deno.test("cutReply(): what our lines do not know, the library may", async () => {
  const text = "Noon is fine.\n\nFrom: Iris Vale <iris@bloom.example>\nHello Mara,\nyour seeds.";
  assertEquals(await cutReply({ text, html: null }), { text: "Noon is fine.", text_full: text });
});

/** What the library alone would cut, and a person wrote. */
const SENTENCES = [
  "Please pick me up:\n\nFrom: Berlin [central station]\nAt nine.",
  "Hello\n\nOn Friday I asked my colleague and he wrote:\n\nthe price is five",
  "Bonjour\n\nDe: Paris [Gare]\nA: Lyon\n\nmerci",
  "Hola\n\nEl martes me lo escribió:\n\nvale",
  "Fine.\n\nCheers,\nMara",
  "Fine.\n\nKind regards,\nMara\n\nPS: at noon?",
];
for (const text of SENTENCES) {
  Deno.test(`cutReply(): a person's own ${JSON.stringify(text.slice(0, 40))}`, async () => {
    assertEquals((await cutReply({ text, html: null })).text, text);
  });
}

Deno.test("withoutHtmlQuotes(): any soup of tags is cut or left, and never thrown at", async () => {
  const piece = fc.constantFrom(
    "<div>",
    "</div>",
    "<blockquote type=cite>",
    "</blockquote>",
    "<div class=gmail_quote>",
    "text",
    "<div id=appendonsend>",
    "<",
    ">",
    "<!--",
    "-->",
    '"',
    "&amp",
    "<style>",
    "</style>",
    "<b",
  );
  await holds(
    fc.asyncProperty(fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join("")), async (html) => {
      const cut = await withoutHtmlQuotes(html);
      assert(cut === undefined || cut.length <= html.length);
      const { text, text_full } = await cutReply({ text: null, html });
      assert(typeof text === "string" && typeof text_full === "string");
    }),
    { cases: 1000 },
  );
});
