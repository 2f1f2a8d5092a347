/** Many at once: links changed together, an import that is checked first, lists as files, and saved views. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Locator, Page } from "playwright-core";
import { until } from "../support/until.ts";
import { answer, go, type Panel, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

const HOME = "https://shop.example.com/";

/** Makes links as a program does, with these codes. */
async function makeLinks({ stack, sql }: Panel, codes: string[]): Promise<void> {
  await sql`select public.allow_host('shop.example.com', 'redirect')`;
  const response = await fetch(`${stack.url}/functions/v1/deeplinks/bulk`, {
    method: "POST",
    headers: { apikey: stack.stack.secretKey, "content-type": "application/json" },
    body: JSON.stringify({
      links: codes.map((code) => ({ code, default_url: `${HOME}${code}`, tags: ["x"] })),
    }),
  });
  const { results } = await response.json();
  assertEquals(results.map(({ status }: { status: number }) => status), codes.map(() => 201));
}

/** The text of the file that this button saves. */
async function savedBy(page: Page, button: Locator): Promise<string> {
  const saved = page.waitForEvent("download");
  await button.click();
  return await Deno.readTextFile(await (await saved).path());
}

panelTest("admin: selected links are tagged, turned off and deleted together", async (panel) => {
  const { sql, signIn } = panel;
  await makeLinks(panel, ["poster-1", "poster-2", "poster-3"]);
  const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
  await go(page, "/links", "Links");
  const state = async () =>
    (await sql`select code, state, tags from public.links where code like 'poster-%' order by code`)
      .map(({ code, state, tags }) => `${code} ${state} ${tags}`);
  for (const code of ["poster-1", "poster-3"]) {
    await page.getByRole("checkbox", { name: `Select link ${code}` }).check();
  }
  await page.getByText("2 selected").waitFor();
  await isWell(page);
  await page.getByRole("button", { name: "Tag", exact: true }).click();
  const tags = page.getByRole("dialog");
  await tags.getByLabel("Tags to add").fill("spring");
  await tags.getByLabel("Tags to remove").fill("x");
  await page.keyboard.press("Enter");
  await tags.getByRole("button", { name: "Save tags" }).click();
  await page.getByText("2 links were changed.").waitFor();
  assertEquals(await state(), ["poster-1 active spring", "poster-2 active x", "poster-3 active spring"]);

  // Back to what each had: not over what somebody changed since.
  await sql`update public.links set tags = '{spring,kept}' where code = 'poster-3'`;
  await page.getByRole("alert").getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone: 2 links as before.").waitFor();
  assertEquals(await state(), ["poster-1 active x", "poster-2 active x", "poster-3 active kept,x"]);
  await sql`update public.links set state = 'disabled' where code = 'poster-3'`;
  for (const code of ["poster-1", "poster-2", "poster-3"]) {
    await page.getByRole("checkbox", { name: `Select link ${code}` }).check();
  }
  await page.getByRole("button", { name: "Delete" }).click();
  await answer(page, "Delete");
  await page.getByText("3 links were changed.").waitFor();
  await sql`update public.links set state = 'disabled' where code = 'poster-2'`;
  await page.getByRole("alert").filter({ hasText: "3 links" }).getByRole("button", { name: "Undo" }).click();
  await until("they are back", async () => (await state())[0] === "poster-1 active x");
  await until("the last one is back", async () => (await state())[2].startsWith("poster-3 disabled"));
  assertEquals((await state())[1], "poster-2 disabled x");
  await sql`update public.links set state = 'active' where code = 'poster-2'`;

  await page.getByRole("checkbox", { name: "Select link poster-2" }).check();
  await page.getByRole("button", { name: "Turn off" }).click();
  await answer(page, "Turn off");
  await until("it is off", async () => (await state()).includes("poster-2 disabled x"));
  await page.getByRole("checkbox", { name: "Select link poster-1" }).check();
  await page.getByRole("button", { name: "Delete" }).click();
  await answer(page, "Delete");
  await page.getByRole("link", { name: "poster-1" }).waitFor({ state: "hidden" });
  assertEquals((await state())[0], "poster-1 deleted x");
});

panelTest("admin: an import is checked without creating, and its refused rows are a file", async (panel) => {
  const { sql, signIn } = panel;
  await makeLinks(panel, ["taken-1"]);
  const page = await signIn("operator");
  await go(page, "/links/import", "Import links");
  const count = async () => (await sql`select count(*)::int as n from public.links`)[0].n;
  const before = await count();
  await page.getByLabel("Rows").fill(
    `default_url,code\n${HOME}a,fresh-1\n${HOME}b,taken-1\nhttps://elsewhere.example.org/,fresh-2`,
  );
  await page.getByRole("button", { name: "Check without creating" }).click();
  await page.getByText("1 of 3 links can be created or already exist. Nothing was created.").waitFor();
  await isWell(page);
  assertEquals(await count(), before);

  await page.getByRole("button", { name: "Create 3 links" }).click();
  await page.getByText("1 of 3 links were created or already existed.").waitFor();
  assertEquals(await count(), before + 1);
  const file = await savedBy(page, page.getByRole("button", { name: "Save the 2 refused rows" }));
  const [heading, taken, elsewhere] = file.replace("\ufeff", "").trim().split("\r\n");
  assertEquals(heading, "default_url,code,refused_because");
  assertMatch(taken, /^https:\/\/shop\.example\.com\/b,taken-1,.*already has this code/);
  assertMatch(elsewhere, /^https:\/\/elsewhere\.example\.org\/,fresh-2,.*allowlist/);

  // The mended file is imported as it is.
  await page.getByLabel("Rows").fill(
    file.replace("taken-1", "fresh-3").replace("elsewhere.example.org", "shop.example.com"),
  );
  await page.getByRole("button", { name: "Create 2 links" }).click();
  await page.getByText("2 of 2 links were created or already existed.").waitFor();
  assertEquals(await page.getByText("Not imported").count(), 0);
});

panelTest("admin: a list is a file to its last page, and its filters are kept as views", async (panel) => {
  const { sql, signIn } = panel;
  await sql`
    insert into public.settings (key, value, metadata)
    select 'many' || lpad(i::text, 3, '0') || '.enabled', 'false', '{"description": "=1+1"}' from generate_series(1, 250) i`;
  const page = await signIn("operator");
  await go(page, "/flags", "Flags");
  await page.getByLabel("Search flags").fill("many");
  await page.waitForURL(/q=many/);
  await page.getByRole("link", { name: "many001.enabled" }).waitFor();
  const file = await savedBy(page, page.getByRole("button", { name: "Export flags as CSV" }));
  const rows = file.trim().split("\r\n");
  assertEquals(rows.length, 251);
  assert(rows[0].includes("key,value,"), rows[0]);
  assert(rows.at(-1)!.startsWith("many250.enabled,false,"), rows.at(-1));

  await page.getByRole("button", { name: "Views" }).click();
  const views = page.getByRole("dialog", { name: "Views" });
  await views.getByLabel("Save these filters as").fill("the many");
  await views.getByRole("checkbox", { name: "Share with the team" }).check();
  await isWell(page);
  await views.getByRole("button", { name: "Save view" }).click();
  await page.getByText("View the many was saved.").waitFor();

  const viewer = await signIn("viewer");
  await go(viewer, "/flags", "Flags");
  await viewer.getByRole("button", { name: "Views" }).click();
  await viewer.getByRole("button", { name: /^the many/ }).click();
  await viewer.getByRole("link", { name: "many001.enabled" }).waitFor();
  assertMatch(viewer.url(), /q=many/);
  await viewer.getByRole("button", { name: "Views" }).click();
  assertEquals(await viewer.getByRole("button", { name: "Remove view the many" }).count(), 0);

  await page.getByRole("button", { name: "Views" }).click();
  await page.getByRole("button", { name: "Remove view the many" }).click();
  await until("it is gone", async () => (await sql`select from public.saved_views`).length === 0);
});
