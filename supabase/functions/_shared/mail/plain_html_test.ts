/** The quick walk, held to htmlparser2: it tells the same, or gives up. */
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import fc from "fast-check";
import { Parser } from "htmlparser2";
import { withoutByParser, withoutHtmlQuotes } from "./html_quotes.ts";
import { type Walker, walkPlain } from "./plain_html.ts";

const WANTED = new Set(["id", "class"]);

/** What the walk tells; undefined if it gives up. */
function walked(html: string): string[] | undefined {
  const told: string[] = [];
  const walker: Walker = {
    wanted: WANTED,
    listens: true,
    open: (name, attributes, start) => told.push(`${start} <${name} ${JSON.stringify(attributes)}`),
    text: () => told.push("text"),
    close: (name, end) => told.push(`</${name} ${end}`),
  };
  return walkPlain(html, walker) ? told : undefined;
}

/** What htmlparser2 tells. */
function parsed(html: string): string[] {
  const told: string[] = [];
  const parser: InstanceType<typeof Parser> = new Parser({
    onopentag: (name, attributes) => {
      const wanted = Object.fromEntries(Object.entries(attributes).filter(([name]) => WANTED.has(name)));
      told.push(`${parser.startIndex} <${name} ${JSON.stringify(wanted)}`);
    },
    ontext: (text) => {
      if (text.trim() !== "" && told.at(-1) !== "text") told.push("text");
    },
    onclosetag: (name) => told.push(`</${name} ${parser.endIndex + 1}`),
  }, { lowerCaseAttributeNames: true });
  parser.end(html);
  return told;
}

const NAMES = ["a", "b", "blockquote", "br", "DIV", "h1", "hr", "img", "li", "p", "span"];
const TABLE = ["table", "tbody", "td", "th", "thead", "tr", "ul"];
/** Nine plain ones to an odd one: one that is odd ends the walk. */
const mostly = (plain: readonly string[], odd: readonly string[]) =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...plain) }, {
    weight: 1,
    arbitrary: fc.constantFrom(...odd),
  });
const attribute = mostly(
  [
    "",
    "",
    " id=a",
    ' class="gmail_quote"',
    " CLASS='x y'",
    ' href="https://moss.example/?a=1&amp;b=2"',
    " id",
    "/",
  ]
    .concat(
      ' title="a>b"',
      ' class="gmail_attr" class="b"',
      "\n\tid\n",
      ' a="<div"',
      " type=cite",
      ' name="quote"',
    ),
  [
    " class=x=y",
    " id='&lt;'",
    " =x",
    " id=a/",
    ' id="a"b',
    " id= 'a>b'",
    " style=",
    ' "',
    ' id="appendonsend"',
  ],
);
const text = mostly(
  [
    "",
    "",
    "",
    "Noon.",
    " \n",
    "\u00a0",
    "&nbsp;",
    "&nbsp;&nbsp;a",
    "&#160;",
    "a < b",
    "<3",
    "&quot;Hi&quot;",
    "&nbspHi, you",
  ],
  [
    "&nbsp",
    "&ensp;",
    "&amp;",
    "<",
    "</",
    "<!-- x -->",
    "<!doctype html>",
    "<?x?>",
    "<script>a</script>",
    "&#xa0;",
    "&",
  ],
);
const piece = fc.tuple(text, fc.constantFrom(...NAMES, ...TABLE), attribute, fc.boolean())
  .map(([text, name, attributes, ends]) => `${text}<${ends ? "/" : ""}${name}${ends ? "" : attributes}>`);
/** Any order of tags. */
const soup = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
/** Trees, which a walk seldom gives up on; some lose a few characters. */
const { tree } = fc.letrec<{ tree: string; element: string }>((tie) => ({
  tree: fc.array(fc.oneof({ depthSize: "small" }, text, tie("element")), { minLength: 1, maxLength: 4 }).map((
    all,
  ) => all.join("")),
  element: fc.tuple(fc.constantFrom(...NAMES, ...TABLE, "table><tr><td"), attribute, tie("tree")).map(
    ([name, attributes, inner]) => {
      if (["br", "hr", "img"].includes(name)) return `<${name}${attributes}>${inner}`;
      const end = name.split("><").reverse().map((each) => `</${each}>`).join("");
      return `<${name}${attributes}>${inner}${end}`;
    },
  ),
}));
const damaged = fc.tuple(tree, fc.nat(), fc.nat(4)).map(([html, at, length]) => {
  const from = at % (html.length + 1);
  return html.slice(0, from) + html.slice(from + length);
});

Deno.test("walkPlain(): tells what htmlparser2 tells, or gives up", async () => {
  let plain = 0, all = 0;
  await holds(
    fc.property(fc.oneof(soup, tree, damaged), (html) => {
      all++;
      const told = walked(html);
      if (told === undefined) return;
      if (told.length > 2) plain++;
      assertEquals(told, parsed(html));
    }),
    { cases: 10_000 },
  );
  assert(plain > all / 50, `only ${plain} of ${all} were walked through`);
});

Deno.test("withoutHtmlQuotes(): the same with the quick walk as without it", async () => {
  await holds(
    fc.asyncProperty(fc.oneof(soup, tree, damaged), async (html) => {
      assertEquals(await withoutHtmlQuotes(html), await withoutByParser(html));
    }),
    { cases: 3_000 },
  );
});

const GMAIL =
  `<div dir="ltr">Noon is fine, &quot;Iris&quot;.<br></div><br><div class="gmail_quote gmail_quote_container">` +
  `<div dir="ltr" class="gmail_attr">On Tue, Iris &lt;<a href="mailto:iris@moss.example?a&amp;b">iris@moss.example</a>&gt; wrote:<br></div>` +
  `<blockquote class="gmail_quote" style="margin:0 0 0 .8ex"><table width=100%><tbody><tr><td><p>a</p><ul><li>b</li></ul>` +
  `<a href='x'><img src="cid:a" /></a></td></tr></tbody></table></blockquote></div>\n`;

Deno.test("walkPlain(): walks through what Gmail writes", () => {
  const told = walked(GMAIL);
  assert(told !== undefined);
  assertEquals(told, parsed(GMAIL));
});

Deno.test("walkPlain(): gives up where elements end others, and where they are nested too deep", () => {
  for (
    const html of [
      "<p>a<p>b</p>",
      "<p><div>a</div></p>",
      "<table><tr><td>a<td>b</td></tr></table>",
      "<a>a<a>b</a></a>",
      "<h1><h2>a</h2></h1>",
      "<b><i>a</b></i>",
      "<div>a",
      "</div>",
      "<style>p{}</style>",
      "<div>".repeat(201) + "</div>".repeat(201),
    ]
  ) assertEquals(walked(html), undefined, html);
});
