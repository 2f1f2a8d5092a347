/** Links and routes in the panel: a link made and followed, a file of links, the order of routes. */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { rasterize, readQr } from "../support/qr.ts";
import { until } from "../support/until.ts";
import { go, inTime, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";

panelTest("admin: a link is created with a preview for each platform, visited and counted", async (panel) => {
  const { stack, sql, signIn } = panel;
  const target = `${stack.url}/simulator/`;
  const page = await signIn("operator", { clock: true });
  await go(page, "/links/new", "New link");
  await page.getByText("Page", { exact: true }).click();
  await page.getByRole("textbox", { name: "URL", exact: true }).fill("https://elsewhere.example.com/");
  const preview = page.getByRole("table", { name: "Target by platform" });
  await preview.getByText("not on the allowlist").first().waitFor();
  await page.getByRole("button", { name: "Create link" }).click();
  await page.getByText("Is not on the allowlist.", { exact: true }).waitFor();
  await page.getByRole("alert").getByText("An admin can add it in Settings").waitFor();

  await page.getByRole("textbox", { name: "URL", exact: true }).fill(target);
  await preview.getByRole("row", { name: new RegExp(`Android ${target}`) }).waitFor();
  await page.getByRole("button", { name: /^Targets for some visitors/ }).click();
  await page.getByRole("button", { name: "Add rule" }).click();
  await page.getByRole("combobox", { name: "Platforms of rule 1" }).click();
  await page.getByRole("option", { name: "Android" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("textbox", { name: "URL of rule 1" }).fill(`${target}?android`);
  await preview.getByRole("row", { name: /Android .*\?android rule 1/ }).waitFor();
  assertEquals(await preview.getByText("rule 1").count(), 1);
  await page.getByRole("textbox", { name: "Custom code" }).fill("poster-7");
  await isWell(page);
  await page.getByRole("button", { name: "Create link" }).click();
  await page.getByRole("heading", { name: "Link poster-7", level: 1 }).waitFor();
  await page.getByText("No visits yet").waitFor();

  const address = await page.getByRole("link", { name: /poster-7$/ }).getAttribute("href");
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "QR code, SVG" }).click();
  const { pixels, size } = rasterize(await Deno.readTextFile(await (await saved).path()));
  assertEquals(readQr(pixels, size, size), `${address}?src=qr`);
  const visitor = await page.context().newPage();
  await visitor.goto(address!);
  assertEquals(visitor.url(), target);
  await visitor.close();
  const scan = await fetch(`${address}?src=qr`, { redirect: "manual", headers: { "user-agent": IPHONE } });
  await scan.body?.cancel();
  await until(
    "it is counted",
    async () =>
      (await sql`select from public.clicks where code = 'poster-7' and verdict = 'human' and qr`)[0],
  );
  await inTime(page.getByText("by people", { exact: true }));
  await page.getByText("Visitor type").waitFor();
  await inTime(page.getByText("QR code", { exact: true }));
  await isWell(page);

  await page.getByRole("button", { name: "Turn off" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Turn off" }).click();
  await page.getByText("disabled", { exact: true }).waitFor();
  await until("it leads nowhere", async () => {
    const response = await fetch(address!, { redirect: "manual", headers: { "user-agent": "Mozilla/5.0" } });
    await response.body?.cancel();
    return response.status >= 400;
  });
});

panelTest("admin: an imported file of links shows a result for each row", async ({ stack, signIn }) => {
  const page = await signIn("operator");
  await go(page, "/links/import", "Import links");
  await page.getByLabel("Rows").fill("adress,code\nhttps://example.com/,one");
  await page.getByText("Not imported, because links have no such field: adress (1 row)").waitFor();
  await page.getByLabel("Rows").fill(`url,code,expires_at\n${stack.url}/simulator/,spring-0,01.02.2027`);
  await page.getByText('row 2, expires_at "01.02.2027" could mean two days').waitFor();
  await page.getByLabel("Dates that are not like").selectOption("dmy");
  await page.getByText("Times without a zone are read as UTC, in 1 row.").waitFor();
  await page.getByRole("button", { name: "Create 1 link" }).waitFor();
  await page.locator('input[type="file"]').setInputFiles({
    name: "latin.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("url,code,tags\nhttps://www.example.com/,spring-0,fr\u00fch", "latin1"),
  });
  await page.getByLabel("Charset of the file").selectOption("windows-1252");
  await page.getByLabel("Rows").and(page.getByText("früh")).waitFor();
  await page.getByLabel("Rows").fill(
    `default_url,code,tags\n${stack.url}/simulator/,spring-1,"poster;spring"\nhttps://elsewhere.example.com/,spring-2,\n`,
  );
  await page.getByRole("button", { name: "Create 2 links" }).click();
  await page.getByText("1 of 2 links were created or already existed.").waitFor();
  const results = page.getByRole("table", { name: "Results by row" });
  await results.getByRole("row", { name: /^2 created spring-1/ }).waitFor();
  await results.getByRole("row", { name: /^3 refused .*default_url/ }).waitFor();
  await isWell(page);
  await results.getByRole("link", { name: "spring-1" }).click();
  await page.getByRole("heading", { name: "Link spring-1", level: 1 }).waitFor();
  await page.getByText("spring", { exact: true }).waitFor();
  // A viewer looks, and is offered nothing else.
  const viewer = await signIn("viewer");
  await go(viewer, "/links", "Links");
  await viewer.getByRole("link", { name: "spring-1" }).click();
  await viewer.getByRole("heading", { name: "Link spring-1", level: 1 }).waitFor();
  await viewer.getByText("No visits yet").waitFor();
  assertEquals(await viewer.getByRole("button", { name: /Turn|Delete/ }).count(), 0);
  assertMatch(viewer.url(), /#\/links\/at\/spring-1$/);
});

panelTest(
  "admin: thousands of links load page by page, and a filtered URL shows the same ones",
  async (panel) => {
    const { stack, sql, signIn } = panel;
    const links = Array.from({ length: 120 }, (_, n) => ({
      code: `many-${n}`,
      request_hash: "x",
      default_url: `${stack.url}/simulator/`,
      tags: n % 40 === 0 ? ["rare"] : [],
    }));
    await sql`select public.create_links(${sql.json(links)}, 'somebody')`;
    await sql`update public.links set state = 'disabled' where code = 'many-40'`;
    const page = await signIn("viewer");
    await go(page, "/links", "Links");
    const rows = page.locator("main li").filter({ has: page.getByRole("link", { name: /^(many-|demo)/ }) });
    const shown = (count: number) => until(`${count} links`, async () => await rows.count() === count);
    await shown(50);
    // More are read on the way down, and only those near the window are rendered.
    const seen = new Set<string>();
    let turns = 0;
    await until("each link is seen on the way down", async () => {
      for (const code of await rows.getByRole("link").allTextContents()) seen.add(code);
      // Rows that were rendered too late are seen on the next way down.
      await page.mouse.wheel(0, ++turns % 60 === 0 ? -50_000 : 300);
      return seen.size === 121;
    });
    assert(await rows.count() < 100, `${await rows.count()} are rendered`);
    const search = page.getByRole("searchbox", { name: "Search links" });
    await search.fill("ANY-11");
    await shown(11);
    await sql`insert into public.click_counts (code, day, slot, human) values ('many-40', current_date, 0, 1204)`;
    await search.fill("rare");
    await shown(3);
    await rows.filter({ hasText: "many-40" }).getByText("1,204 clicks").waitFor();
    await page.getByRole("combobox", { name: "State" }).click();
    await page.getByRole("option", { name: "Disabled" }).click();
    await shown(1);
    await page.reload();
    await page.getByRole("link", { name: "many-40" }).waitFor();
    await shown(1);
  },
);

panelTest(
  "admin: the list and the link's page warn when somebody guesses a link's password",
  async (panel) => {
    const { sql, signIn } = panel;
    await sql`insert into public.links (code, request_hash, default_url) values ('vault222', 'h', 'https://www.example.com/')`;
    await sql`insert into private.link_passwords (code, hash) values ('vault222', 'x')`;
    const page = await signIn("viewer", { clock: true });
    await go(page, "/links", "Links");
    assertEquals(await page.getByRole("alert").count(), 0);
    await sql`insert into public.link_guesses (code, hour, wrong) values ('vault222', date_trunc('hour', now()), 31)`;
    const alert = page.getByRole("alert").filter({ hasText: "vault222 had 31 wrong passwords" });
    await inTime(alert);
    await isWell(page);
    await alert.getByRole("link", { name: "vault222" }).click();
    await page.getByRole("heading", { name: "Link vault222", level: 1 }).waitFor();
    await page.getByRole("alert").filter({ hasText: "Somebody is guessing a password" }).waitFor();
    await sql`delete from public.links where code = 'vault222'`;
  },
);
