/** Links that ask with a button before they go on: whoever only looks uses nothing up. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ANDROID, IPHONE, type Links, linksTest, WHATSAPP } from "../support/links.ts";

const HOME = "https://www.example.com/", COUPON = "https://www.example.com/coupon";
const HTML = { LINK_HTML: "true" };
const EDGE =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/97.0.4692.99 Safari/537.36";

const press = (links: Links, code: string, query = "", headers: Record<string, string> = {}) =>
  links.post(`/${code}${query}`, {
    "user-agent": IPHONE,
    "content-type": "application/x-www-form-urlencoded",
    ...headers,
  });
const usesOf = async ({ sql }: Links, code: string) =>
  (await sql`select uses from links where code = ${code}`)[0].uses;

linksTest("a link with confirmation shows a button, and only the button takes a use", async (links) => {
  const code = await links.link({
    default_url: COUPON,
    max_uses: 1,
    confirm: true,
    pass_query: true,
    preview: { title: "A free <coffee>" },
  });
  // Scanners of mail come as a browser; previews and what fetches ahead come as what they are.
  const looks: Record<string, string>[] = [
    { "user-agent": EDGE },
    { "user-agent": ANDROID, accept: "text/html" },
    { "user-agent": WHATSAPP },
    { "user-agent": "curl/8.9" },
    { "sec-purpose": "prefetch" },
  ];
  for (let turn = 0; turn < 2; turn++) {
    for (const headers of looks) {
      const answer = await links.visit(code, headers);
      assertEquals(answer.headers.get("location"), null, JSON.stringify(headers));
      await answer.body?.cancel();
    }
  }
  const page = await links.visit(code, { "user-agent": EDGE, "accept-language": "de" });
  assertEquals([page.status, page.headers.get("cache-control")], [200, "no-store"]);
  const html = await page.text();
  assertMatch(
    html,
    /<h1>A free &#60;coffee&#62;<\/h1>.*<form method="post"><button autofocus>Weiter<\/button>/,
  );
  assertEquals(await usesOf(links, code), 0);

  const gone = await press(links, code, "?ref=mail");
  assertEquals([gone.status, gone.headers.get("location")], [303, `${COUPON}?ref=mail`]);
  assertEquals(await usesOf(links, code), 1);
  const again = await press(links, code);
  assertEquals([again.status, (await again.json()).code], [410, "link_used_up"]);
  assertEquals((await links.visit(code)).status, 410, "the page is not shown in vain");
  await links.flush();
  const clicks = await links.sql`select verdict, target from clicks where verdict = 'human'`;
  assertEquals(clicks.map(({ target }) => target), ["web"], "who looks and goes on is one click");
}, HTML);

linksTest(
  "a link with confirmation but no limit redirects no machine, and a bot's POST takes nothing",
  async (links) => {
    const act = await links.link({ default_url: COUPON, confirm: true });
    for (const agent of [WHATSAPP, "curl/8.9"]) {
      const answer = await links.visit(act, { "user-agent": agent });
      assertEquals([answer.status, answer.headers.get("location")], [200, null], agent);
      await answer.body?.cancel();
    }
    const once = await links.link({ default_url: COUPON, confirm: true, max_uses: 1 });
    const bot = await press(links, once, "", { "user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)" });
    assertEquals([bot.status, bot.headers.get("location")], [200, null]);
    await bot.body?.cancel();
    assertEquals(await usesOf(links, once), 0);
  },
  HTML,
);

linksTest(
  "a link with confirmation answers JSON clients at once, and a password counts as confirmation",
  async (links) => {
    const code = await links.link({ default_url: COUPON, confirm: true, max_uses: 1 });
    const told = await (await links.visit(code, { accept: "application/json", "user-agent": "okhttp/4.12" }))
      .json();
    assertEquals([told.url, await usesOf(links, code)], [COUPON, 1]);

    const locked = await links.link({ default_url: COUPON, confirm: true, password: "open sesame" });
    const form = await links.visit(locked);
    assertEquals(form.status, 401);
    assertMatch(await form.text(), /type="password"/);
    const empty = await press(links, locked);
    assertEquals(empty.status, 422, "a button does not stand for the password");
    await empty.body?.cancel();
    const opened = await links.post(
      `/${locked}`,
      { "user-agent": IPHONE, "content-type": "application/x-www-form-urlencoded" },
      "password=open+sesame",
    );
    assertEquals([opened.status, opened.headers.get("location")], [303, COUPON]);
  },
  HTML,
);

linksTest(
  "where HTML cannot be served, a link with confirmation is refused when it is written, with the reason",
  async (links) => {
    const body = { default_url: COUPON, confirm: true };
    const refused = await links.call("", { method: "POST", body });
    assertEquals([refused.status, refused.body.code, refused.body.fields[0].path], [
      422,
      "invalid_request",
      "confirm",
    ]);
    assertMatch(refused.body.detail, /LINK_HTML=true/);
    const many = await links.call("/bulk", {
      method: "POST",
      body: { links: [body, { default_url: COUPON }] },
    });
    assertEquals(many.body.results.map(({ status }: { status: number }) => status), [422, 201]);
    const plain = await links.link({ default_url: COUPON });
    const changed = await links.call(`/${plain}`, { method: "PATCH", body: { confirm: true } });
    assertEquals(changed.status, 422);

    // One that was made where they could be: it goes on, and can still be changed and switched off.
    await links.sql`update links set confirm = true where code = ${plain}`;
    await links.refresh();
    assertEquals((await links.visit(plain)).headers.get("location"), COUPON);
    const off = await links.call(`/${plain}`, { method: "PATCH", body: { state: "disabled" } });
    assertEquals([off.status, off.body.confirm], [200, true]);
  },
);

linksTest(
  "on the link domain's host HTML can be served, so links may ask for confirmation",
  async (links) => {
    const code = await links.link({ default_url: HOME, confirm: true });
    const { status, body } = await links.call(`/l/${code}`, {
      open: true,
      root: true,
      headers: { "user-agent": IPHONE, accept: "text/html" },
    });
    assertEquals(status, 200);
    assert(body.includes('<form method="post">'), body);
  },
  { LINK_DOMAIN: "ref.example.co/l" },
);

linksTest("behind a proxy that gets pages as text from supabase.co they may not", async (links) => {
  const { status } = await links.call("", { method: "POST", body: { default_url: HOME, confirm: true } });
  assertEquals(status, 422);
}, { LINK_DOMAIN: "go.example.com" });
