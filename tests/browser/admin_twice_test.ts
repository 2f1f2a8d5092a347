/** Doors that make something: a second press, and a retry after a lost answer, make it once. */
import { assertEquals } from "../support/assert.ts";
import type { Page } from "playwright-core";
import { go, panelTest } from "../support/panel.ts";

/** The first answer of this address is lost: the request arrives, and the page hears nothing. */
async function loseFirstAnswer(page: Page, path: string): Promise<void> {
  let isLost = false;
  await page.route(`**${path}`, async (route) => {
    if (isLost || route.request().method() !== "POST") return await route.continue();
    isLost = true;
    await route.fetch();
    await route.abort();
  });
}

panelTest(
  "admin: an import pressed again after a lost answer makes each link once",
  async ({ sql, signIn }) => {
    const page = await signIn("operator");
    await go(page, "/links/import", "Import links");
    await loseFirstAnswer(page, "/functions/v1/deeplinks/bulk");
    await sql`select public.allow_host('shop.example.com', 'redirect')`;
    const home = "https://shop.example.com/";
    const count = async () =>
      (await sql`select count(*)::int as n from public.links where campaign = 'twice'`)[0].n;
    await page.getByLabel("Rows").fill(`default_url,campaign\n${home}a,twice\n${home}b,twice`);
    const create = page.getByRole("button", { name: "Create 2 links" });
    await create.click();
    await page.getByRole("alert").filter({ hasText: "Action failed" }).waitFor();
    assertEquals(await count(), 2, "the request had arrived");
    await create.click();
    await page.getByText("2 of 2 links were created or already existed.").waitFor();
    await create.click();
    await page.getByRole("cell", { name: "exists" }).first().waitFor();
    assertEquals(await count(), 2);
  },
);

panelTest("admin: a route added again after a lost answer is one route", async ({ sql, signIn }) => {
  const page = await signIn("operator");
  await go(page, "/routes?edit=new", "Routes");
  await loseFirstAnswer(page, "/rest/v1/rpc/add_route");
  const count = async () => (await sql`select count(*)::int as n from public.routes`)[0].n;
  const before = await count();
  const dialog = page.getByRole("dialog");
  const [{ name }] = await sql`select name from public.destinations where removed_at is null limit 1`;
  await dialog.getByRole("combobox", { name: "Destinations" }).fill(name);
  await page.getByRole("option", { name, exact: true }).click();
  await dialog.getByRole("textbox", { name: "Name" }).click();
  const add = dialog.getByRole("button", { name: "Add route" });
  await add.click();
  await dialog.getByRole("alert").waitFor();
  await add.click();
  await dialog.waitFor({ state: "hidden" });
  assertEquals(await count(), before + 1);
});
