/** Exports and answers of other shorteners: every code is kept, what is not carried over is named. */
import { assertEquals, assertMatch } from "../../../../../tests/support/assert.ts";
import { newLink } from "../../contract/links.ts";
import { readTable } from "./read.ts";
import { detect, type Format, type MapOptions, type Mapped, mapRow } from "./sources.ts";

const A = "https://www.example.com/a", B = "https://www.example.com/b";

async function mapped(text: string, options: MapOptions = {}) {
  const { columns, rows } = readTable(text, "file");
  const format = detect(columns);
  const links = (await Promise.all(rows.map((row) => mapRow(format, row, options)))).flat();
  return { format, links };
}

const cases: [
  name: string,
  format: Format,
  text: string,
  links: Record<string, unknown>[],
  rest?: Partial<Mapped>,
][] = [
  [
    "YOURLS, its table",
    "yourls",
    `keyword,url,title,timestamp,ip,clicks\nAbC12,${A},Two,2020-01-01 00:00:00,203.0.113.5,3\n`,
    [{ code: "abc12", default_url: A, title: "Two", external_id: "yourls:abc12" }],
    { lost: ["timestamp", "ip", "clicks"] },
  ],
  [
    "YOURLS, what its API answers",
    "yourls",
    `{"links":{"link_1":{"shorturl":"https://sho.rt/abc12","url":"${A}","title":"Two","timestamp":"2020-01-01 00:00:00",` +
    `"ip":"203.0.113.5","clicks":"3"}},"stats":{"total_links":"1"}}`,
    [{ code: "abc12", default_url: A, title: "Two", external_id: "yourls:sho.rt/abc12" }],
    { domain: "sho.rt", lost: ["timestamp", "ip", "clicks"] },
  ],
  [
    "Kutt, a table",
    "kutt",
    `link,target,description,visit_count\nhttps://kutt.example/Xy1,${A},desc,4\n`,
    [{ code: "xy1", default_url: A, note: "desc", external_id: "kutt:kutt.example/Xy1" }],
    { domain: "kutt.example", lost: ["visit_count"] },
  ],
  [
    "Kutt, what its API answers",
    "kutt",
    `{"limit":10,"skip":0,"total":1,"data":[{"address":"Xy1","banned":false,"created_at":"2024-01-01T00:00:00.000Z",` +
    `"id":"3f","link":"https://kutt.example/Xy1","password":false,"target":"${A}","updated_at":"2024-01-01T00:00:00.000Z",` +
    `"visit_count":4,"description":null,"expire_in":"2027-01-01T00:00:00.000Z","domain":null}]}`,
    [{
      code: "xy1",
      default_url: A,
      expires_at: "2027-01-01T00:00:00.000Z",
      external_id: "kutt:kutt.example/Xy1",
    }],
    { lost: ["created_at", "updated_at", "visit_count"] },
  ],
  [
    "Rebrandly, what its API answers",
    "rebrandly",
    `[{"id":"ff","title":"Burn","slashtag":"burn10M","destination":"${A}","shortUrl":"rebrand.ly/burn10M",` +
    `"domain":{"id":"8f","fullName":"rebrand.ly"},"createdAt":"2016-07-13T10:54:12.000Z","clicks":42,"status":"active",` +
    `"lastClickAt":"2016-07-13T10:55:13.000Z","favourite":false,"forwardParameters":true}]`,
    [{
      code: "burn10m",
      default_url: A,
      title: "Burn",
      pass_query: true,
      external_id: "rebrandly:rebrand.ly/burn10M",
    }],
    { domain: "rebrand.ly", lost: ["createdAt", "clicks", "lastClickAt"] },
  ],
  [
    "Rebrandly, a table",
    "rebrandly",
    `Title,Slashtag,Destination,Short URL,Created At,Clicks,Tags\nBurn,burn,${A},go.example.com/burn,2016-07-13,42,"a,b"\n`,
    [{
      code: "burn",
      default_url: A,
      title: "Burn",
      tags: ["a", "b"],
      external_id: "rebrandly:go.example.com/burn",
    }],
    { lost: ["Created At", "Clicks"] },
  ],
  [
    "TinyURL, what its API answers",
    "tinyurl",
    `{"data":[{"domain":"tinyurl.com","alias":"My-Alias","deleted":false,"archived":false,"tags":["a"],"analytics":[],` +
    `"tiny_url":"https://tinyurl.com/My-Alias","created_at":"2022-01-01T00:00:00+00:00","expires_at":null,"url":"${A}"}],"code":0}`,
    [{ code: "my-alias", default_url: A, tags: ["a"], external_id: "tinyurl:tinyurl.com/My-Alias" }],
    { domain: "tinyurl.com", lost: ["created_at"] },
  ],
  [
    "TinyURL, a table",
    "tinyurl",
    `Alias,Domain,Long URL,Created At,Clicks\nmy-alias,tinyurl.com,${A},2022-01-01,5\n`,
    [{ code: "my-alias", default_url: A, external_id: "tinyurl:tinyurl.com/my-alias" }],
    { lost: ["Created At", "Clicks"] },
  ],
  [
    "Short.io, what its API answers",
    "shortio",
    `{"count":1,"links":[{"originalURL":"${A}","path":"Spring","idString":"lnk_1","shortURL":"http://s.example.com/Spring",` +
    `"secureShortURL":"https://s.example.com/Spring","title":"T","tags":["x"],"expiresAt":1798761600000,"expiredURL":"${B}",` +
    `"iphoneURL":"${B}","androidURL":null,"password":null,"clicksLimit":7,"createdAt":"2024-01-01T00:00:00.000Z","DomainId":1,` +
    `"archived":false,"cloaking":false,"utmSource":"s"}]}`,
    [{
      code: "spring",
      default_url: A,
      title: "T",
      targets: [{ when: { platform: "ios" }, url: B }],
      expires_at: "2027-01-01T00:00:00.000Z",
      expired_url: B,
      max_uses: 7,
      tags: ["x"],
      utm: { source: "s" },
      external_id: "shortio:s.example.com/Spring",
    }],
    { lost: ["createdAt"] },
  ],
  [
    "Short.io, a table",
    "shortio",
    `originalURL,path,title,shortURL,cloaking\n${A},spring,T,https://s.example.com/spring,true\n`,
    [{ code: "spring", default_url: A, title: "T", external_id: "shortio:s.example.com/spring" }],
    { lost: ["cloaking"] },
  ],
  [
    "Bitly, with several back-halves",
    "bitly",
    `{"links":[{"link":"https://bit.ly/3aBc","id":"bit.ly/3aBc","long_url":"${A}","title":"T","archived":false,"tags":[],` +
    `"custom_bitlinks":["https://go.example.com/Bread","https://go.example.com/brot","http://bit.ly/my-bread"]}]}`,
    ["go.example.com/Bread", "go.example.com/brot", "bit.ly/my-bread", "bit.ly/3aBc"].map((address) => ({
      code: address.split("/")[1].toLowerCase(),
      default_url: A,
      title: "T",
      external_id: `bitly:${address}`,
    })),
  ],
  [
    "Bitly, with several back-halves in a cell",
    "bitly",
    `custom_links,long_url\n"https://bit.ly/Bread\nhttps://bit.ly/brot https://bit.ly/pain",${A}\n`,
    ["Bread", "brot", "pain"].map((code) => ({
      code: code.toLowerCase(),
      default_url: A,
      external_id: `bitly:bit.ly/${code}`,
    })),
  ],
  [
    "Shlink, a table",
    "csv",
    `Created at,Short URL,Domain,Short code,Long URL,Title,Tags,Visits\n2024-01-01,https://s.test/a1b,s.test,a1b,${A},T,x|y,3\n`,
    [{ code: "a1b", default_url: A, title: "T", tags: ["x", "y"], external_id: "csv:a1b" }],
    { lost: ["Created at", "Domain", "Visits"] },
  ],
];
for (const [name, format, text, links, rest] of cases) {
  Deno.test(`links import: ${name}`, async () => {
    const read = await mapped(text);
    assertEquals(read.format, format);
    assertEquals(read.links.map(({ link }) => link), links as Mapped["link"][]);
    const [{ fault, lost, leftOut, domain }] = read.links;
    assertEquals([fault, leftOut, lost], [undefined, undefined, rest?.lost ?? []]);
    if (rest?.domain !== undefined) assertEquals(domain, rest.domain);
    for (const { link } of read.links) assertEquals(newLink.safeParse(link).error?.issues, undefined);
  });
}

const headings: Partial<Record<Format, string>> = {
  yourls: `keyword,url\n,${A}\n`,
  kutt: `link,target\n,${A}\n`,
  rebrandly: `slashtag,destination\n,${A}\n`,
  tinyurl: `alias,long_url\n,${A}\n`,
  shortio: `path,originalURL\n,${A}\n`,
  bitly: `custom_link,long_url\n,${A}\n`,
  dub: `domain,key,url\nd.example,,${A}\n`,
  firebase: `short_link,link,apn\n,${A},com.example.app\n`,
};
for (const [format, text] of Object.entries(headings)) {
  Deno.test(`links import: a row of ${format} without its code gets none, unless new ones are requested`, async () => {
    const { format: found, links: [{ fault }] } = await mapped(text);
    assertEquals(found, format as Format);
    assertMatch(fault!, /no short link whose code could be kept/);
    const { links: [one] } = await mapped(text, { newCodes: true });
    assertEquals(one.fault, undefined);
  });
}

Deno.test("links import: a code that our links cannot have fails its row, and is not replaced", async () => {
  for (const keyword of ["ab", "a/b", "größe", "a b"]) {
    const { links: [{ link }] } = await mapped(`keyword,url\n${keyword},${A}\n`);
    assertEquals([link.code, newLink.safeParse(link).error?.issues[0].path[0]], [
      keyword.toLowerCase(),
      "code",
    ]);
  }
});

Deno.test("links import: with new codes a link with several back-halves is created once", async () => {
  const text =
    `{"links":[{"link":"https://bit.ly/3a","long_url":"${A}","custom_bitlinks":["https://bit.ly/b"]}]}`;
  assertEquals((await mapped(text, { newCodes: true })).links.length, 1);
});

Deno.test("links import: links disabled at the other service are skipped, with the reason", async () => {
  const off: [string, RegExp][] = [
    [`[{"address":"abc","target":"${A}","banned":true,"link":"https://kutt.example/abc"}]`, /banned/],
    [`[{"slashtag":"abc","destination":"${A}","status":"trashed"}]`, /trashed/],
    [`[{"alias":"abc","tiny_url":"https://tinyurl.com/abc","url":"${A}","deleted":true}]`, /deleted/],
  ];
  for (const [text, said] of off) assertMatch((await mapped(text)).links[0].leftOut!, said);
});

Deno.test("links import: an over-long title goes into the note", async () => {
  const title = "x".repeat(121);
  const { links: [{ link, lost }] } = await mapped(`keyword,url,title\nabc,${A},${title}\n`);
  assertEquals([link.title, link.note, lost], [undefined, title, []]);
});

Deno.test("links import: a link whose password another service does not export is refused", async () => {
  for (
    const text of [
      `[{"address":"abc","target":"${A}","password":true}]`,
      `[{"path":"abc","originalURL":"${A}","shortURL":"https://s.test/abc","hasPassword":true}]`,
    ]
  ) assertMatch((await mapped(text)).links[0].fault!, /has a password/);
});

Deno.test("links import: figures of zero are not lost, and others are, under any service's name for them", async () => {
  const names = [
    "clicks",
    "Total Clicks",
    "human_clicks",
    "uniqueClicks",
    "Visits",
    "visit_count",
    "Scans",
    "engagements",
    "leads",
    "Hits",
    "saleAmount",
  ];
  for (const name of names) {
    for (const zero of ["0", "0.00", "0 %", ""]) {
      const { links: [{ lost }] } = await mapped(`keyword,url,${name}\nabc,${A},${zero}\n`);
      assertEquals(lost, [], `${name} ${zero}`);
    }
    for (const some of ["3", "1,204", "0.5"]) {
      const { links: [{ lost }] } = await mapped(`keyword,url,${name}\nabc,${A},"${some}"\n`);
      assertEquals(lost, [name], `${name} ${some}`);
    }
  }
});

Deno.test("links import: a time of creation, an author and an address are not carried over, and named", async () => {
  for (
    const name of [
      "Created",
      "created_at",
      "Date created",
      "timestamp",
      "Last Clicked",
      "creator",
      "ip",
      "user",
    ]
  ) {
    const { links: [{ lost }] } = await mapped(`keyword,url,${name}\nabc,${A},x\n`);
    assertEquals(lost, [name]);
  }
});
