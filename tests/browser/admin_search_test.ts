/** The palette and the keys: everything is found and opened from anywhere, and what is urgent is done there. */
import { assertEquals } from "../support/assert.ts";
import type { Locator, Page } from "playwright-core";
import { until } from "../support/until.ts";
import { addDestination, addRoute } from "../support/service.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

const field = (page: Page): Locator => page.getByRole("combobox", { name: "Search everything" });
const option = (page: Page, name: string | RegExp): Locator =>
  page.getByRole("listbox", { name: "Results" }).getByRole("option", { name });
const heading = (page: Page, name: string | RegExp) =>
  page.getByRole("heading", { name, level: 1 }).waitFor();

/** Opens the palette by a key and types. */
async function search(page: Page, text: string): Promise<void> {
  await page.keyboard.press("Control+k");
  await field(page).fill(text);
}

panelTest("admin: the palette finds a thing of each kind and opens it by keyboard alone", async (panel) => {
  const { sql, stack, signIn } = panel;
  await addDestination(sql, "harvest-orders", { url: "http://127.0.0.1:9/" });
  await addRoute(sql, ["harvest-orders"], { type: "default" }, { name: "harvest-route" });
  await sql`select public.open_incident('Harvest replies come late')`;
  await sql`insert into public.links (code, request_hash, title, default_url)
    values ('harv2345', 'h', 'Harvest fair', 'https://example.com/')`;
  const ada = await somebody(stack, "Ada Harvester", "4915100000142");
  await says(stack, ada, "hello");
  const page = await signIn("operator");
  const opens: [query: string, option: string | RegExp, heading: string | RegExp][] = [
    ["wa_send", /^wa_send.enabled/, "wa_send.enabled"],
    ["harvest-orders", /^harvest-orders/, "harvest-orders"],
    ["replies late", /Harvest replies come late/, /^Incident \d+|Harvest replies/],
    ["harvest fair", /^Harvest fair/, /harv2345|Harvest fair/],
    ["limits", "Settings: Limits", "Settings"],
    ["dead", "Dead letters", "Deliveries"],
    ["new rollout", "New rollout", "New rollout"],
  ];
  for (const [query, found, title] of opens) {
    await search(page, query);
    await option(page, found).first().waitFor();
    // The best is chosen already, or a few keys away.
    await until(`${found} is chosen`, async () => {
      if (await option(page, found).first().getAttribute("aria-selected") === "true") return true;
      await page.keyboard.press("ArrowDown");
    });
    await page.keyboard.press("Enter");
    await heading(page, title);
    await field(page).waitFor({ state: "detached" });
    assertEquals(
      await page.evaluate("document.activeElement.tagName"),
      "H1",
      `${query}: the page has the focus`,
    );
  }
  await search(page, "harvest-route");
  await option(page, /^harvest-route/).click();
  await page.getByRole("dialog", { name: "harvest-route" }).waitFor();
  await page.keyboard.press("Escape");

  for (const query of ["ada", "0142", "+49 151 0000 0142"]) {
    await search(page, query);
    await option(page, "Ada Harvester, ···· 0142").waitFor();
    await page.keyboard.press("Escape");
    await field(page).waitFor({ state: "detached" });
  }
  await search(page, "nothing is called like this");
  await page.getByText("Nothing found.").waitFor();
  await page.keyboard.press("Escape");

  const viewer = await signIn("viewer", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  await viewer.getByRole("button", { name: "Search" }).click();
  await isWell(viewer, "the palette on a phone");
  await field(viewer).fill("ada");
  await viewer.getByText("Nothing found.").waitFor();
  await field(viewer).fill("0142");
  await option(viewer, "···· 0142").waitFor();
  await isWell(viewer, "results on a phone");
  await field(viewer).fill("wa_send");
  await option(viewer, /^wa_send.enabled/).waitFor();
  assertEquals(await option(viewer, /^Turn off/).count(), 0, "a viewer turns nothing off");
  assertEquals(await option(viewer, /^New /).count(), 0, "and makes nothing");
  await option(viewer, /^wa_send.enabled/).click();
  await heading(viewer, "wa_send.enabled");
});

panelTest(
  "admin: the palette turns off, pauses and acknowledges, with the way back of the pages",
  async (panel) => {
    const { sql, signIn } = panel;
    await addDestination(sql, "orders", { url: "http://127.0.0.1:9/" });
    await sql`select public.open_incident('Replies come late')`;
    const page = await signIn("operator");
    const value = async () =>
      (await sql`select value from public.settings where key = 'wa_send.enabled'`)[0].value;
    const state = async () =>
      (await sql`select state from public.destinations where name = 'orders'`)[0].state;

    // Two words and Enter: nothing but the verb's things is offered.
    await search(page, "turn off wa_send");
    await option(page, "Turn off wa_send.enabled").waitFor();
    assertEquals(await option(page, /./).count(), 1);
    await isWell(page, "an action");
    await page.keyboard.press("Enter");
    await until("it is off", async () => await value() === "false");
    await page.getByRole("alert").getByRole("button", { name: "Undo" }).click();
    await until("it is on again", async () => await value() === "true");

    // A verb that is not typed to its end is completed, and then names what it can be done to.
    await search(page, "pau");
    await option(page, "Pause …").click();
    await option(page, "Pause orders").waitFor();
    await option(page, "Pause orders").click();
    await answer(page, "Pause");
    await until("it is paused", async () => await state() === "paused");
    await search(page, "resume orders");
    await option(page, "Resume orders").waitFor();
    await page.keyboard.press("Enter");
    await until("it is active", async () => await state() === "active");

    await search(page, "acknowledge");
    await option(page, /^Acknowledge #\d+ Replies come late/).click();
    await until("it is acknowledged", async () => {
      const [{ at }] =
        await sql`select acknowledged_at as at from public.incidents where title = 'Replies come late'`;
      return at !== null;
    });
  },
);

panelTest(
  "admin: keys open the search, the list of keys and each page, never while somebody types",
  async (panel) => {
    const { signIn } = panel;
    const page = await signIn("operator");
    const sheet = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await page.keyboard.press("/");
    await field(page).waitFor();
    assertEquals(await field(page).inputValue(), "", "the key is not typed");
    await page.keyboard.type("?/gf");
    assertEquals(await field(page).inputValue(), "?/gf");
    await page.keyboard.press("Escape");
    await field(page).waitFor({ state: "detached" });

    await page.keyboard.press("?");
    await sheet.waitFor();
    await isWell(page, "the list of keys");
    const pairs = await sheet.getByRole("row").allInnerTexts();
    const pages = pairs.map((row) => /^(.+?)\s+g\s+(\w)$/s.exec(row.trim())).filter((row) => row !== null);
    assertEquals(new Set(pages.map(([, , key]) => key)).size, pages.length, "each has a key of its own");
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    for (const [, title, key] of pages) {
      await page.keyboard.press("g");
      await page.keyboard.press(key);
      await heading(page, title.trim());
    }

    await page.keyboard.press("?");
    await sheet.getByRole("switch", { name: "Shortcuts without Ctrl or ⌘" }).click({ force: true });
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    await go(page, "/flags", "Flags");
    await page.keyboard.press("/");
    await page.keyboard.press("?");
    await page.keyboard.press("Meta+k");
    await field(page).waitFor();
    assertEquals(await sheet.count(), 0, "only what has a modifier works");
  },
);
