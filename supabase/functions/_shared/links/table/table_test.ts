/** Each service's export says the same as a link of ours. */
import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "../../../../../tests/support/assert.ts";
import { anyLink, stored } from "../../../../../tests/support/any_link.ts";
import { holds } from "../../../../../tests/support/property.ts";
import fc from "fast-check";
import { newLink } from "../../contract/links.ts";
import { readTable } from "./read.ts";
import { detect, type Format, type MapOptions, type Mapped, mapRow } from "./sources.ts";
import { UnreadableFile } from "./unreadable.ts";
import { parseCsv } from "./csv.ts";
import { WRITTEN, written } from "./write.ts";

async function mapped(text: string, options: MapOptions = {}): Promise<Mapped[]> {
  const { columns, rows } = readTable(text, "file");
  return (await Promise.all(rows.map((row) => mapRow(detect(columns), row, options)))).flat();
}

const DUB_JSON = JSON.stringify([{
  id: "link_1",
  domain: "go.example.com",
  key: "Spring",
  url: "https://www.example.com/?utm_source=mail",
  externalId: "order-1",
  ios: "https://www.example.com/ios",
  android: null,
  geo: { DE: "https://www.example.com/de" },
  tags: [{ id: "t1", name: "print", color: "red" }],
  expiresAt: "2027-01-01T00:00:00.000Z",
  expiredUrl: "https://www.example.com/late",
  proxy: true,
  title: "Spring",
  description: "Is here",
  image: null,
  password: "open sesame",
  comments: "ask Ann",
  rewrite: false,
  archived: false,
  disabledAt: null,
  testVariants: [{ url: "https://www.example.com/b", percentage: 30 }],
  utm_source: "mail",
  clicks: 5,
}]);

const cases: [
  name: string,
  format: Format,
  text: string,
  link: Record<string, unknown>,
  rest?: Partial<Mapped>,
][] = [
  [
    "Bitly's CSV, with a custom back-half",
    "bitly",
    "Link,Custom Link,Title,Destination URL,Created,Tags,Engagements\n" +
    'bit.ly/3aBc,go.example.com/Bread,"Bread, fresh",https://www.example.com/bread,2024-01-01,"print,shop",17\n',
    {
      code: "bread",
      default_url: "https://www.example.com/bread",
      title: "Bread, fresh",
      tags: ["print", "shop"],
      external_id: "bitly:go.example.com/Bread",
    },
    { lost: ["Created", "Engagements"], domain: "go.example.com" },
  ],
  [
    "what Bitly's API gives",
    "bitly",
    '{"links":[{"link":"https://bit.ly/3aBc","id":"bit.ly/3aBc","long_url":"https://www.example.com/","tags":[],' +
    '"custom_bitlinks":[],"archived":true,"created_at":"2024-01-01T00:00:00+0000"}]}',
    {
      code: "3abc",
      default_url: "https://www.example.com/",
      tags: ["archived"],
      external_id: "bitly:bit.ly/3aBc",
    },
    { lost: ["created_at"], domain: "bit.ly" },
  ],
  [
    "Dub's CSV",
    "dub",
    "Short link,Destination URL,Clicks,Created at,Link ID,Tags,Archived\n" +
    'https://dub.sh/spring,https://www.example.com/,3,2024-01-01T00:00:00.000Z,link_1,"a, b",Yes\n',
    {
      code: "spring",
      default_url: "https://www.example.com/",
      tags: ["a", "b", "archived"],
      external_id: "dub:dub.sh/spring",
    },
    { lost: ["Clicks", "Created at"], domain: "dub.sh" },
  ],
  [
    "what Dub's API gives",
    "dub",
    DUB_JSON,
    {
      code: "spring",
      default_url: "https://www.example.com/?utm_source=mail",
      targets: [
        { when: { platform: "ios" }, url: "https://www.example.com/ios" },
        { when: { country: "DE" }, url: "https://www.example.com/de" },
        { when: { weight: 30 }, url: "https://www.example.com/b" },
      ],
      tags: ["print"],
      expires_at: "2027-01-01T00:00:00.000Z",
      expired_url: "https://www.example.com/late",
      note: "ask Ann",
      password: "open sesame",
      preview: { title: "Spring", description: "Is here" },
      utm: { source: "mail" },
      external_id: "order-1",
    },
    { lost: ["clicks"], domain: "go.example.com" },
  ],
  [
    "a link that Dub has switched off",
    "dub",
    '[{"domain":"dub.sh","key":"off","url":"https://www.example.com/","disabledAt":"2024-01-01T00:00:00.000Z"}]',
    { code: "off", default_url: "https://www.example.com/", external_id: "dub:dub.sh/off" },
    { leftOut: "it is disabled there" },
  ],
  [
    "Firebase's CSV under the names it documents",
    "firebase",
    '"Short link","Deep link (link)","Android package name (apn)","Android fallback link (afl)","iOS bundle ID (ibi)",' +
    '"iOS fallback link (ifl)","iOS custom scheme (ius)","iOS app store ID (isi)","Desktop fallback link (ofl)",' +
    '"Social title (st)","Social image link (si)","UTM campaign (utm_campaign)","iTunes connect pt","Archived?","Link name",' +
    '"Creation timestamp"\n' +
    "https://ex.page.link/AbC1,https://www.example.com/p?id=1,com.example.app,,com.example.ios,,exapp,123,,Title," +
    "https://www.example.com/i.png,spring,99,false,My link,1500000000\n",
    {
      code: "abc1",
      default_url: "https://www.example.com/p?id=1",
      targets: [
        { when: { platform: "ios" }, store: "https://apps.apple.com/app/id123?pt=99" },
        {
          when: { platform: "android" },
          app: {
            url: "https://www.example.com/p?id=1",
            package: "com.example.app",
            fallback: "https://play.google.com/store/apps/details?id=com.example.app",
          },
        },
      ],
      preview: { title: "Title", image: "https://www.example.com/i.png" },
      utm: { campaign: "spring" },
      title: "My link",
      external_id: "firebase:ex.page.link/AbC1",
    },
    { lost: ["iOS custom scheme (ius)", "Creation timestamp"], domain: "ex.page.link" },
  ],
  [
    "Firebase's CSV under its short names, with pages instead of stores",
    "firebase",
    "short_link,link,apn,afl,ibi,ifl,ofl,archived\n" +
    "https://ex.page.link/b,https://www.example.com/p,com.example.app,https://www.example.com/android,com.example.ios," +
    "https://www.example.com/ios,https://www.example.com/desk,true\n",
    {
      code: "b",
      default_url: "https://www.example.com/desk",
      targets: [
        { when: { platform: "ios" }, url: "https://www.example.com/ios" },
        {
          when: { platform: "android" },
          app: {
            url: "https://www.example.com/p",
            package: "com.example.app",
            fallback: "https://www.example.com/android",
          },
        },
      ],
      tags: ["archived"],
      external_id: "firebase:ex.page.link/b",
    },
  ],
  [
    "a table that somebody made in a spreadsheet of Europe",
    "csv",
    "\ufeffURL;Code;Tags;Expires at;Max uses;UTM source\r\nhttps://www.example.com/;Sommer;a|b;2027-01-01;7;poster\r\n;;;;;\r\n",
    {
      default_url: "https://www.example.com/",
      code: "sommer",
      tags: ["a", "b"],
      expires_at: "2027-01-01T00:00:00.000Z",
      max_uses: 7,
      utm: { source: "poster" },
      external_id: "csv:sommer",
    },
    { lost: [] },
  ],
  [
    "JSON as the API takes it",
    "csv",
    '{"external_id":"1","whatsapp":{"phone_number_id":"2","text":"Hi"},"utm":{"term":"x"},"pass_query":true}\n\n' +
    '{"external_id":"3","default_url":"https://www.example.com/","state":"disabled"}\n',
    {
      external_id: "1",
      whatsapp: { phone_number_id: "2", text: "Hi" },
      utm: { term: "x" },
      pass_query: true,
    },
  ],
];

for (const [name, format, text, link, rest] of cases) {
  Deno.test(`links import: ${name}`, async () => {
    assertEquals(detect(readTable(text, "file").columns), format);
    const [first] = await mapped(text);
    assertEquals(first.link, link as Mapped["link"]);
    for (const [key, value] of Object.entries(rest ?? {})) {
      assertEquals(first[key as keyof Mapped], value, key);
    }
  });
}

Deno.test("links import: a row without code and id is recognised by its content, and so created once", async () => {
  const url = "https://www.example.com/";
  const [a, b, c] = await mapped(`url,tags\n${url},a\n${url},a\n${url},b\n`);
  assertMatch(a.link.external_id, /^csv:[0-9a-f]{32}$/);
  assertEquals(a.link, b.link);
  assertNotEquals(a.link.external_id, c.link.external_id);
  assertEquals("code" in a.link, false);
});

Deno.test("links import: what links export writes is read back unchanged, as CSV and as JSON lines", async () => {
  await holds(
    fc.asyncProperty(fc.array(anyLink, { minLength: 1, maxLength: 5 }), async (links) => {
      for (const format of WRITTEN) {
        const read = await mapped(written(links.map(stored), format, true));
        assertEquals(read.map(({ link }) => link), links as Mapped["link"][], format);
        assertEquals(read.flatMap(({ lost }) => lost), []);
      }
    }),
    { cases: 100 },
  );
});

Deno.test("links import: of our own export the uses are named, unless there are none", async () => {
  const link = stored({ code: "abc", default_url: URL_A } as never);
  for (const format of WRITTEN) {
    const read = await mapped(written([link, { ...link, code: "abd", uses: 3 }], format, true));
    assertEquals(read.map(({ lost }) => lost), [[], ["uses"]], format);
  }
});

Deno.test("links export: a CSV starts with a byte order mark and has the line endings that spreadsheets expect", () => {
  const text = written([stored({ code: "abc", default_url: URL_A } as never)], "csv", true);
  assertEquals([text[0], text.slice(1, 6), /[^\r]\n/.test(text)], ["\ufeff", "code,", false]);
  assertEquals(written([], "csv", false), "", "once a file");
  assertEquals(written([stored({ code: "abc" } as never)], "jsonl", true)[0], "{");
});

const formula = fc.tuple(
  fc.constantFrom("=", "+", "-", "@", "\t=", "'=", "''+", "＝", "＠", "[", "{", '"=', ";=", "|@"),
  fc.string({ unit: "grapheme", maxLength: 8 }),
).map((parts) => parts.join("").replace(/[\p{Cc}]/gu, "").trim()).filter((text) =>
  text !== "" && text.isWellFormed()
);

Deno.test("links export: formulas are escaped in cells, and read back unchanged", async () => {
  await holds(
    fc.asyncProperty(
      formula,
      formula,
      fc.uniqueArray(formula, { minLength: 1, maxLength: 3 }),
      async (title, note, tags) => {
        const link = {
          code: "abc",
          external_id: title,
          default_url: URL_A,
          title,
          note,
          tags,
          utm: { term: note },
        };
        const text = written([stored(link as never)], "csv", true);
        const cells = parseCsv(text.slice(1), ",").flatMap(({ cells }) => cells);
        assertEquals(cells.filter((cell) => /^[=+\-@\t\r\n＝＋－＠]/.test(cell)), []);
        assertEquals((await mapped(text)).map(({ link }) => link), [link] as Mapped["link"][]);
      },
    ),
  );
});

Deno.test("links export: no cell of a CSV begins like a formula", () => {
  const text = written(
    [{ code: "abc", tags: ['=HYPERLINK("https://evil.example")'], utm: { term: "+1" } } as never],
    "csv",
    true,
  );
  const { rows: [{ values }] } = readTable(text.replaceAll("'", "’"), "file");
  assertEquals(Object.values(values).filter((cell) => /^[=+\-@]/.test(String(cell))), []);
});

Deno.test("links import: an invalid number is left for the check to report", async () => {
  const [{ link }] = await mapped("url,max_uses\nhttps://www.example.com/,many\n");
  const { error } = newLink.safeParse(link);
  assertEquals(error?.issues.map(({ path }) => path[0]), ["max_uses"]);
});

const unreadable: [string, string, RegExp][] = [
  ["nothing", " \n", /empty/],
  ["half a quotation in the heading", '"url,code\nhttps://x', /not CSV: row 1 has a quotation mark/],
  ["two columns of one name", "url,url\na,b\n", /two columns/],
  [
    "two columns of one name in other words",
    "UTM source,utm_source\na,b\n",
    /two columns are called utm_source/,
  ],
  ["JSON that holds no links", "[1]", /entry 1 is not an object/],
  ["JSON that is cut off", '[{"url":"x"},', /line 1 is not JSON/],
];
for (const [name, text, said] of unreadable) {
  Deno.test(`links import: ${name} is refused`, async () => {
    const error = await assertRejects(() => mapped(text), UnreadableFile);
    assertMatch(error.message, said);
  });
}

const URL_A = "https://www.example.com/a", URL_B = "https://www.example.com/b";
const broken: [name: string, text: string, place: number, said: RegExp][] = [
  [
    "too few cells",
    `code,url,tags\none,${URL_A},x\ntwo,${URL_B}\nthree,${URL_A},\n`,
    3,
    /2 cells, but the heading has 3/,
  ],
  ["too many cells", `code,url\none,${URL_A}\ntwo,${URL_B},x\nthree,${URL_A}\n`, 3, /3 cells/],
  ["a mark that is never closed", `code,url\none,${URL_A}\ntwo,"${URL_B}\nthree,${URL_A}\n`, 3, /not closed/],
  [
    "a mark that a later one closes",
    `code,url\none,${URL_A}\ntwo,"${URL_B}\nthree,"${URL_A}"\n`,
    3,
    /after a closing/,
  ],
  ["text behind a mark", `code,url\none,${URL_A}\n"two"2,${URL_B}\nthree,${URL_A}\n`, 3, /after a closing/],
  ["a blank before a mark", `code,url\none,${URL_A}\ntwo, "${URL_B}"\nthree,${URL_A}\n`, 3, /blanks before/],
  [
    "a date of two days",
    `code,url,expires_at\none,${URL_A},\ntwo,${URL_B},01.02.2027\nthree,${URL_A},\n`,
    3,
    /dmy .*mdy/,
  ],
  [
    "a number as a date",
    `code,url,expires_at\none,${URL_A},\ntwo,${URL_B},10\nthree,${URL_A},\n`,
    3,
    /"10" is not a time/,
  ],
  [
    "a day that is none",
    `code,url,expires_at\none,${URL_A},\ntwo,${URL_B},2027-02-30\nthree,${URL_A},\n`,
    3,
    /not a time/,
  ],
  [
    "a switch of another language",
    `code,url,pass_query\none,${URL_A},\ntwo,${URL_B},WAHR\nthree,${URL_A},no\n`,
    3,
    /"WAHR" is not true/,
  ],
  [
    "a password that is not told",
    `code,url,password\none,${URL_A},\ntwo,${URL_B},true\nthree,${URL_A},\n`,
    3,
    /has a password/,
  ],
  [
    "a line that is no JSON",
    `{"code":"one","url":"${URL_A}"}\n{"code"\n{"code":"three","url":"${URL_A}"}\n`,
    2,
    /not JSON/,
  ],
  [
    "an entry that is no object",
    `[{"code":"one","url":"${URL_A}"},7,{"code":"three","url":"${URL_A}"}]`,
    2,
    /not an object/,
  ],
];
for (const [name, text, place, said] of broken) {
  Deno.test(`links import: a row with ${name} fails alone`, async () => {
    const { columns, rows } = readTable(text, "file");
    const links = await Promise.all(
      rows.map(async (row) => ({ row, all: await mapRow(detect(columns), row) })),
    );
    assertEquals(links.map(({ row, all: [{ fault }] }) => [row.place, fault !== undefined]), [
      [place - 1, false],
      [place, true],
      [place + 1, false],
    ]);
    assertMatch(links[1].all[0].fault!, said);
    assertEquals(links.flatMap(({ all: [{ link, fault }] }) => fault ? [] : [link.code]), ["one", "three"]);
  });
}

Deno.test("links import: row numbers are those of a spreadsheet, after empty rows and multi-line cells", () => {
  const text = `code,url,note\n\none,${URL_A},"a\nb"\n,,\n"two",${URL_B},,,\n`;
  assertEquals(readTable(text, "file").rows.map(({ place, values, fault }) => [place, values.code, fault]), [
    [3, "one", undefined],
    [5, "two", undefined],
  ]);
});

const separated: [string, string][] = [
  ["CR alone", `code,url\rone,${URL_A}\r`],
  ["CR LF", `code,url\r\none,${URL_A}\r\n`],
  ["no end", `code,url\none,${URL_A}`],
  ["bars", `code|url\none|${URL_A}\n`],
  ["semicolons", `code;url\none;${URL_A}\n`],
  ["tabs", `code\turl\none\t${URL_A}\n`],
  ["a line that says what separates", `sep=;\r\ncode;url\r\none;${URL_A}\r\n`],
  ["semicolons, CR alone and commas in cells", `code;url\rone;${URL_A}\r,,,;,,,\r`],
];
for (const [name, text] of separated) {
  Deno.test(`links import: ${name}`, () => {
    const [{ place, values }] = readTable(text, "file").rows;
    assertEquals([place, values], [2, { code: "one", url: URL_A }]);
  });
}

Deno.test("links import: reports ignored columns, including those in other scripts and without a name", async () => {
  const [{ lost }] = await mapped(`url,Farbe,Имя,説明,\n${URL_A},rot,Анна,x,y\n`);
  assertEquals(lost, ["Farbe", "Имя", "説明", "column 5"]);
  const [{ lost: second }] = await mapped(`url,destination\n${URL_A},${URL_B}\n`);
  assertEquals(second, ["destination"], "of two addresses one is the link's");
  const [{ lost: doubled }] = await mapped(`[{"url":"${URL_A}","externalId":"a","external_id":"b"}]`);
  assertEquals(doubled, ["external_id"]);
});

Deno.test("links import: times without a zone are UTC, and reported; dates follow the requested order", async () => {
  const text =
    `url,starts_at,expires_at\n${URL_A},2027-01-02,2027-02-03 09:30\n${URL_B},2027-01-02T00:00:00+02:00,\n`;
  const [one, two] = await mapped(text);
  assertEquals([one.link.starts_at, one.link.expires_at, one.assumedUtc], [
    "2027-01-02T00:00:00.000Z",
    "2027-02-03T09:30:00.000Z",
    true,
  ]);
  assertEquals([two.link.starts_at, two.assumedUtc], ["2027-01-01T22:00:00.000Z", undefined]);
  const asked = `url;expires_at\n${URL_A};01.02.2027\n`;
  const of = async (dates: "dmy" | "mdy") => (await mapped(asked, { dates }))[0].link.expires_at;
  assertEquals([await of("dmy"), await of("mdy")], ["2027-02-01T00:00:00.000Z", "2027-01-02T00:00:00.000Z"]);
});
