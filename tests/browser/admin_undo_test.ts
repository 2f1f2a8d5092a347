/** What the panel says of an action: never over what it is about, with a way back that restores exactly what was. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Locator, Page } from "playwright-core";
import { until } from "../support/until.ts";
import { addDestination, addRoute } from "../support/service.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

/** The message that the panel shows. */
const said = (page: Page, text: string | RegExp): Locator =>
  page.getByRole("alert").filter({ hasText: text });

/** Fails if the message covers the element. */
async function isBeside(message: Locator, about: Locator): Promise<void> {
  const [a, b] = [await message.boundingBox(), await about.boundingBox()];
  assert(a && b, "both are shown");
  const apart = a.y + a.height <= b.y || b.y + b.height <= a.y || a.x + a.width <= b.x ||
    b.x + b.width <= a.x;
  assert(apart, `${JSON.stringify(a)} covers ${JSON.stringify(b)}`);
}

panelTest(
  "admin: a brake is undone in one tap, to exactly what was, unless somebody changed it since",
  async (panel) => {
    const { sql, signIn } = panel;
    const flag = "wa_send.enabled";
    await sql`select public.set_flag(${flag}, '{"percentage": 37, "off_at": "2099-01-01T00:00:00Z"}',
      (select version from public.settings where key = ${flag}))`;
    const stored = async () =>
      (await sql`select value, metadata, version::int from public.settings where key = ${flag}`)[0];
    const before = await stored();
    const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
    await page.getByRole("button", { name: `Turn off ${flag}` }).click();
    const message = said(page, `${flag} is off.`);
    await message.waitFor();
    await isWell(page);
    await message.getByRole("button", { name: "Undo" }).click();
    await said(page, `Undone: ${flag} is on for 37 % again.`).waitFor();
    const after = await stored();
    assertEquals([after.value, after.metadata], [before.value, before.metadata]);

    await page.getByRole("button", { name: `Turn off ${flag}` }).click();
    await message.waitFor();
    const { version } = await stored();
    await sql`select public.set_flag(${flag}, '{"percentage": 1}', ${version})`;
    await message.getByRole("button", { name: "Undo" }).click();
    await said(page, "Not undone").waitFor();
    assertEquals((await stored()).metadata.rollout_percentage, 1);
    assertEquals((await stored()).value, "false");
  },
);

panelTest("admin: a pause, a removed target, a saved route and a host have a way back too", async (panel) => {
  const { sql, signIn } = panel;
  await addDestination(sql, "orders", { url: "http://127.0.0.1:9/" });
  await sql`select public.add_flag_targets('wa_send.enabled',
    (select version from public.settings where key = 'wa_send.enabled'), array['beta-tester', 'c2'])`;
  const page = await signIn("operator");
  await go(page, "/deliveries", "Deliveries");
  await page.getByRole("button", { name: "Pause orders" }).click();
  await answer(page, "Pause");
  await said(page, "orders is paused.").getByRole("button", { name: "Undo" }).click();
  const state = async () => (await sql`select state from public.destinations where name = 'orders'`)[0].state;
  await until("it is active again", async () => await state() === "active");

  await go(page, "/flags/wa_send.enabled", "wa_send.enabled");
  await page.getByRole("button", { name: "Remove beta-tester from the targets" }).click();
  await said(page, "Targets changed.").getByRole("button", { name: "Undo" }).click();
  await said(page, "Undone: the targets are as before.").waitFor();
  const [{ ids }] = await sql`
    select metadata -> 'target_user_ids' as ids from public.settings where key = 'wa_send.enabled'`;
  assertEquals(new Set(ids), new Set(["beta-tester", "c2"]));

  const id = await addRoute(sql, ["orders"], { type: "any" }, { name: "all", sticky_minutes: 60 });
  await go(page, "/routes", "Routes");
  await page.getByRole("button", { name: /^all/ }).click();
  await page.getByRole("dialog").getByRole("switch", { name: "Active" }).click({ force: true });
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await said(page, "Saved.").getByRole("button", { name: "Undo" }).click();
  await said(page, "Undone: all is as before.").waitFor();
  const [route] = await sql`select active, sticky_minutes, version from public.routes where id = ${id}`;
  assertEquals({ ...route }, { active: true, sticky_minutes: 60, version: 3 });

  const admin = await signIn("admin");
  await sql`select public.allow_host('hooks.example.com', 'redirect')`;
  await go(admin, "/settings?tab=allowlist", "Settings");
  await admin.getByRole("button", { name: "Remove hooks.example.com" }).click();
  await answer(admin, "Remove");
  await said(admin, "hooks.example.com was removed").getByRole("button", { name: "Undo" }).click();
  await said(admin, "Undone: hooks.example.com is allowed again.").waitFor();
  const hosts =
    await sql`select purpose from public.destination_allowlist where pattern = 'hooks.example.com'`;
  assertEquals(hosts.map(({ purpose }) => purpose), ["redirect"]);
});

panelTest(
  "admin: what is said covers nothing of what it is about, above or below, wide or narrow",
  async (panel) => {
    const { sql, signIn } = panel;
    // So many that there is something to press at the top and at the bottom.
    for (let n = 0; n < 30; n++) {
      await sql`select public.set_flag(${`many-${
        String(n).padStart(2, "0")
      }.enabled`}, '{"on": true, "percentage": 50}', 0)`;
    }
    for (const viewport of [{ width: 1280, height: 720 }, { width: 390, height: 844 }]) {
      const page = await signIn("operator", { viewport });
      await go(page, "/flags", "Flags");
      const first = page.getByRole("switch", { name: /^deeplinks.enabled is/ });
      await first.waitFor();
      const shown = (await page.getByRole("switch").all()).slice(0, 30);
      const places: Locator[] = [];
      for (const one of shown) {
        const box = await one.boundingBox();
        if (box && box.y > 80 && box.y + box.height < viewport.height - 80) places.push(one);
      }
      for (const one of [places[0], places.at(-1)!]) {
        const name = (await one.getAttribute("aria-label"))!.split(" ")[0];
        const was = (await one.getAttribute("aria-label"))!.includes("is on");
        assert(was, `${name} can be turned off`);
        await one.click({ force: true });
        const message = said(page, `${name} is off.`);
        await message.waitFor();
        await isBeside(message, page.getByRole("switch", { name: new RegExp(`^${name} is off`) }));
        await message.getByRole("button", { name: "Undo" }).click();
        const undone = said(page, `Undone: ${name}`);
        await undone.getByRole("button", { name: "Dismiss" }).click();
        await undone.waitFor({ state: "hidden" });
      }
      await page.close();
    }
  },
);
