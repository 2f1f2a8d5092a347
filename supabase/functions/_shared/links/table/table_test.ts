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
import { readTable, UnreadableFile } from "./read.ts";
import { detect, type Format, type Mapped, mapRow } from "./sources.ts";
import { WRITTEN, written } from "./write.ts";

async function mapped(text: string, format?: Format): Promise<Mapped[]> {
  const { columns, rows } = readTable(text, "file");
  return await Promise.all(rows.map((row) => mapRow(format ?? detect(columns), row)));
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
      tags: ["print", "shop"],
      external_id: "bitly:go.example.com/Bread",
    },
    { lost: ["Title"], domain: "go.example.com" },
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
    { lost: [], domain: "bit.ly" },
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
    { lost: [], domain: "dub.sh" },
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
      password: "open sesame",
      preview: { title: "Spring", description: "Is here" },
      utm: { source: "mail" },
      external_id: "order-1",
    },
    { lost: ["comments"], domain: "go.example.com" },
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
      external_id: "firebase:ex.page.link/AbC1",
    },
    { lost: ["iOS custom scheme (ius)"], domain: "ex.page.link" },
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

Deno.test("links import: a row without code and id is known by what it says, so that it is made once", async () => {
  const url = "https://www.example.com/";
  const [a, b, c] = await mapped(`url,tags\n${url},a\n${url},a\n${url},b\n`);
  assertMatch(a.link.external_id, /^csv:[0-9a-f]{32}$/);
  assertEquals(a.link, b.link);
  assertNotEquals(a.link.external_id, c.link.external_id);
  assertEquals("code" in a.link, false);
});

Deno.test("links import: what links export writes is read back as it was, as CSV and as JSON lines", async () => {
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

Deno.test("links export: no cell of a CSV begins as a formula does", () => {
  const text = written(
    [{ code: "abc", tags: ['=HYPERLINK("https://evil.example")'], utm: { term: "+1" } } as never],
    "csv",
    true,
  );
  const { rows: [{ values }] } = readTable(text.replaceAll("'", "’"), "file");
  assertEquals(Object.values(values).filter((cell) => /^[=+\-@]/.test(String(cell))), []);
});

Deno.test("links import: the times and numbers that cannot be read are left for the check to name", async () => {
  const [{ link }] = await mapped("url,expires_at,max_uses\nhttps://www.example.com/,soon,many\n");
  const { error } = newLink.safeParse(link);
  assertEquals(error?.issues.map(({ path }) => path[0]), ["expires_at", "max_uses"]);
});

const unreadable: [string, string, RegExp][] = [
  ["nothing", " \n", /empty/],
  ["half a quotation", 'url,code\n"https://x', /not CSV/],
  ["a row that is too long", "url,code\nhttps://x.example.com/,a,b\n", /row 2 has 3 cells/],
  ["two columns of one name", "url,url\na,b\n", /two columns/],
  ["half of a line of JSON", '{"url":"x"}\n{"url"\n', /line 2 is not JSON/],
  ["JSON that holds no links", "[1]", /entry 1 is not an object/],
];
for (const [name, text, said] of unreadable) {
  Deno.test(`links import: ${name} is refused`, async () => {
    const error = await assertRejects(() => mapped(text), UnreadableFile);
    assertMatch(error.message, said);
  });
}
