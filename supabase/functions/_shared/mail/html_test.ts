import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { Parser } from "htmlparser2";
import { flattened, type Images, sanitiseMail, shownMail, textOf } from "./html.ts";

/** What a mail tries, and what is left of it. */
const ATTACKS: readonly (readonly [html: string, left: string])[] = [
  ["<script>alert(1)</script>a", "a"],
  ["<p onclick=alert(1) onmouseover='x'>a</p>", "<p>a</p>"],
  ['<a href="javascript:alert(1)">a</a>', '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'],
  ['<a href="java&#10;script:alert(1)">a</a>', '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'],
  ['<a href="data:text/html,x">a</a>', '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'],
  [
    '<a href="https://moss.example/" target="_top">a</a>',
    '<a href="https://moss.example/" target="_blank" rel="noopener noreferrer nofollow">a</a>',
  ],
  ["<img src=x onerror=alert(1)>", ""],
  ["<svg onload=alert(1)><circle/></svg>", ""],
  ["<iframe src=https://evil.test></iframe>", ""],
  ["<object data=x></object><embed src=x>", ""],
  ["<form action=https://evil.test><input name=a><button>b</button></form>", "b"],
  ["<style>@import url(https://evil.test)</style>a", "a"],
  [
    "<link rel=stylesheet href=https://evil.test><base href=https://evil.test><meta http-equiv=refresh content=0>a",
    "a",
  ],
  ['<p style="background:url(https://evil.test/p.png);color:red">a</p>', '<p style="color:red">a</p>'],
  ['<p style="position:fixed;top:0;width:100%">a</p>', '<p style="width:100%">a</p>'],
  ['<p style="color:expression(alert(1))">a</p>', "<p>a</p>"],
  [
    "<p style=\"COLOR : Red !important; font-family:'Open Sans', Arial;;\">a</p>",
    `<p style="color:Red;font-family:'Open Sans', Arial">a</p>`,
  ],
  ['<p style="font-family:\'a;color:red">a</p>', '<p style="color:red">a</p>'],
  ['<p style="/*;color:red;*/width:1px">a</p>', '<p style="color:red">a</p>'],
  ['<p style="width:1px;background-image:url(data:a;color:blue)">a</p>', '<p style="width:1px">a</p>'],
  ['<p style="c\\6f lor:red;constructor:1px;margin:expression(x)">a</p>', "<p>a</p>"],
  [
    '<a href="https://moss.example/" style="color:red;position:fixed">a</a>',
    '<a href="https://moss.example/" target="_blank" rel="noopener noreferrer nofollow" style="color:red">a</a>',
  ],
  ["<math><mtext><img src=x onerror=alert(1)></mtext></math>", ""],
  ["<p id=a class=b data-x=c>a</p>", "<p>a</p>"],
  ['<a href="/admin">a</a>', '<a target="_blank" rel="noopener noreferrer nofollow">a</a>'],
  ["a<!-- <script> -->b", "ab"],
  ["<textarea><script>x</script></textarea>", ""],
];
for (const [html, left] of ATTACKS) {
  Deno.test(`sanitiseMail(): ${html}`, async () => assertEquals(await sanitiseMail(html), left));
}

Deno.test("sanitiseMail(): images of others stay out until asked for", async () => {
  const html = '<img src="cid:a"><img src="https://evil.test/p.png"><img src="//evil.test/p.png">';
  const sources = async (images: Images) =>
    [...(await sanitiseMail(html, images)).matchAll(/src="([^"]*)"/g)].map(([, src]) => src);
  assertEquals(await sources("none"), []);
  assertEquals(await sources("inline"), ["cid:a"]);
  assertEquals(await sources("all"), ["cid:a", "https://evil.test/p.png"]);
});

Deno.test("shownMail(): counts images of others, in one walk, and puts what it is given in their place", async () => {
  const html = `<img src="cid:a"><p title='<img src="https://moss.example/0.png">'>x</p>` +
    '<img alt="one" src=" https://moss.example/1.png?a=1&amp;b=2"><IMG SRC="HTTP://moss.example/2.png">' +
    '<img src="//moss.example/3.png"><img src="https://moss.example/open.gif" width="1" height=1>' +
    '<img src="https://moss.example/line.gif" width="600" height="1"><script><img src="https://moss.example/4.png"></script>';
  const asked: string[] = [];
  const shown = await shownMail(html, (address) => {
    asked.push(address);
    return asked.length === 2 ? undefined : `cid:own-${asked.length}`;
  });
  assertEquals(asked, [
    "https://moss.example/1.png?a=1&b=2",
    "HTTP://moss.example/2.png",
    "https://moss.example/line.gif",
  ]);
  assertEquals(shown.remote, 3);
  assertEquals([...shown.html.matchAll(/<img[^>]*>/g)].map(([tag]) => tag), [
    '<img src="cid:a" />',
    '<img alt="one" src="cid:own-1" />',
    '<img width="600" height="1" src="cid:own-3" />',
  ]);
  assertEquals(await shownMail(html), { html: await sanitiseMail(html), remote: 3 });
});

Deno.test("sanitiseMail(): any soup of tags leaves allowed tags and attributes alone", async () => {
  const piece = fc.constantFrom(
    "<script>",
    "</script>",
    "<p",
    " onload=x",
    ">",
    "<img src=x",
    "'",
    '"',
    "<a href=",
    "javascript:x",
    "https://x.test",
    "<style>",
    "</style>",
    "<svg>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&lt;script&gt;",
    "<table><td>",
    "text",
    "\0",
    "<iframe ",
    "/",
    "=",
  );
  await holds(
    fc.asyncProperty(fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")), async (html) => {
      const clean = await sanitiseMail(html, "all");
      new Parser({
        onopentag: (name, attributes) => {
          assert(
            !["script", "style", "iframe", "svg", "object", "form", "link", "meta", "base"].includes(name),
            clean,
          );
          for (const [key, value] of Object.entries(attributes)) {
            assert(!key.startsWith("on") && !/^\s*javascript:/i.test(value), clean);
          }
        },
      }).end(clean);
    }),
    { cases: 2000 },
  );
});

Deno.test("flattened(): leaves ordinary HTML alone, and takes only tags out of deep ones", () => {
  const ordinary = "<table><tr><td><p>a<p>b<ul><li>c<li>d</ul></td></tr></table>".repeat(500);
  assertEquals(flattened(ordinary), ordinary);
  const deep = `${"<div>".repeat(5_000)}text${"</div>".repeat(5_000)}after`;
  let [depth, most] = [0, 0];
  let text = "";
  new Parser({
    onopentag: () => most = Math.max(most, ++depth),
    onclosetag: () => depth--,
    ontext: (piece) => text += piece,
  }).end(flattened(deep));
  assertEquals([most, text], [200, "textafter"]);
});

Deno.test("textOf(): a document nested 50,000 times keeps its text", async () => {
  assertEquals((await textOf(`${"<div>".repeat(50_000)}Noon.`)).trim(), "Noon.");
});
