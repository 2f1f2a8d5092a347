/** `gatelink links`: made, looked at, counted, switched, taken over from elsewhere, written out and examined. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { csv } from "../../supabase/functions/_shared/links/table/write.ts";
import {
  document,
  fails,
  folder,
  gatelink,
  NOBODY,
  service,
  sql,
  stack,
  unique,
  written,
} from "../support/cli.ts";
import { until } from "../support/until.ts";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

Deno.test.beforeAll(async () => {
  await document("allowlist add www.example.com --for redirect");
});

async function visit(url: string, headers: HeadersInit = { "user-agent": IPHONE }): Promise<string | null> {
  const response = await fetch(url, { headers, redirect: "manual" });
  await response.body?.cancel();
  return response.headers.get("location");
}

Deno.test("links add: creates a working link, and only one per external id", async () => {
  const id = unique("order");
  const line = `links add https://www.example.com/a --utm campaign=spring --tag poster --external-id ${id}`;
  const made = await document(line);
  assertEquals(Object.keys(made).sort(), ["code", "made", "qr_url", "url"]);
  assertEquals([made.made, made.url], [true, `${stack.url}/l/${made.code}`]);
  assertEquals(await visit(made.url), "https://www.example.com/a?utm_campaign=spring");
  const qr = await fetch(made.qr_url);
  assertEquals(qr.headers.get("content-type"), "image/svg+xml");
  await qr.body?.cancel();
  assertEquals(await document(line), { ...made, made: false });
  const other = `links add https://www.example.com/b --external-id ${id}`;
  await fails(other, 4, "conflict", /external id/);
});

Deno.test("links add: a chat with the only number, rules in their order, and a body taken unchanged", async () => {
  const chat = await document(`links add --whatsapp 'One bread, please'`);
  assertMatch(
    (await visit(chat.url))!,
    /^https:\/\/wa\.me\/\d+\?text=One%20bread%2C%20please%0A%0A%5Bref%3A[a-z2-7]{16}%5D$/,
  );
  const ruled = await document(
    `links add https://www.example.com/ --target '{"when":{"platform":"ios"},"store":"https://www.example.com/ios"}'`,
  );
  assertEquals(await visit(ruled.url), "https://www.example.com/ios");
  const body = await document(`links add --body '{"default_url":"https://www.example.com/body"}'`);
  assertEquals(await visit(body.url), "https://www.example.com/body");
});

Deno.test("links add: refuses invalid input and says what to do", async () => {
  await fails("links add", 2, "usage", /url, or --whatsapp/);
  await fails(`links add https://www.example.com/ --body '{}'`, 2, "usage", /--body replaces all/);
  await fails(
    "links add www.example.com/a",
    2,
    "usage",
    /not a complete address.*Did you mean https:\/\/www\.example\.com\/a/s,
  );
  await fails("links add https://elsewhere.example.net/", 4, "invalid", /not on the allowlist/);
  await fails("links add https://www.example.com/ --code admin", 4, "invalid", /reserved/);
  await fails("links add https://www.example.com/ --utm color=red", 2, "usage", /source, medium/);
  await fails("links add https://www.example.com/ --expires soon", 2, "usage", /30d/);
  const code = unique("twice");
  await document(`links add https://www.example.com/ --code ${code}`);
  await fails(
    `links add https://www.example.com/ --code ${code}`,
    4,
    "conflict",
    /is or was used by another link/,
  );
});

Deno.test("links add: reads a password from standard input, so that no list of processes shows it", async () => {
  const add = async (stdin: string) => {
    const { code, json } = await gatelink("links add https://www.example.com/secret --password - --json", {
      stdin,
    });
    return { code, document: json() };
  };
  const { code, document: { url } } = await add("open sesame\n");
  assertEquals(code, 0);
  const unlock = async (password: string) => {
    const answer = await fetch(url, {
      method: "POST",
      redirect: "manual",
      body: JSON.stringify({ password }),
    });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals([await unlock("open sesame"), await unlock("-")], [303, 403]);
  const none = await add("\n");
  assertEquals([none.code, none.document.error.code], [2, "usage"]);
});

Deno.test("links add and import: wait until a newly allowed host takes effect", async () => {
  // The function has just read the list without it.
  await document("links add https://www.example.com/");
  const [one, two] = [`${unique("one")}.example.com`, `${unique("two")}.example.com`];
  await document(`allowlist add ${one} --for redirect`);
  assertEquals(await visit((await document(`links add https://${one}/`)).url), `https://${one}/`);
  await document(`allowlist add ${two} --for redirect`);
  const path = await table(`${two}.csv`, [{ url: `https://${two}/` }, {
    url: "https://www.example.com/two",
  }]);
  const { made, results } = await document(`links import ${path}`);
  assertEquals([made, results.map(({ status }: { status: string }) => status)], [2, ["made", "made"]]);
});

Deno.test("links list and show: links by tag, with their rules", async () => {
  const tag = unique("list");
  const codes: string[] = [];
  for (let n = 0; n < 3; n++) {
    codes.unshift((await document(`links add https://www.example.com/${n} --tag ${tag} --max-uses 5`)).code);
  }
  const { links, more } = await document(`links list --tag ${tag} --limit 2`);
  assertEquals([links.map(({ code }: { code: string }) => code), more], [codes.slice(0, 2), true]);
  const all = await document(`links list --tag ${tag} --limit 3`);
  assertEquals([all.links.length, all.more], [3, false]);
  const text = await gatelink(`links show ${stack.url}/l/${codes[0].toUpperCase()}`);
  assertMatch(text.out, /goes to {2,}https:\/\/www\.example\.com\/2\n[^]*uses {2,}0 of 5/);
  assertEquals((await document(`links show ${codes[0]}`)).default_url, "https://www.example.com/2");
  const long = await document(`links add --whatsapp '${"Hello there! ".repeat(30)}' --tag ${tag}`);
  const list = await gatelink(`links list --tag ${tag}`);
  const row = list.out.split("\n").find((line) => line.includes(long.url))!;
  assertMatch(row, /Hello there! Hel.*… {2}/, "a long text does not stretch the list");
  assert(row.length < 250, row);
  assertMatch((await gatelink(`links show ${long.code}`)).out, /(Hello there! ?){30}/);
  await fails("links show nobody-has-this", 4, "not_found", /no link nobody-has-this/);
});

Deno.test("links stats: counts people, bots and previews separately", async () => {
  const { code, url } = await document("links add https://www.example.com/stats");
  const agents = [IPHONE, IPHONE, "WhatsApp/2.24.20.78 A", "curl/8.5.0"];
  for (const agent of agents) await visit(url, { "user-agent": agent });
  const stats = await until("all clicks are written", async () => {
    const stats = await document(`links stats ${code}`);
    return Object.values<number>(stats.clicks).reduce((sum, n) => sum + n, 0) === agents.length && stats;
  });
  assertEquals(stats.clicks, { human: 2, bot: 1, preview: 1, prefetch: 0, own: 0 });
  assertEquals([stats.platforms, stats.targets, stats.visitors], [{ ios: 2 }, { web: 2 }, 1]);
  assertMatch((await gatelink(`links stats ${code}`)).out, /clicks {2,}2\n/);
  const before = await document(`links stats ${code} --from 2026-01-01 --to 2026-01-31`);
  assertEquals([before.clicks.human, before.from, before.to], [0, "2026-01-01", "2026-01-31"]);
  await fails(`links stats ${code} --from 2026-02-31`, 2, "usage", /a day like/);
});

Deno.test("links disable and enable: visits are refused, then work again", async () => {
  const { code, url } = await document("links add https://www.example.com/off");
  assertEquals((await document(`links disable ${code}`)).state, "disabled");
  const refused = await fetch(url, { headers: { "user-agent": IPHONE }, redirect: "manual" });
  assertEquals([refused.status, (await refused.json()).code], [403, "link_disabled"]);
  assertStringIncludes((await gatelink(`links list --state disabled`)).out, url);
  assertEquals((await document(`links enable ${code}`)).state, "active");
  assertEquals(await visit(url), "https://www.example.com/off");
});

Deno.test("links restore: a deleted link is found by its state and works again", async () => {
  const { code, url } = await document("links add https://www.example.com/back");
  await fails(`links restore ${code}`, 4, "not_found", /no deleted link/);
  await sql`select public.delete_link(${code}, 'somebody')`;
  assertStringIncludes((await gatelink("links list --state deleted")).out, url);
  assertEquals((await document(`links restore ${url}`)).state, "active");
  assertEquals(await visit(url), "https://www.example.com/back");
});

Deno.test("links list: several tags must all be on the same link", async () => {
  const [a, b] = [unique("tag"), unique("tag")];
  const both = await document(`links add https://www.example.com/ --tag ${a} --tag ${b}`);
  await document(`links add https://www.example.com/ --tag ${a}`);
  const codes = async (line: string) =>
    (await document(`links list ${line}`)).links.map(({ code }: { code: string }) => code);
  assertEquals((await codes(`--tag ${a}`)).length, 2);
  assertEquals(await codes(`--tag ${a} --tag ${b}`), [both.code]);
  assertEquals(await codes(`--tag ${a} --tag nosuch`), []);
});

/** A CSV in the test's folder, with a row for each link. */
function table(name: string, rows: Record<string, unknown>[]): Promise<string> {
  return written(name, csv(Object.keys(rows[0]), rows));
}

Deno.test("links import: a bad row is refused with its errors, the others are created, and a second run recognises them", async () => {
  const code = unique("import");
  const path = await table(`${code}.csv`, [
    { code, url: "https://www.example.com/1", tags: "a, b", max_uses: "3" },
    { code: code.toUpperCase(), url: "https://www.example.com/2", tags: "", max_uses: "" },
    { code: `${code}-3`, url: "https://elsewhere.example.net/", tags: "", max_uses: "" },
    { code: "", url: "https://www.example.com/4", tags: "", max_uses: "none" },
    { code: "", url: "https://www.example.com/5", tags: "", max_uses: "" },
  ]);
  const dry = await gatelink(`links import ${path} --dry-run --json`);
  assertEquals(dry.code, 1);
  const { ready, refused, hosts_to_allow } = dry.json();
  assertEquals([ready, refused, hosts_to_allow], [3, 2, ["elsewhere.example.net"]]);
  assertEquals((await document(`links list --external-id csv:${code}`)).links, []);

  const run = await gatelink(`links import ${path} --tag imported --json`);
  assertEquals([run.code, run.err], [1, ""]);
  const { results, ...counts } = run.json();
  assertEquals([counts.format, counts.rows, counts.made, counts.exists, counts.refused], ["csv", 5, 2, 0, 3]);
  assertEquals(results.map(({ row, status, error }: Record<string, unknown>) => [row, status, error]), [
    [2, "made", undefined],
    [3, "refused", "external_id_taken"],
    [4, "refused", "url_not_allowed"],
    [5, "refused", "invalid_request"],
    [6, "made", undefined],
  ]);
  assertEquals(
    results.slice(0, 3).map((result: { code?: string }) => result.code),
    [code, code, `${code}-3`],
    "whatever became of it",
  );
  const link = await document(`links show ${code}`);
  assertEquals([link.tags, link.max_uses], [["a", "b", "imported"], 3]);

  const again = (await gatelink(`links import ${path} --tag imported --json`)).json();
  assertEquals([again.made, again.exists, again.refused], [0, 2, 3]);
  assertEquals(again.results[4].code, results[4].code);

  const text = await gatelink(`links import ${path} --tag imported`);
  assertMatch(
    text.out,
    /made before +2\n[^]*default_url is not on the allowlist[^]*gatelink allowlist add elsewhere\.example\.net/,
  );
});

Deno.test("links import: thousands of rows through a stack that is busy at times, resumed where it stopped", async () => {
  const prefix = unique("bulk");
  const rows = Array.from({ length: 2500 }, (_, n) => ({
    external_id: `${prefix}-${n}`,
    default_url: `https://www.example.com/${n}`,
  }));
  const path = await table(`${prefix}.csv`, rows);
  let calls = 0, stop = true;
  await using proxy = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    const url = new URL(request.url);
    const isBulk = url.pathname.endsWith("/bulk");
    if (isBulk && ++calls === 1) return new Response("{}", { status: 503, headers: { "retry-after": "1" } });
    if (isBulk && calls === 3 && stop) {
      return Response.json({ code: "unauthorized", title: "No." }, { status: 401 });
    }
    const body = request.body === null ? undefined : await request.arrayBuffer();
    return await fetch(stack.url + url.pathname + url.search, {
      method: request.method,
      headers: request.headers,
      body,
    });
  });
  const through = { ...stack, url: `http://127.0.0.1:${proxy.addr.port}` };
  const env = { GATELINK_STACK: await written(`${prefix}.json`, JSON.stringify(through)) };

  const broken = await gatelink(`links import ${path} --json`, { env });
  assertEquals([broken.code, broken.err], [4, ""]);
  assertMatch(broken.json().error.hint, /^1000 rows of 2500 are done\. Run the command again/);
  stop = false;
  const whole = await gatelink(`links import ${path} --json`, { env });
  assertEquals([whole.code, whole.err], [0, ""]);
  const { made, exists, refused } = whole.json();
  assertEquals([made, exists, refused], [1500, 1000, 0]);
  const [{ count }] = await sql`select count(*)::int from public.links where external_id like ${
    prefix + "-%"
  }`;
  assertEquals(count, 2500);
});

Deno.test("links import: Bitly by domain, Dub with passwords, Firebase with apps, each recognised by its columns", async () => {
  const code = unique("Ported");
  const bitly = await written(
    `${code}-bitly.csv`,
    `Link,Custom Link,Destination URL\nbit.ly/x1,go.example.com/${code},https://www.example.com/bitly\n` +
      `bit.ly/x2,,https://www.example.com/other\n`,
  );
  const ran = await document(`links import ${bitly} --domain go.example.com`);
  assertEquals([ran.format, ran.made, ran.left_out], ["bitly", 1, 1]);
  assertEquals(await visit(`${stack.url}/l/${code}`), "https://www.example.com/bitly");

  const guarded = Array.from({ length: 12 }, (_, n) => ({
    domain: "dub.sh",
    key: unique("dub"),
    url: `https://www.example.com/${n}`,
    password: "open sesame",
  }));
  const dub = await document(`links import ${await written(`${code}-dub.json`, JSON.stringify(guarded))}`);
  assertEquals([dub.format, dub.made, dub.refused], ["dub", 12, 0]);
  const locked = await fetch(`${stack.url}/functions/v1/deeplinks/${guarded[11].key}`, {
    headers: { "user-agent": IPHONE },
  });
  assertEquals((await locked.json()).code, "link_password_required");

  const firebase = await written(
    `${code}-firebase.csv`,
    `short_link,link,apn,ibi,isi\nhttps://ex.page.link/${code}-f,https://www.example.com/p,com.example.app,com.example.ios,12\n`,
  );
  const { hosts_to_allow, results, format } = (await gatelink(`links import ${firebase} --dry-run --json`))
    .json();
  assertEquals([format, hosts_to_allow], ["firebase", ["apps.apple.com", "play.google.com"]]);
  assertMatch(results[0].why, /package is not one of the apps in the setting deeplinks\.apps/);
});

Deno.test("links import: refuses unreadable input with exit code 2", async () => {
  await fails("links import no/such/file.csv", 2, "usage", /cannot be read/);
  await fails(
    `links import ${await written("broken.csv", '"url,code\na\n')}`,
    2,
    "usage",
    /row 1 has a quotation mark that is not closed/,
  );
  await fails("links import links.csv --charset excel", 2, "usage", /No charset/);
  await fails("links import links.csv --dates ymd", 2, "usage", /dmy, mdy/);
});

Deno.test("links export: writes CSV and JSON lines from which import creates links of the same content", async () => {
  const tag = unique("export");
  const chat = await document(
    `links add https://www.example.com/x --whatsapp 'Hi, "you"' --tag ${tag} --tag '=1+1' ` +
      `--title '${tag} at the station' --note 'Ask Ann.'`,
  );
  await document(
    `links add https://www.example.com/y --tag ${tag} --target '{"when":{"weight":12.5},"url":"https://www.example.com/z"}' ` +
      `--utm term=x --preview title=Yes --max-uses 4 --pass-query --expires 30d --expired-url https://www.example.com/late`,
  );
  const byTitle = await document(`links list --title '${tag.toUpperCase()} at'`);
  assertEquals(byTitle.links.map(({ note }: { note: string }) => note), ["Ask Ann."]);
  assertMatch(
    (await gatelink(`links list --tag ${tag}`)).out,
    new RegExp(`title.*\n[^]*${tag} at the station`),
  );
  assertMatch((await gatelink(`links show ${chat.code}`)).out, /note +Ask Ann\./);
  const exported = (await gatelink(`links export --tag ${tag} --json`)).json().links;
  assertEquals(exported.length, 2);
  const content = (
    { code: _, url: _u, qr_url: _q, created_at: _c, updated_at: _d, external_id: _e, ...link }: Record<
      string,
      unknown
    >,
  ) => link;
  for (const format of ["csv", "jsonl"]) {
    const path = `${folder}/${tag}.${format}`;
    const wrote = await document(`links export --tag ${tag} --format ${format} --out ${path}`);
    assertEquals(wrote, { file: path, format, links: 2 });
    const onStdout = await gatelink(`links export --tag ${tag} --format ${format}`);
    assertEquals(onStdout.out.trimEnd(), (await Deno.readTextFile(path)).trimEnd());
  }
  for (const format of ["csv", "jsonl"]) {
    const path = `${folder}/${tag}.${format}`;
    const { made, exists, results } = await document(`links import ${path} --new-codes`);
    // Word for word the same links come out of both, so the second time they are known.
    assertEquals([made, exists], format === "csv" ? [2, 0] : [0, 2]);
    const read = await Promise.all(
      results.map(({ code }: { code: string }) => document(`links show ${code}`)),
    );
    assertEquals(read.map(content), exported.map(content));
    assert(results.every(({ code }: { code: string }) => code !== chat.code));
  }
  assertEquals((await Deno.stat(`${folder}/${tag}.csv`)).mode! & 0o777, 0o600);
});

/** A service whose answers are told by the path. */
function pages(): Deno.HttpServer<Deno.NetAddr> {
  const png = (width: number, height: number) => {
    const bytes = new Uint8Array(33);
    bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
    new DataView(bytes.buffer).setUint32(16, width);
    new DataView(bytes.buffer).setUint32(20, height);
    return new Response(bytes, { headers: { "content-type": "image/png" } });
  };
  const to = (location: string, status = 302) => new Response(null, { status, headers: { location } });
  const answers: Record<string, () => Response> = {
    "/ok": () => new Response("hello"),
    "/gone": () => new Response(null, { status: 404 }),
    "/shy": () => new Response(null, { status: 403 }),
    "/moved": () => to("/ok", 301),
    "/chain": () => to("/moved"),
    "/back": () => to(`${stack.url}/l/demo`),
    "/large.png": () => png(1200, 630),
    "/small.png": () => png(100, 100),
    "/image.svg": () => new Response("<svg/>", { headers: { "content-type": "image/svg+xml" } }),
  };
  return Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    (request) => answers[new URL(request.url).pathname](),
  );
}

Deno.test("links doctor: finds faults in pages, images, rules and the domain, and says what to do", async () => {
  await using server = pages();
  const base = `http://127.0.0.1:${server.addr.port}`;
  const add = async (line: string): Promise<string> => (await document(`links add ${line}`)).code;
  const good = await add(`${base}/ok --preview title=Yes --preview image=${base}/large.png`);
  const well = await gatelink(`links doctor ${good} --json`);
  assertEquals([well.code, well.json().findings, well.json().addresses], [0, [], 2]);

  const cases: [line: string, level: string, said: RegExp][] = [
    [`${base}/gone`, "problem", /answers 404/],
    [`${base}/ok --expired-url ${base}/gone`, "problem", /answers 404/],
    [`${NOBODY}/nobody`, "problem", /refused/i],
    [`${base}/back`, "problem", /back to a link/],
    [`${base}/shy`, "warning", /answers 403 to a program/],
    [`${base}/moved`, "warning", /has moved permanently to .*\/ok/],
    [`${base}/chain`, "warning", /redirects 2 times, to .*\/ok/],
    [`${base}/ok --preview image=${base}/small.png`, "warning", /100 x 100 pixels/],
    [`${base}/ok --preview image=${base}/image.svg`, "warning", /SVG/],
    [`${base}/ok --preview image=${base}/ok`, "problem", /not an image/],
    [`${base}/ok --flag nobody.knows`, "warning", /flag nobody\.knows is not in the settings/],
  ];
  for (const [line, level, said] of cases) {
    const { code, json } = await gatelink(`links doctor ${await add(line)} --json`);
    const { findings } = json();
    assertEquals([code, findings.length, findings[0].level], [level === "problem" ? 1 : 0, 1, level], line);
    assertMatch(findings[0].what, said);
    assert(findings[0].advice);
  }

  const stale = await add("https://www.example.com/stale");
  await sql`update public.links set default_url = 'https://elsewhere.example.net/' where code = ${stale}`;
  const refused = (await gatelink(`links doctor ${stale} --offline --json`)).json();
  assertEquals([refused.problems, refused.addresses], [1, 0]);
  assertMatch(refused.findings[0].what, /default_url is not on the allowlist/);
  assertMatch(
    (await gatelink(`links doctor ${stale} --offline`)).out,
    /^ +link +what[^]*1 problem, 0 warnings\.\n$/,
  );
});

Deno.test("links doctor: lists requested codes that no link has", async () => {
  const made = unique("poster");
  await document(`links add https://www.example.com/ --code ${made}`);
  const code = made.replace("poster", "postre");
  for (let i = 0; i < 3; i++) await visit(`${stack.url}/l/${code}`);
  await visit(`${stack.url}/l/${code}-of-jo-doe`);
  await until("the visits are counted", async () => {
    const rows =
      await sql`select visits::int from public.orphan_visits where code in (${code}, '(other)') order by code desc`;
    return rows.length === 2 && rows[0].visits === 3;
  });
  const { unknown_codes } = (await gatelink("links doctor --offline --json")).json();
  const mine = unknown_codes.filter((orphan: { code: string }) => orphan.code.startsWith(code));
  assertEquals(mine, [{ code, visits: 3 }]);
  assertMatch((await gatelink("links doctor --offline")).out, new RegExp(`no link: .*${code} \\(3\\)`));
});

Deno.test("links doctor: warns when somebody guesses a link's password", async () => {
  const { code } = await document("links add https://www.example.com/ --password 12345678");
  const warned = async () => {
    const { findings } = (await gatelink(`links doctor ${code} --offline --json`)).json();
    return findings.filter(({ what }: { what: string }) => what.includes("guessing"));
  };
  assertEquals(await warned(), []);
  await sql`insert into public.link_guesses (code, hour, wrong) values (${code}, date_trunc('hour', now()), 31)`;
  const [finding] = await warned();
  assertEquals([finding.level, finding.codes], ["warning", [code]]);
  assertMatch(finding.what, /31 wrong ones/);
});

Deno.test("links doctor: checks that the domain's files name the apps of the setting", async () => {
  const { code } = await document(`links add ${service}/domain`);
  const print = Array.from({ length: 32 }, () => "AB").join(":");
  const apps = {
    ios: [{ app_id: "ABCDE12345.com.example.app" }],
    android: [{ package: "com.example.app", sha256: [print] }],
  };
  await sql`insert into public.settings (key, value) values ('deeplinks.apps', ${JSON.stringify(apps)})`;
  // Until the function has read the setting its files are old ones.
  await until(
    "the functions know the apps",
    async () => (await gatelink(`links doctor ${code}`)).code === 0,
  );
  const aasa = await fetch(`${stack.url}/.well-known/apple-app-site-association`);
  assertEquals(aasa.headers.get("content-type"), "application/json");
  assertEquals((await aasa.json()).applinks.details[0].appIDs, ["ABCDE12345.com.example.app"]);

  apps.android[0].sha256 = [print.replace("AB", "CD")];
  apps.ios.push({ app_id: "ABCDE12345.com.example.other" });
  // Nobody tells the functions of this change: the domain's files stay old ones, however long the doctor takes.
  await sql`alter table public.settings disable trigger bump_config_revision`;
  await sql`update public.settings set value = ${JSON.stringify(apps)} where key = 'deeplinks.apps'`;
  await sql`alter table public.settings enable trigger bump_config_revision`;
  const { findings } = (await gatelink(`links doctor ${code} --json`)).json();
  assertEquals(findings.map(({ what }: { what: string }) => what.split(" as the setting")[0]), [
    "/.well-known/apple-app-site-association does not name ABCDE12345.com.example.other",
    "/.well-known/assetlinks.json does not name com.example.app",
  ]);
  await sql`delete from public.settings where key = 'deeplinks.apps'`;
});

Deno.test("links doctor: names invalid apps that were stored before they were refused", async () => {
  const { code } = await document("links add https://www.example.com/");
  const wrong = JSON.stringify({ ios: [{ app_id: "com.example.app" }] });
  await sql`alter table public.settings disable trigger stamp`;
  await sql`insert into public.settings (key, value, version, updated_at, updated_by)
    values ('deeplinks.apps', ${wrong}, 1000, now(), 'test')`;
  await sql`alter table public.settings enable trigger stamp`;
  const { code: exit, json } = await gatelink(`links doctor ${code} --offline --json`);
  const [finding] = json().findings;
  assertEquals([exit, finding.level, finding.codes], [1, "problem", []]);
  assertMatch(finding.what, /^the setting deeplinks\.apps is wrong: ios\[0\]\.app_id/);
  await sql`delete from public.settings where key = 'deeplinks.apps'`;
});
