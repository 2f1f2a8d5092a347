/** The form of a link in the panel: everything that the function takes, faults at their field, and a link that is changed. */
import { assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { until } from "../support/until.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

/** Opens a section of the form. */
async function open(page: Page, section: string): Promise<void> {
  const control = page.getByRole("button", { name: new RegExp(`^${section}`) });
  if (await control.getAttribute("aria-expanded") === "false") await control.click();
}

/** Adds a condition to a rule. */
async function when(page: Page, rule: number, condition: string): Promise<void> {
  await page.getByRole("combobox", { name: `Add condition to rule ${rule}` }).click();
  await page.getByRole("option", { name: condition, exact: true }).click();
}

/** Writes one of several values. */
async function tag(page: Page, label: string, value: string): Promise<void> {
  const field = page.locator(`input[aria-label="${label}"]`);
  await field.fill(value);
  await field.press("Enter");
  // Its suggestions would go on lying over what comes next.
  await field.press("Escape");
}

/** Chooses from a list that is searched by typing. */
async function choose(page: Page, list: string, option: string): Promise<void> {
  await page.getByRole("combobox", { name: list, exact: true }).click();
  await page.getByRole("option", { name: option, exact: true }).click();
  await page.keyboard.press("Escape");
}

panelTest(
  "admin: the form creates a link with every condition and every kind of target",
  async ({ stack, sql, signIn }) => {
    const home = `${stack.url}/simulator/`;
    await sql`insert into public.settings (key, value) values ('deeplinks.app_schemes', 'myapp'),
    ('deeplinks.apps', ${
      JSON.stringify({
        android: [{ package: "com.example.app", sha256: [Array(32).fill("AA").join(":")] }],
      })
    })`;
    const page = await signIn("operator");
    const preview = page.getByRole("table", { name: "Target by platform" });
    await go(page, "/links/new", "New link");
    await page.getByRole("textbox", { name: "Message text" }).fill("Hello!");
    await page.getByRole("textbox", { name: "Page if chats are off" }).fill(home);
    await page.getByRole("textbox", { name: "Campaign" }).fill("spring");
    await page.getByRole("textbox", { name: "Title for the team" }).fill("Poster at the station");
    await page.getByRole("textbox", { name: "Note for the team" }).fill("Ask Ann.\nHung until May.");
    await open(page, "Targets for some visitors");

    await page.getByRole("button", { name: "Add rule" }).click();
    await choose(page, "Platforms of rule 1", "Android");
    await when(page, 1, "Country");
    await choose(page, "Country of rule 1", "Germany (DE)");
    await when(page, 1, "Language");
    await tag(page, "Language of rule 1", "de-AT");
    await when(page, 1, "In-app browser");
    await page.getByText("These apps", { exact: true }).click();
    await choose(page, "Apps of rule 1", "Instagram");
    await choose(page, "Apps of rule 1", "WeChat");
    await when(page, 1, "New or returning");
    await page.getByText("Returning", { exact: true }).first().click();
    await choose(page, "Target of rule 1", "App");
    await page.getByRole("textbox", { name: "App URL of rule 1" }).fill("myapp://item/1");
    await page.getByRole("textbox", { name: "Android package" }).fill("com.example.app");
    await page.getByRole("textbox", { name: "Fallback without the app" }).fill(`${home}?store`);

    await page.getByRole("button", { name: "Add rule" }).click();
    await page.getByRole("button", { name: "Rule 2: remove condition platform" }).click();
    await when(page, 2, "Referrer");
    await tag(page, "Referrer of rule 2", "https://News.example.com/today");
    await when(page, 2, "URL parameters");
    await page.getByRole("textbox", { name: "Parameter for rule 2" }).fill("src");
    await page.getByRole("textbox", { name: "Parameter for rule 2" }).press("Enter");
    await tag(page, "Values of src in rule 2", "poster");
    await when(page, 2, "Dates");
    await page.getByRole("group", { name: "Rule 2" }).getByLabel("Until").fill("2099-01-02T03:04");
    await when(page, 2, "Days and times");
    await page.getByRole("group", { name: "Rule 2" }).getByLabel("Time zone").fill("Europe/Berlin");
    await choose(page, "Target of rule 2", "App store page");
    await page.getByRole("textbox", { name: "Store URL of rule 2" }).fill(`${home}?shop`);

    await page.getByRole("button", { name: "Add rule" }).click();
    await page.getByRole("button", { name: "Rule 3: remove condition platform" }).click();
    await when(page, 3, "Share of visitors");
    await page.getByRole("textbox", { name: "Share of visitors of rule 3" }).fill("30");
    await choose(page, "Target of rule 3", "WhatsApp chat");
    await page.getByRole("textbox", { name: "Message text of rule 3" }).fill("Sale!");
    // The rules are asked in their order: the share comes before the store now.
    await page.getByRole("button", { name: "Move rule 3 up" }).click();

    await open(page, "Validity and uses");
    await page.getByLabel("Starts at").fill("2020-01-02T03:04");
    await page.getByLabel("Ends at").fill("2098-01-02T03:04");
    await page.getByRole("textbox", { name: "Maximum uses" }).fill("500");
    await page.getByRole("switch", { name: /^Confirm with a button/ }).check();
    await page.getByRole("textbox", { name: "Page when unavailable" }).fill(`${home}?over`);
    await open(page, "Password");
    await page.getByRole("textbox", { name: "Password" }).fill("open sesame");
    await open(page, "Campaign parameters");
    await page.getByRole("textbox", { name: "Source" }).fill("poster");
    await page.getByRole("switch", { name: /^Pass URL parameters on/ }).check();
    await open(page, "Link preview");
    await page.getByRole("textbox", { name: "Title", exact: true }).fill("Spring sale");
    await page.getByRole("textbox", { name: "Description" }).fill("Until May");
    await page.getByRole("textbox", { name: "Image URL" }).fill(`${home}card.png`);
    await open(page, "Integration");
    await page.getByRole("textbox", { name: "External id" }).fill("poster-7");
    await page.getByRole("combobox", { name: "Only for visitors with this flag on" }).fill("wa_send.enabled");
    await page.keyboard.press("Escape");
    await page.getByRole("switch", { name: /^Match an app's first open/ }).check();

    // The share divides visitors on each platform, and a visitor can be imagined.
    await preview.getByRole("row", { name: /^Mac .*30 % of visitors, rule 2.*70 % of visitors, no rule/ })
      .waitFor();
    await choose(page, "Country", "Germany (DE)");
    await page.getByRole("textbox", { name: "Language", exact: true }).fill("de-AT");
    await choose(page, "In-app browser", "Instagram");
    await page.getByRole("group", { name: "Preview for a visitor" }).getByRole("switch").check();
    await preview.getByRole("row", { name: /^Android intent:.*com\.example\.app.*rule 1/ }).waitFor();
    await isWell(page);
    await page.setViewportSize({ width: 360, height: 740 });
    await isWell(page);

    await page.getByRole("textbox", { name: "Custom code" }).fill("everything");
    await page.getByRole("button", { name: "Create link" }).click();
    await page.getByRole("heading", { name: "Link everything", level: 1 }).waitFor();
    await isWell(page);
    const [link] = await sql`select * from public.links where code = 'everything'`;
    const zoned = (text: string) => page.evaluate((text) => new Date(text).toISOString(), text);
    const number = stack.stack.whatsapp.phoneNumberId;
    assertEquals(link.targets, [
      {
        when: {
          platform: ["android"],
          country: ["DE"],
          language: ["de-at"],
          in_app: ["instagram", "wechat"],
          visitor: "returning",
        },
        app: { url: "myapp://item/1", package: "com.example.app", fallback: `${home}?store` },
      },
      { when: { weight: 30 }, whatsapp: { phone_number_id: number, text: "Sale!" } },
      {
        when: {
          referrer: ["news.example.com"],
          query: { src: ["poster"] },
          date: { until: await zoned("2099-01-02T03:04") },
          time: {
            days: ["mon", "tue", "wed", "thu", "fri"],
            from: "09:00",
            to: "17:00",
            zone: "Europe/Berlin",
          },
        },
        store: `${home}?shop`,
      },
    ]);
    assertEquals(
      [link.whatsapp, link.default_url, link.expired_url, link.max_uses, link.flag_key, link.external_id],
      [{ phone_number_id: number, text: "Hello!" }, home, `${home}?over`, 500, "wa_send.enabled", "poster-7"],
    );
    assertEquals([link.starts_at.toISOString(), link.expires_at.toISOString()], [
      await zoned("2020-01-02T03:04"),
      await zoned("2098-01-02T03:04"),
    ]);
    assertEquals(link.confirm, true);
    assertEquals([link.title, link.note], ["Poster at the station", "Ask Ann.\nHung until May."]);
    assertEquals([link.utm, link.pass_query, link.fingerprint, link.preview], [
      { source: "poster", campaign: "spring" },
      true,
      true,
      { title: "Spring sale", description: "Until May", image: `${home}card.png` },
    ]);
    assertEquals((await sql`select from private.link_passwords where code = 'everything'`).length, 1);
  },
);

panelTest("admin: an error of the function is shown at its field", async ({ stack, sql, signIn }) => {
  await sql`select public.create_links(${
    sql.json([{ code: "taken", request_hash: "x", default_url: `${stack.url}/simulator/` }])
  }, 'somebody')`;
  const page = await signIn("operator");
  await go(page, "/links/new", "New link");
  await page.getByRole("textbox", { name: "Message text" }).fill("Hello!");
  await page.getByRole("textbox", { name: "Custom code" }).fill("taken");
  await page.getByRole("button", { name: "Create link" }).click();
  const code = page.getByRole("textbox", { name: "Custom code" });
  await until(
    "the code is marked",
    async () => await code.getAttribute("aria-invalid") === "true",
  );
  // Whatever else is written takes the fault of the old away.
  await code.fill("free-again");
  assertEquals(await code.getAttribute("aria-invalid"), null);

  // In a section that is closed when it is sent.
  await open(page, "Validity and uses");
  await page.getByLabel("Starts at").fill("2030-01-02T03:04");
  await page.getByLabel("Ends at").fill("2029-01-02T03:04");
  await page.getByRole("button", { name: /^Validity and uses/ }).click();
  await page.getByLabel("Ends at").waitFor({ state: "detached" });
  await open(page, "Targets for some visitors");
  await page.getByRole("button", { name: "Add rule" }).click();
  await page.getByRole("button", { name: "Create link" }).click();
  const rule = page.getByRole("group", { name: "Rule 1" });
  await rule.getByText("Must not be empty.").waitFor();
  await rule.getByText("Needs exactly one of url, store, app, whatsapp.").waitFor();
  await choose(page, "Platforms of rule 1", "Android");
  await rule.getByText("Must not be empty.").waitFor({ state: "detached" });
  await page.getByRole("textbox", { name: "URL of rule 1" }).fill("https://elsewhere.example.com/");
  await page.getByRole("button", { name: "Create link" }).click();
  await page.getByText("Is not after starts_at.", { exact: true }).waitFor();
  await page.getByLabel("Ends at").fill("2031-01-02T03:04");
  await page.getByRole("button", { name: "Create link" }).click();
  await rule.getByText("Is not on the allowlist.").waitFor();
  await isWell(page);
});

panelTest(
  "admin: editing a link keeps untouched fields and overwrites nobody's change",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    const home = `${stack.url}/simulator/`;
    const stored = {
      code: "spring",
      request_hash: "x",
      default_url: home,
      // A condition of a later version, and an end to the millisecond.
      targets: [{ when: { platform: ["ios"], weight: 12.5 }, url: `${home}?ios` }],
      expires_at: "2098-01-02T03:04:05.678Z",
      utm: { source: "poster", campaign: "spring" },
      preview: { title: "Spring" },
      tags: ["one", "two"],
      external_id: "mine",
      password_hash: "kept",
    };
    await sql`select public.create_links(${sql.json([stored])}, 'somebody')`;
    const [before] = await sql`select * from public.links where code = 'spring'`;
    const page = await signIn("operator");
    await go(page, "/links/at/spring", "Link spring");
    await page.getByRole("link", { name: "Change" }).click();
    await page.getByRole("heading", { name: "Change spring", level: 1 }).waitFor();
    await page.getByRole("textbox", { name: "Campaign" }).fill("");
    await page.getByRole("textbox", { name: "URL of rule 1" }).fill(`${home}?iphone`);
    await isWell(page);
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "Link spring", level: 1 }).waitFor();
    await page.getByText(`${home}?iphone`).waitFor();
    const [after] = await sql`select * from public.links where code = 'spring'`;
    const { version: _v, updated_at: _a, updated_by: _b, changed_in: _c, ...was } = before;
    const { version, updated_at: _d, updated_by: _e, changed_in: _f, ...is } = after;
    assertEquals(version, 2);
    assertEquals(is, {
      ...was,
      utm: { source: "poster" },
      campaign: null,
      targets: [{ when: { platform: ["ios"], weight: 12.5 }, url: `${home}?iphone` }],
      member_versions: { targets: 2, utm: 2 },
    });
    assertEquals((await sql`select hash from private.link_passwords where code = 'spring'`)[0].hash, "kept");

    // Two have the form open, and change different members: both changes are made.
    const other = await signIn("admin");
    const both = async () => {
      for (const each of [page, other]) {
        await go(each, "/links/at/spring/change", "Change spring");
        await each.getByRole("textbox", { name: "Campaign" }).waitFor();
      }
    };
    const save = async (each: typeof page) => {
      await each.getByRole("button", { name: "Save" }).click();
      await each.getByRole("heading", { name: "Link spring", level: 1 }).waitFor();
    };
    await both();
    await open(other, "Password");
    await other.getByText("Remove", { exact: true }).click();
    await save(other);
    await page.getByRole("textbox", { name: "Campaign" }).fill("summer");
    await save(page);
    assertEquals((await sql`select from private.link_passwords where code = 'spring'`).length, 0);
    assertEquals((await sql`select campaign from public.links where code = 'spring'`)[0].campaign, "summer");

    // The same member: the one who is late is told, and sees what the other wrote.
    await both();
    await other.getByRole("textbox", { name: "Title for the team" }).fill("autumn");
    await save(other);
    await page.getByRole("textbox", { name: "Title for the team" }).fill("winter");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Somebody else changed this link").waitFor();
    await isWell(page);
    await page.getByRole("button", { name: "Load their version" }).click();
    await page.getByText("Somebody else changed this link").waitFor({ state: "detached" });
    assertEquals(await page.getByRole("textbox", { name: "Title for the team" }).inputValue(), "autumn");

    await go(page, "/links/at/spring", "Link spring");
    await page.getByRole("button", { name: "Delete" }).click();
    const dialog = page.getByRole("dialog");
    assertEquals(await dialog.getByRole("button", { name: "Delete" }).isDisabled(), true);
    await dialog.getByLabel("Type spring to confirm").fill("spring");
    await dialog.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("heading", { name: "Links", level: 1 }).waitFor();
    const state = async () => (await sql`select state from public.links where code = 'spring'`)[0].state;
    assertEquals(await state(), "deleted");
    await page.getByRole("combobox", { name: "State" }).click();
    await page.getByRole("option", { name: "Deleted", exact: true }).click();
    await page.getByRole("link", { name: "spring" }).click();
    await page.getByRole("button", { name: "Restore" }).click();
    await page.getByRole("button", { name: "Turn off" }).waitFor();
    await until("it is restored", async () => await state() === "active");
  },
);
