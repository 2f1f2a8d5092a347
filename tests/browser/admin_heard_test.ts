/** The panel for ears and for the keyboard: what is told by words, where the focus goes, and how near the brakes are. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { addDestination, addRoute } from "../support/service.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

/** The name of the focused element. */
const focused = (page: Page): Promise<string> =>
  page.evaluate<string>(`(() => {
    const { tagName, textContent, ariaLabel } = document.activeElement;
    return tagName.toLowerCase() + " " + (ariaLabel ?? textContent.trim());
  })()`);

panelTest("admin: trying a message tells hit and miss by words, and which part failed", async (panel) => {
  const { sql, signIn } = panel;
  await addDestination(sql, "crm", { url: "http://127.0.0.1:9/" });
  const text = (word: string) => ({ type: "text", match: "keywords", values: [word], case_sensitive: false });
  await addRoute(sql, ["crm"], { type: "all", of: [text("order"), { type: "not", of: text("late") }] }, {
    name: "orders",
    priority: 1,
  });
  await addRoute(sql, ["crm"], { type: "any" }, { name: "others", priority: 2, active: false });
  const page = await signIn("operator");
  await go(page, "/routes?try=my%20order%20is%20late", "Routes");
  const tried = page.getByRole("region", { name: "Try a message" });
  const row = (name: string) => tried.getByRole("row").filter({ hasText: name });
  await row("orders").getByText("Does not match", { exact: true }).waitFor();
  await row("orders").getByText('Holds: text has "order"').waitFor();
  await row("orders").getByText('Fails: not (text has "late")').waitFor();
  await tried.getByRole("textbox", { name: "Text" }).fill("my order");
  await row("orders").getByText("Matches", { exact: true }).waitFor();
  await row("orders").getByText('Holds: not (text has "late")').waitFor();
  await isWell(page);
});

panelTest(
  "admin: the focus goes where the page went, and the brakes are four keys from the top",
  async (panel) => {
    const { signIn } = panel;
    const page = await signIn("operator");
    const links = page.getByRole("navigation", { name: "Pages", exact: true });
    await links.getByRole("link", { name: "Flags" }).press("Enter");
    await page.getByRole("heading", { name: "Flags", level: 1 }).waitFor();
    assertEquals(await focused(page), "h1 Flags");
    await page.getByRole("link", { name: "wa_send.enabled" }).press("Enter");
    await page.getByRole("heading", { name: "wa_send.enabled", level: 1 }).waitFor();
    assertEquals(await focused(page), "h1 wa_send.enabled");
    await isWell(page);

    // From any page: past the link to the content, to the one to the brakes.
    await page.reload();
    await page.getByRole("heading", { name: "wa_send.enabled", level: 1 }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assertEquals(await focused(page), "a Skip to the feature flags' switches");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
    await page.getByRole("list", { name: "Feature flags" }).and(page.locator(":focus")).waitFor();
    const keys: string[] = [];
    for (let n = 0; n < 2; n++) {
      await page.keyboard.press("Tab");
      keys.push(await focused(page));
    }
    assert(keys.at(-1)!.startsWith("button Turn off "), keys.join(", "));
  },
);

panelTest("admin: an open tab beyond the edge of a phone is scrolled to", async (panel) => {
  const { signIn } = panel;
  const page = await signIn("admin", { viewport: { width: 360, height: 740 } });
  await go(page, "/settings?tab=gates", "Settings");
  const isInside = async (name: string) => {
    const box = await page.getByRole("tab", { name }).boundingBox();
    return box !== null && box.x >= 0 && box.x + box.width <= 360;
  };
  assert(await isInside("Launch gates"), "the open tab is seen");
  await page.evaluate(() => location.hash = "/settings?tab=allowlist");
  await page.getByRole("tab", { name: "Allowlist", selected: true }).waitFor();
  assert(await isInside("Allowlist"), "the first one again");
  await go(page, "/mail?tab=unknown", "E-mail");
  await page.getByRole("tab", { name: "Unknown", selected: true }).waitFor();
  assert(await isInside("Unknown"), "on another page too");
});
