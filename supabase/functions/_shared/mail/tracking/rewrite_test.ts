import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { assertLinear } from "../../../../../tests/support/growth.ts";
import { holds } from "../../../../../tests/support/property.ts";
import { isSigned, linksOf, trackHtml } from "./rewrite.ts";

const OWN = ["https://track.example.com/"];
const urlOf = (n: number) => `https://track.example.com/c/t/${n}`;

/** A mail as it is sent, with every link tracked. */
async function tracked(html: string, marks: { pixel?: string; trap?: string } = {}): Promise<string> {
  return await trackHtml(html, { links: await linksOf(html, OWN), urlOf, ...marks }, OWN);
}

Deno.test("trackHtml(): replaces addresses of links, and leaves every other byte", async () => {
  const cases: [html: string, expected: string, links: string[]][] = [
    [`<a href="https://a.example/">x</a>`, `<a href="${urlOf(1)}">x</a>`, ["https://a.example/"]],
    [`<A  HREF = 'https://a.example/?x=1&amp;y=2' >`, `<A  HREF = '${urlOf(1)}' >`, [
      "https://a.example/?x=1&y=2",
    ]],
    [`<a href=https://a.example/p?q=1>x`, `<a href=${urlOf(1)}>x`, ["https://a.example/p?q=1"]],
    [`<a\nclass=b href="https://a.example"/>`, `<a\nclass=b href="${urlOf(1)}"/>`, ["https://a.example"]],
    [
      `<a href="https://a.example/&#63;x&eacute;">`,
      `<a href="${urlOf(1)}">`,
      ["https://a.example/?xé"],
    ],
    [`<a href="&#104;ttps://a.example/">`, `<a href="${urlOf(1)}">`, ["https://a.example/"]],
    // `&copy=` in an attribute is no entity (WHATWG HTML 13.2.5.73).
    [`<a href="https://a.example/?a=1&copy=2">`, `<a href="${urlOf(1)}">`, ["https://a.example/?a=1&copy=2"]],
    [
      `<map><area href="https://a.example/1"></map><a href="https://a.example/2"><a href="https://a.example/1">`,
      `<map><area href="${urlOf(1)}"></map><a href="${urlOf(2)}"><a href="${urlOf(1)}">`,
      ["https://a.example/1", "https://a.example/2"],
    ],
    // Browsers take the first of two attributes.
    [
      `<a href="https://a.example/1" href="https://a.example/2">`,
      `<a href="${urlOf(1)}" href="https://a.example/2">`,
      ["https://a.example/1"],
    ],
    // Outlook reads its comments, and buttons in VML.
    [
      `<!--[if mso]><v:roundrect href="https://a.example/"><a href='https://a.example/b'></v:roundrect><![endif]-->`,
      `<!--[if mso]><v:roundrect href="${urlOf(1)}"><a href='${urlOf(2)}'></v:roundrect><![endif]-->`,
      ["https://a.example/", "https://a.example/b"],
    ],
    [
      `<!--[if !mso]><!--><a href="https://a.example/"><!--<![endif]-->`,
      `<!--[if !mso]><!--><a href="${urlOf(1)}"><!--<![endif]-->`,
      ["https://a.example/"],
    ],
  ];
  for (const [html, expected, links] of cases) {
    assertEquals(await linksOf(html, OWN), links, html);
    assertEquals(await tracked(html), expected);
  }
});

Deno.test("trackHtml(): leaves alone what no person follows on the web, what is ours, and what ends a subscription", async () => {
  const same = [
    `<a href="mailto:a@example.com?subject=x">`,
    `<a href="tel:+4912345">`,
    `<a href="sms:+4912345"><a href="#top"><a href="/relative"><a href="cid:1"><a href="javascript:x()">`,
    `<a href="https://track.example.com/u/abc">`,
    `<a href="https://a.example/{{path}}"><a href="{{link}}"><a href="https://a.example/*|ID|*">`,
    `<a href="https://a.example/Unsubscribe?id=1"><a href="https://a.example/?action=opt-out">`,
    `<a href="https://a.example/newsletter/abmelden"><a href="https://a.list-manage.example/x?e=unsub">`,
    `<a data-gl-notrack href="https://a.example/"><a href="https://a.example/2" DATA-GL-NOTRACK="">`,
    `<link href="https://a.example/s.css"><base href="https://a.example/"><img src="https://a.example/i.png">`,
    `<!-- <a href="https://a.example/"> --><script>"<a href='https://a.example/'>"</script>`,
    `<style>a{background:url(https://a.example/)}</style><title><a href="https://a.example/"></title>`,
    `<a href="https://a.example/ with blanks"><a href=" https://a.example/"><a href><a href="">`,
    `<a href=&#104;ttps://a.example/>`,
    `<a href="https://a.example/`,
  ];
  for (const html of same) assertEquals(await tracked(html), html);
});

Deno.test("trackHtml(): the pixel is before the last </body>, else </html>, else at the end; in a long mail at the beginning", async () => {
  const pixel = `<img src="https://t.example/p.png" width="1" height="1" alt="">`;
  const marks = { pixel: "https://t.example/p.png" };
  const cases: [string, string][] = [
    ["<html><body><p>x</p></body></html>", `<html><body><p>x</p>${pixel}</body></html>`],
    ["<body>a</body>b</BODY >", `<body>a</body>b${pixel}</BODY >`],
    ["<html>x</html>", `<html>x${pixel}</html>`],
    ["x", `x${pixel}`],
    ["<!-- </body> -->x", `<!-- </body> -->x${pixel}`],
    ["<textarea></body></textarea>x", `<textarea></body></textarea>x${pixel}`],
  ];
  for (const [html, expected] of cases) assertEquals(await tracked(html, marks), expected);
  // Long is what is sent: in bytes, and with links that have grown.
  const atStart = async (content: string) =>
    (await tracked(`<body class="b">${content}</body>`, marks)).startsWith(`<body class="b">${pixel}`);
  const links = Array.from({ length: 900 }, (_, i) => `<a href="http://a.io/${i}">${"x".repeat(70)}</a>`);
  assert(links.join("").length < 95_000);
  const contents = [
    "x".repeat(120_000),
    "x".repeat(95_000),
    "я".repeat(60_000),
    "я".repeat(49_000),
    links.join(""),
  ];
  assertEquals(await Promise.all(contents.map(atStart)), [true, false, true, false, true]);
  assertEquals(
    await tracked("<body></body>", { trap: "https://t.example/c/t/0" }),
    `<body><a href="https://t.example/c/t/0" style="display:none" tabindex="-1" aria-hidden="true"></a></body>`,
  );
});

Deno.test("isSigned(): knows PGP and S/MIME, which a change would break", () => {
  assert(isSigned({ types: ["image/png", "application/PKCS7-signature"] }));
  assert(isSigned({ types: [], text: "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512" }));
  assert(isSigned({ types: [], html: "<pre>-----BEGIN PGP MESSAGE-----" }));
  assert(!isSigned({ types: ["application/pdf"], html: "<p>PGP</p>", text: "BEGIN" }));
});

const address = fc.webUrl({ withQueryParameters: true, withFragments: true })
  .filter((url) => url.length < 2000);
const escaped = (url: string, quote: string) =>
  url.replaceAll("&", "&amp;").replaceAll(quote, quote === '"' ? "&quot;" : "&#39;");
const piece = fc.oneof(
  fc.tuple(address, fc.constantFrom('"', "'")).map(([url, quote]) => ({
    html: `<a href=${quote}${escaped(url, quote)}${quote}>`,
    url,
  })),
  fc.constantFrom(
    "<p>",
    "</p>",
    "<!-- x -->",
    "<!--[if mso]>",
    "<![endif]-->",
    "&amp;",
    "<br/>",
    "text",
    "<",
    ">",
    '"',
  )
    .map((html) => ({ html, url: undefined })),
  fc.string({ unit: "binary", maxLength: 20 }).map((html) => ({ html, url: undefined })),
);

Deno.test("trackHtml(): whatever the HTML is, putting the addresses back gives it as it was", async () => {
  await holds(fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
    const html = pieces.map(({ html }) => html).join("");
    const links = await linksOf(html);
    // A mark that no HTML of the test holds stands for each link.
    const marked = await trackHtml(html, { links, urlOf: (n) => `https://gl.invalid/${n}/` });
    const kept = marked.split(/https:\/\/gl\.invalid\/\d+\//);
    let at = 0;
    kept.forEach((part, i) => {
      const found = i === 0 ? 0 : i === kept.length - 1 ? html.length - part.length : html.indexOf(part, at);
      assert(found >= at && html.startsWith(part, found), "something else changed");
      // Between two kept parts an address stood, and nothing that could end it.
      assert(!/[<>\s]/.test(html.slice(at, found)), html.slice(at, found));
      at = found + part.length;
    });
    assertEquals(await linksOf(marked, ["https://gl.invalid/"]), [], "a link was left");
  }));
});

Deno.test("linksOf(): finds each web address of a link, however it is quoted, as it was before it was escaped", async () => {
  await holds(
    fc.asyncProperty(
      fc.array(fc.tuple(address, fc.constantFrom('"', "'")), { maxLength: 8 }),
      async (given) => {
        const html = given.map(([url, quote]) =>
          `<p><a href=${quote}${escaped(url, quote)}${quote}>x</a></p>`
        ).join("");
        const links = await linksOf(html);
        const wanted = new Set(given.map(([url]) => url));
        assert(links.every((url) => wanted.has(url)), html);
        // Words such as "unsub" may come by chance.
        assert(links.length >= wanted.size - 1);
      },
    ),
  );
});

Deno.test("linksOf(): takes time in proportion to the HTML", async () => {
  for (
    const unit of [
      '<a href="https://a.example/?x=1&amp;y=2">x</a>',
      "<!--[if mso]>",
      '<a href="',
      "<a href='x' ",
      "&amp;",
      "<",
    ]
  ) {
    await assertLinear(4000, (size) => linksOf(unit.repeat(size)).then(() => {}));
  }
});
