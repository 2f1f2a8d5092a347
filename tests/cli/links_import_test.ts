/** `gatelink links import` of files as they arrive: nothing is guessed, no code is lost, and what is left is told. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, fails, folder, gatelink, sql, stack, unique, written } from "../support/cli.ts";

const HOME = "https://www.example.com/";
const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

Deno.test.beforeAll(async () => {
  await document("allowlist add www.example.com --for redirect");
});

async function visit(code: string): Promise<string | null> {
  const response = await fetch(`${stack.url}/l/${code}`, {
    headers: { "user-agent": IPHONE },
    redirect: "manual",
  });
  await response.body?.cancel();
  return response.headers.get("location");
}

/** A file of these bytes, in the test's folder. */
async function bytes(name: string, content: Uint8Array): Promise<string> {
  await Deno.writeFile(`${folder}/${name}`, content);
  return `${folder}/${name}`;
}

async function imported(line: string) {
  const ran = await gatelink(`links import ${line} --json`);
  assertEquals(ran.err, "");
  return { exit: ran.code, ...ran.json() };
}

Deno.test("links import: asks for the charset of a Windows file instead of guessing it (L89)", async () => {
  const code = unique("latin");
  const text = `code;default_url;tags\r\n${code};${HOME}a;Frühling\r\n`;
  const path = await bytes(`${code}.csv`, Uint8Array.from(text, (character) => character.charCodeAt(0)));
  await fails(`links import ${path}`, 2, "usage", /not UTF-8[^]*--charset/);
  const { exit, made } = await imported(`${path} --charset windows-1252`);
  assertEquals([exit, made], [0, 1]);
  assertEquals((await document(`links show ${code}`)).tags, ["Frühling"]);
});

Deno.test("links import: reads UTF-16, as spreadsheets write Unicode text", async () => {
  const code = unique("wide");
  const text = `\ufeffcode\tdefault_url\ttags\r\n${code}\t${HOME}a\tvěci\r\n`;
  const wide = Uint16Array.from(text, (character) => character.charCodeAt(0));
  const { exit } = await imported(await bytes(`${code}.txt`, new Uint8Array(wide.buffer)));
  assertEquals([exit, (await document(`links show ${code}`)).tags], [0, ["věci"]]);
});

Deno.test("links import: refuses an ambiguous date until the order of day and month is given (L90)", async () => {
  const code = unique("date");
  const path = await written(
    `${code}.csv`,
    `code;default_url;expires_at\n${code};${HOME}a;01.02.2030\n${code}-ten;${HOME}a;10\n${code}-iso;${HOME}a;2030-02-01\n`,
  );
  const first = await imported(path);
  assertEquals([first.exit, first.made, first.refused, first.assumed_utc], [1, 1, 2, 1]);
  assertMatch(first.results[0].why, /expires_at "01\.02\.2030" could mean two days: .*dmy.*mdy/);
  assertMatch(first.results[1].why, /expires_at "10" is not a time/);
  const second = await imported(`${path} --dates dmy`);
  assertEquals([second.exit, second.made, second.exists, second.refused], [1, 1, 1, 1]);
  const expiry = async (code: string) => Date.parse((await document(`links show ${code}`)).expires_at);
  assertEquals(await expiry(code), Date.UTC(2030, 1, 1));
  assertEquals(await expiry(`${code}-iso`), Date.UTC(2030, 1, 1));
  assertMatch(
    (await gatelink(`links import ${path} --dates dmy`)).out,
    /read as UTC +times without a zone, in 2 rows/,
  );
});

Deno.test("links import: keeps the codes of other shorteners (L92, L93)", async () => {
  const code = unique("kept");
  const files: [name: string, text: string][] = [
    [
      "yourls.csv",
      `keyword,url,title,timestamp,ip,clicks\n${code}y,${HOME}y,Two,2020-01-01 00:00:00,203.0.113.5,3\n`,
    ],
    ["kutt.csv", `link,target,description,visit_count\nhttps://kutt.example/${code}K,${HOME}k,desc,4\n`],
    ["rebrandly.csv", `Slashtag,Destination,Clicks\n${code}r,${HOME}r,4\n`],
    [
      "tinyurl.json",
      `{"data":[{"alias":"${code}t","domain":"tinyurl.com","url":"${HOME}t","deleted":false}]}`,
    ],
    ["shortio.csv", `originalURL,path\n${HOME}s,${code}s\n`],
  ];
  const figures: Record<string, Record<string, number>> = {
    yourls: { timestamp: 1, ip: 1, clicks: 1 },
    kutt: { visit_count: 1 },
    rebrandly: { Clicks: 1 },
  };
  for (const [name, text] of files) {
    const { exit, made, format, lost } = await imported(await written(`${code}-${name}`, text));
    assertEquals([exit, made, format], [Object.keys(lost).length > 0 ? 1 : 0, 1, name.split(".")[0]]);
    assertEquals(lost, figures[format] ?? {}, "figures are not carried over, and counted");
    const letter = format === "tinyurl" ? "t" : format[0];
    assertEquals(await visit(code + letter), HOME + letter);
  }
  const backs = `{"links":[{"link":"https://bit.ly/${code}0","long_url":"${HOME}b","custom_bitlinks":` +
    `["https://go.example.com/${code}1","https://go.example.com/${code}2"]}]}`;
  const bitly = await imported(await written(`${code}-bitly.json`, backs));
  assertEquals([bitly.exit, bitly.rows, bitly.made], [0, 1, 3]);
  for (const n of [0, 1, 2]) assertEquals(await visit(`${code}${n}`), `${HOME}b`);
});

Deno.test("links import: one bad row fails alone, with any line ending (L98, L99)", async () => {
  const code = unique("short");
  const rows =
    `code,default_url,tags\n${code}1,${HOME}a,x\n${code}2,${HOME}a\n${code}3,"${HOME}a,x\n${code}4,${HOME}a,\n`;
  const { exit, made, refused, results } = await imported(await written(`${code}.csv`, rows));
  assertEquals([exit, made, refused], [1, 2, 2]);
  assertEquals(results.map(({ row, status }: Record<string, unknown>) => [row, status]), [
    [2, "made"],
    [3, "refused"],
    [4, "refused"],
    [5, "made"],
  ]);
  const old = await imported(await written(`${code}-cr.csv`, `code,default_url\r${code}5,${HOME}a\r`));
  assertEquals([old.exit, old.made], [0, 1]);
});

Deno.test("links import: counts what it cannot carry over by column, names it by row, and ends with exit code 1", async () => {
  const code = unique("lost");
  const path = await written(
    `${code}.csv`,
    `code,default_url,colour,clicks\n${code}1,${HOME}a,red,5\n${code}2,${HOME}a,,5\n${code}3,${HOME}a,blue,\n`,
  );
  const { exit, made, lost, results } = await imported(path);
  assertEquals([exit, made, lost], [1, 3, { colour: 2, clicks: 2 }]);
  assertEquals(results.map(({ lost }: { lost?: string[] }) => lost), [["colour", "clicks"], ["clicks"], [
    "colour",
  ]]);
  assertMatch(
    (await gatelink(`links import ${path}`)).out,
    /not carried over +colour \(2: rows 2, 4\); clicks \(2: rows 2, 3\)/,
  );
  const off = await imported(
    await written(`${code}-off.csv`, `code,url,state\n${code}4,${HOME}a,disabled\n`),
  );
  assertEquals([off.exit, off.left_out], [1, 1]);
});

Deno.test("links import and add: accept a chat by its phone number (L101)", async () => {
  const code = unique("number");
  const [{ id, display }] = await sql`select id, display_number as display from public.wa_numbers limit 1`;
  const digits = display.replace(/\D/g, "");
  const path = await written(
    `${code}.csv`,
    `code,whatsapp_number,whatsapp_text\n${code},+${digits.slice(0, 1)} (${digits.slice(1, 4)}) ${
      digits.slice(4)
    },hi\n` +
      `${code}-other,+1 999 010 0100,hi\n`,
  );
  const { exit, made, results } = await imported(path);
  assertEquals([exit, made], [1, 1]);
  assertMatch(results[1].why, /whatsapp\.phone_number_id is not one of the business numbers/);
  assertEquals((await document(`links show ${code}`)).whatsapp.phone_number_id, id);
  assertEquals((await imported(path)).exists, 1, "again it is the same link");
});

Deno.test("links export: a CSV starts with a byte order mark, and import reads it back (L100)", async () => {
  const tag = unique("mark");
  await document(`links add ${HOME}ü --tag ${tag} --title '=1+1' --note '@ü'`);
  const path = `${folder}/${tag}.csv`;
  await document(`links export --tag ${tag} --out ${path}`);
  assertEquals([...(await Deno.readFile(path)).subarray(0, 3)], [0xef, 0xbb, 0xbf]);
  const { exit, results } = await imported(`${path} --new-codes`);
  assertEquals(exit, 0);
  const { title, note } = await document(`links show ${results[0].code}`);
  assertEquals([title, note], ["=1+1", "@ü"]);
});
