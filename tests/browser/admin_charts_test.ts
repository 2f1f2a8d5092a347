/** Charts that answer: zoomed by pointer and keyboard, with marks, the span before in words, and a way to the messages. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Locator, Page } from "playwright-core";
import { go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";
import { until } from "../support/until.ts";

/** Drags from one share of a chart's width to another. */
async function drag(page: Page, chart: Locator, from: number, to: number): Promise<void> {
  await chart.scrollIntoViewIfNeeded();
  const box = (await chart.locator(".u-over").boundingBox())!;
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * from, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * (from + to) / 2, y);
  await page.mouse.move(box.x + box.width * to, y);
  await page.mouse.up();
}

const spanOf = (page: Page) => new URLSearchParams(page.url().split("?")[1]).get("span");

panelTest(
  "admin: the overview's chart is zoomed, marks a change, and leads to the messages of a point",
  async (
    { sql, signIn },
  ) => {
    await sql`
    insert into public.measurements (name, label, minute, n, last_at)
    select 'messages', d.direction, date_trunc('minute', now()) - interval '1 minute' * m, case when d.direction = 'in' then 4 else 2 end, now()
    from generate_series(2, 200) m cross join (values ('in'), ('out')) d (direction)
    on conflict do nothing`;
    await sql`select public.set_flag('chart.enabled', '{"on": true, "percentage": 100}', 0, 'for the chart')`;
    const page = await signIn("operator");
    const chart = page.getByRole("slider", { name: "Messages per minute" });
    await chart.waitFor();
    await page.getByText(/\d+ in, (as many as|.+ (more|fewer) than|.+ as many as) in the .+ before/)
      .waitFor();
    const marks = page.getByRole("list", { name: "What happened meanwhile: Messages per minute" });
    await marks.getByRole("link", { name: "chart.enabled set to true" }).waitFor();

    // By pointer.
    await drag(page, chart, 0.2, 0.5);
    await until("the address holds it", () => Promise.resolve(spanOf(page) !== null));
    assertMatch(spanOf(page)!, /^\d{4}-\d\d-\d\dT\d\d:\d\dZ~\d{4}-\d\d-\d\dT\d\d:\d\dZ$/);
    await page.getByRole("link", { name: "Messages of this time" }).waitFor();
    const span = spanOf(page);
    await page.reload();
    await page.getByRole("link", { name: "Messages of this time" }).waitFor();
    assertEquals(spanOf(page), span, "after a reload");
    await isWell(page, "zoomed");
    await page.getByRole("button", { name: "Whole period" }).click();
    await until("it is whole again", () => Promise.resolve(spanOf(page) === null));

    // By keyboard: a value is read, a span chosen, and left again.
    await chart.focus();
    await page.keyboard.press("End");
    await until(
      "the value is heard",
      async () => /in \d+, out \d+/.test(await chart.getAttribute("aria-valuetext") ?? ""),
    );
    for (let n = 0; n < 5; n++) {
      await page.keyboard.press("Shift+ArrowLeft");
    }
    await until(
      "the span is heard",
      async () => /^chosen: /.test(await chart.getAttribute("aria-valuetext") ?? ""),
    );
    await page.keyboard.press("Enter");
    await until("the address holds it", () => Promise.resolve(spanOf(page) !== null));
    await page.getByRole("link", { name: "Messages of this time" }).waitFor();
    await chart.focus();
    await page.keyboard.press("Escape");
    await until("it is whole again", () => Promise.resolve(spanOf(page) === null));

    // As a table.
    await page.getByRole("button", { name: "Table: Messages per minute" }).click();
    const table = page.getByRole("table", { name: "Messages per minute" });
    await until("all minutes are in it", async () => await table.getByRole("row").count() > 30);
    await isWell(page, "table");
  },
);

panelTest("admin: a point of a chart leads to its messages, those in trouble first asked for", async (
  { sql, signIn },
) => {
  await sql`
    with people as (
      insert into public.contacts (id) select gen_random_uuid() from generate_series(1, 2) returning id
    ), conversations as (
      insert into public.conversations (contact_id, number_id) select id, '150000000000001' from people returning id
    )
    insert into public.messages (conversation_id, direction, type, text, status)
    select c.id, d.direction, 'text', d.direction || ' text', 'failed' from conversations c cross join (values ('in'), ('out')) d (direction)`;
  const page = await signIn("operator");
  const [from, to] = [-60, 60].map((minutes) =>
    new Date(Date.now() + minutes * 60_000).toISOString().slice(0, 16)
  );
  await go(page, `/messages?span=${from}Z~${to}Z`, "Messages");
  const list = page.getByRole("list", { name: "Messages" });
  await until("all of them", async () => await list.getByRole("listitem").count() >= 4);
  await isWell(page);
  await page.getByText("Out", { exact: true }).click();
  await until("those that went out", async () => {
    const texts = await list.getByRole("listitem").allInnerTexts();
    return texts.length >= 2 && texts.every((text) => /You: /.test(text));
  });
  await page.getByRole("switch", { name: "Only failed, waiting or without a route" }).check();
  await list.getByText("failed").first().waitFor();
  await list.getByRole("button").first().click();
  await page.getByRole("dialog", { name: "Message history" }).waitFor();
  assert(page.url().includes("span="), "the list stays");
});

panelTest("admin: a destination's chart marks what changed, and a point filters the log", async (
  { sql, signIn },
) => {
  await sql`select public.add_destination('charted', 'http://127.0.0.1:9/')`;
  await sql`
    insert into public.measurements (name, label, minute, n, last_at)
    select 'destination', l.label, date_trunc('minute', now()) - interval '1 minute' * m, l.n, now()
    from generate_series(0, 2800) m cross join (values ('charted delivered', 4), ('charted dead', 1)) l (label, n)
    on conflict do nothing`;
  const page = await signIn("operator");
  await go(page, "/deliveries/at/charted?hours=1", "Deliveries to charted");
  const chart = page.getByRole("slider", { name: "Attempts to deliver to charted" });
  await chart.waitFor();
  const marks = page.getByRole("list", { name: "What happened meanwhile: Attempts to deliver to charted" });
  await marks.getByText("Destination charted added").waitFor();
  await page.getByText(/failed, (as many as|\d+ % (more|fewer) than) in the .+ before/).waitFor();
  await chart.focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("Enter");
  await page.getByText(/^Attempts from .+ to .+\.$/).waitFor();
  assert(page.url().includes("log="));
  assertEquals(spanOf(page), null, "the chart stays whole");
  await isWell(page);
  await page.getByRole("button", { name: "Clear" }).click();
  await until("the whole log", () => Promise.resolve(!page.url().includes("log=")));
});

panelTest("admin: a link's days are zoomed, and its figures with them", async ({ sql, signIn }) => {
  await sql`select public.allow_host('shop.example.com', 'redirect')`;
  await sql`insert into public.links (code, request_hash, default_url) values ('charted1', 'h', 'https://shop.example.com/')`;
  await sql`
    insert into public.click_days (code, day, human, bot, preview, prefetch, visitors, platforms, countries, referrers, targets)
    select 'charted1', (clock_timestamp() at time zone private.team_zone())::date - n, 10, 0, 0, 0, 1, '{}', '{}', '{}', '{}'
    from generate_series(1, 59) n`;
  const page = await signIn("viewer");
  await go(page, "/links/at/charted1", "Link charted1");
  const chart = page.getByRole("slider", { name: "Clicks by people per day" });
  await chart.waitFor();
  await page.getByText("290 clicks, 3 % fewer than in the 30 days before (300).").waitFor();
  await chart.focus();
  await page.keyboard.press("Home");
  for (let n = 0; n < 6; n++) await page.keyboard.press("Shift+ArrowRight");
  await page.keyboard.press("Enter");
  await page.getByText("70 clicks, as many as in the 7 days before.").waitFor();
  await isWell(page);

  // By a finger, on a phone.
  const phone = await signIn("viewer", {
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  await go(phone, "/links/at/charted1", "Link charted1");
  const there = phone.getByRole("slider", { name: "Clicks by people per day" });
  await there.locator(".u-over").waitFor();
  await there.scrollIntoViewIfNeeded();
  const box = (await there.locator(".u-over").boundingBox())!;
  const finger = await phone.context().newCDPSession(phone);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", share?: number) =>
    finger.send("Input.dispatchTouchEvent", {
      type,
      touchPoints: share === undefined ? [] : [{ x: box.x + box.width * share, y: box.y + box.height / 2 }],
    });
  await touch("touchStart", 0.2);
  for (const share of [0.3, 0.4, 0.5, 0.6]) await touch("touchMove", share);
  await touch("touchEnd");
  await until("the address holds it", () => Promise.resolve(spanOf(phone) !== null));
  await phone.getByRole("link", { name: "Messages of this time" }).waitFor();
  await isWell(phone, "phone");
});
