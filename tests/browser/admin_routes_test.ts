/** Routes in the panel: their order, a message tried, a condition written, a conflict, and the way back. */
import { assertEquals } from "../support/assert.ts";
import { addDestination, addRoute } from "../support/service.ts";
import { until } from "../support/until.ts";
import { fillSignIn, go, inTime, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

panelTest(
  "admin: after routes are reordered, a tried message takes the other route",
  async (panel) => {
    const { sql, signIn } = panel;
    for (const name of ["crm", "orders"]) await addDestination(sql, name, { url: "http://127.0.0.1:9/" });
    // That of the demo is for texts, too.
    await sql`update public.routes set channels = '{whatsapp}'`;
    const keyword = { type: "text", match: "keywords", values: ["order"], case_sensitive: false };
    await addRoute(sql, ["orders"], keyword, { name: "orders", priority: 10 });
    await addRoute(sql, ["crm"], { type: "any" }, { name: "all of it", priority: 20 });
    const order = async () =>
      (await sql`select name from public.routes order by priority, id`).map(({ name }) => name).slice(0, 2);
    const page = await signIn("operator", { clock: true });
    await go(page, "/routes", "Routes");
    const tried = page.getByRole("region", { name: "Try a message" });
    await tried.getByRole("textbox", { name: "Text" }).fill("Where is my order?");
    await tried.getByRole("status").getByText("orders: its condition matches → orders").waitFor();

    // What is moved next is a move of that: the page has to have read it.
    const read = page.waitForResponse(async (response) => {
      if (!response.url().endsWith("/rest/v1/rpc/list_routes") || !response.ok()) return false;
      const routes: { name: string; priority: number }[] = await response.json();
      return routes.sort((a, b) => a.priority - b.priority)[0]?.name === "all of it";
    });
    await page.getByRole("button", { name: "Move all of it up" }).press("Enter");
    await tried.getByRole("status").getByText("all of it: its condition matches → crm").waitFor();
    await until(
      "the order is stored",
      async () => (await order()).join() === "all of it,orders",
    );
    await read;

    const items = page.getByRole("list", { name: "Routes in order of evaluation" }).getByRole("listitem");
    await items.filter({ hasText: "all of it" }).dragTo(items.filter({ hasText: 'text has "order"' }));
    await until(
      "it is dragged back",
      async () => (await order()).join() === "orders,all of it",
    );
    await tried.getByRole("status").getByText("orders: its condition matches → orders").waitFor();
    await isWell(page);

    // Another channel can be imagined once a route is for one.
    assertEquals(await tried.getByRole("combobox", { name: "Channel" }).count(), 0);
    await addRoute(sql, ["crm"], { type: "any" }, { name: "mails", priority: 30, channels: ["email"] });
    await inTime(tried.getByRole("combobox", { name: "Channel" }));
    await tried.getByRole("combobox", { name: "Channel" }).click();
    await page.getByRole("option", { name: "email" }).click();
    await tried.getByRole("status").getByText("mails: its condition matches → crm").waitFor();
    await tried.getByText("not for email").first().waitFor();
    await isWell(page);
    await tried.getByRole("combobox", { name: "Channel" }).click();
    await page.getByRole("option", { name: "whatsapp" }).click();
    await tried.getByRole("status").getByText("orders: its condition matches → orders").waitFor();

    // What the routes ask for of the writer can be imagined, and nothing else.
    assertEquals(await tried.getByLabel("Sender").count(), 0);
    await addRoute(sql, ["crm"], { type: "contacts", phones: ["4915100004711"] }, {
      name: "vip",
      priority: 1,
    });
    await addRoute(
      sql,
      ["crm"],
      { type: "all", of: [{ type: "referral", source_type: "ad" }, { type: "choice", ids: ["yes"] }] },
      { name: "from the ad", priority: 2, sticky_minutes: 60 },
    );
    const weekend = { type: "time", days: ["sat"], from: "00:00", to: "24:00", zone: "UTC" };
    await addRoute(sql, ["crm"], weekend, { name: "weekend", priority: 3 });
    const says = (words: string) => tried.getByRole("status").getByText(words).waitFor();
    await inTime(tried.getByLabel("Time", { exact: true }));
    await tried.getByLabel("Time", { exact: true }).fill("2026-11-21T12:00");
    await says("weekend: its condition matches → crm");
    await tried.getByLabel("Sender").fill("+49 151 00004711");
    await says("vip: its condition matches → crm");
    assertEquals(page.url().includes("4711"), false);
    await tried.getByLabel("Sender").fill("");
    await tried.getByRole("combobox", { name: "Referral", exact: true }).click();
    await page.getByRole("option", { name: "An ad" }).click();
    await tried.getByLabel("Chosen button or row").fill("yes");
    await says("from the ad: its condition matches → crm");
    await tried.getByLabel("Chosen button or row").fill("");
    await says("weekend: its condition matches → crm");

    // A flag that targets a segment is on for its members.
    await sql`select public.set_segment('beta', '', 0)`;
    await sql`select public.add_segment_members('beta', 1, array['beta-tester'])`;
    await sql`select public.set_flag('beta.enabled', '{"on": true, "percentage": 0}', 0)`;
    await sql`select public.add_flag_targets('beta.enabled', 1, p_segments => array['beta'])`;
    await addRoute(sql, ["orders"], { type: "any" }, { name: "beta", priority: 0, flag_key: "beta.enabled" });
    await inTime(tried.getByText("flag off: beta.enabled"));
    await tried.getByLabel("Sender").fill("beta-tester");
    await says("beta: its condition matches → orders");
    await tried.getByLabel("Sender").fill("somebody-else");
    await tried.getByText("flag off: beta.enabled").waitFor();
    await tried.getByLabel("Sender").fill("");
    await tried.getByRole("combobox", { name: "Conversation kept by" }).click();
    await page.getByRole("option", { name: "from the ad" }).click();
    await tried.getByRole("status").getByText("from the ad: ").waitFor();
    await isWell(page);
  },
);

panelTest(
  "admin: a route is edited part by part, and the slower of two editors is told of the conflict",
  async (panel) => {
    const { sql, signIn } = panel;
    await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, clock: true });
    await go(page, "/routes", "Routes");
    await page.getByRole("button", { name: "New route" }).click();
    const editor = page.getByRole("dialog");
    await editor.getByRole("textbox", { name: "Name" }).fill("spring");
    await editor.getByRole("combobox", { name: "Condition" }).click();
    await page.getByRole("option", { name: "Text", exact: true }).click();
    await editor.getByRole("combobox", { name: "Destinations" }).click();
    await page.getByRole("option", { name: "crm" }).click();
    await page.keyboard.press("Escape");
    // What the router would refuse is told here, with the place.
    await editor.getByRole("button", { name: "Add route" }).click();
    await editor.getByRole("alert").getByText("values: must not be empty").waitFor();
    await editor.getByLabel("Condition: words").fill("tulip");
    await page.keyboard.press("Enter");
    await editor.getByRole("button", { name: "Add route" }).click();
    await page.getByText('text has "tulip"').first().waitFor();
    const stored = async () =>
      (await sql`select condition, version, sticky_minutes, channels from public.routes where name = 'spring'`)[
        0
      ];
    assertEquals((await stored()).condition, {
      type: "text",
      match: "keywords",
      values: ["tulip"],
      case_sensitive: false,
    });

    assertEquals((await stored()).channels, ["whatsapp"]);

    await page.getByRole("button", { name: /^spring/ }).click();
    await editor.getByRole("textbox", { name: /^Keep the conversation/ }).fill("30");
    const [{ id }] = await sql`select id from public.routes where name = 'spring'`;
    await sql`select public.set_route(${id}, 1, '{"mode": "all"}')`;
    const conflict = editor.getByRole("alert").filter({
      hasText: "Somebody else changed this route",
    });
    await inTime(conflict);
    assertEquals(await editor.getByRole("textbox", { name: /^Keep the conversation/ }).inputValue(), "30");
    assertEquals(await editor.getByRole("button", { name: "Save" }).isDisabled(), true);
    assertEquals((await stored()).sticky_minutes, null);
    await conflict.getByRole("button", { name: "Load their version" }).click();
    await editor.getByRole("textbox", { name: /^Keep the conversation/ }).fill("45");
    await editor.getByLabel("Channels").fill("SMS");
    await page.keyboard.press("Enter");
    await editor.getByRole("button", { name: "Save" }).click();
    await until("it is stored", async () => (await stored()).sticky_minutes === 45);
    assertEquals([(await stored()).version, (await stored()).channels], [3, ["whatsapp", "sms"]]);
    await page.getByText("over whatsapp, sms").waitFor();

    await page.getByRole("button", { name: /^spring/ }).click();
    await editor.getByRole("button", { name: "Restore version 1" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Restore", exact: true }).click();
    await until("as it was made", async () => (await stored()).version === 4);
    assertEquals([(await stored()).sticky_minutes, (await stored()).channels], [null, ["whatsapp"]]);
  },
);

panelTest(
  "admin: a condition's optional, required and rejected members can be seen and edited",
  async (panel) => {
    const { sql, signIn } = panel;
    await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
    const ad = { type: "referral", source_type: "ad" };
    await addRoute(sql, ["crm"], { type: "link_token", present: false }, { name: "stranger" });
    await addRoute(sql, ["crm"], { type: "all", of: [{ ...ad, ctwa: true }, { type: "default" }] }, {
      name: "tapped",
    });
    const stored = async (name: string) =>
      (await sql`select condition from public.routes where name = ${name}`)[0].condition;
    const page = await signIn("operator");
    await go(page, "/routes", "Routes");
    const editor = page.getByRole("dialog");
    const choose = async (field: string, from: string, to: string) => {
      const box = editor.getByRole("combobox", { name: field });
      assertEquals(await box.inputValue(), from);
      await box.click();
      await page.getByRole("option", { name: to, exact: true }).click();
    };

    await page.getByRole("button", { name: /^stranger/ }).click();
    await choose(
      "Condition: link",
      "did not come through a link",
      "came through one of your links",
    );
    await isWell(page);
    await editor.getByRole("button", { name: "Save" }).click();
    await until("the token is asked for", async () => (await stored("stranger")).present === true);

    await page.getByRole("button", { name: /^tapped/ }).click();
    // The schema takes a fallback inside too, so it is shown as what it is.
    assertEquals(
      await editor.getByRole("combobox", { name: "Condition: condition 2" }).inputValue(),
      "Fallback: no other route matches",
    );
    await choose("Click id of the ad (ctwa_clid)", "required", "must be absent");
    await editor.getByRole("button", { name: "Save" }).click();
    await until("ads without a click id are asked for", async () => {
      const { of } = await stored("tapped");
      return of[0].ctwa === false;
    });
    assertEquals(await stored("tapped"), { type: "all", of: [{ ...ad, ctwa: false }, { type: "default" }] });
  },
);

panelTest(
  "admin: a route in short form can be edited, an unreadable one is marked, and a broken page recovers",
  async (panel) => {
    const { browser, sql, signIn, stack, url } = panel;
    await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
    const short = await addRoute(sql, ["crm"], { type: "text", match: "exact", value: "die" }, {
      name: "short",
    });
    await addRoute(sql, ["crm"], { type: "text", match: "near", values: ["x"] }, { name: "odd" });
    const page = await signIn("operator");
    await go(page, "/routes", "Routes");
    const items = page.getByRole("list", { name: "Routes in order of evaluation" }).getByRole("listitem");
    await items.filter({ hasText: 'text is "die"' }).waitFor();
    await items.filter({ hasText: "odd" }).getByText("invalid", { exact: true }).waitFor();
    assertEquals(await page.getByText("invalid", { exact: true }).count(), 1);

    const editor = page.getByRole("dialog");
    await page.getByRole("button", { name: /^short/ }).click();
    await editor.getByRole("textbox", { name: /^Keep the conversation/ }).fill("30");
    await editor.getByRole("button", { name: "Save" }).click();
    const stored = async () =>
      (await sql`select condition, sticky_minutes from public.routes where id = ${short}`)[0];
    await until("it is stored", async () => (await stored()).sticky_minutes === 30);
    const die = { type: "text", match: "exact", values: ["die"], case_sensitive: false };
    assertEquals((await stored()).condition, die);

    await page.getByRole("button", { name: /^odd/ }).click();
    await editor.getByRole("alert").getByText("The condition is invalid").waitFor();
    assertEquals(await editor.getByRole("button", { name: "Save" }).isDisabled(), true);
    await isWell(page);

    // A viewer who follows an operator's address is not offered what is refused.
    const viewer = await signIn("viewer");
    await go(viewer, "/routes?edit=new", "Routes");
    await viewer.getByRole("dialog").getByText("Only operators can create routes").waitFor();
    await viewer.getByText("Only operators can see routes for phone numbers of people").waitFor();
    assertEquals(await viewer.getByRole("dialog").getByRole("textbox").count(), 0);
    await isWell(viewer);

    // An answer that no page of this version can show. Its exception is expected: this browser is not watched for it.
    const context = await browser.newContext();
    try {
      context.setDefaultTimeout(90_000);
      const broken = await context.newPage();
      await broken.route("**/rest/v1/route_history**", (asked) => asked.fulfill({ json: [{ version: 9 }] }));
      await broken.goto(url);
      await fillSignIn(broken, "operator@example.com", stack.stack.admin.password);
      await broken.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
      await broken.evaluate((to) => location.hash = to, `/routes?edit=${short}`);
      await broken.getByText("Something went wrong on this page").waitFor();
      await go(broken, "/routes", "Routes");
      await broken.getByText('text is "die"').first().waitFor();
    } finally {
      await context.close();
    }
  },
);
