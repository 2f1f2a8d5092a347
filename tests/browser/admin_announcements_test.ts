/** Announcements in the panel: a draft with its counts, sent, stopped; and whom a feature failed for. */
import { assertEquals } from "../support/assert.ts";
import { answer, go, inTime, panelTest } from "../support/panel.ts";
import { until } from "../support/until.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest(
  "admin: an announcement is previewed with counts, sent, and its people are listed",
  async (panel) => {
    const { sql, signIn, stack } = panel;
    const nora = await somebody(stack, "Nora Feld", "16505550142");
    await says(stack, nora, "hello");
    await until(
      "she is known",
      async () => (await sql`select from public.contact_identities where value = '16505550142'`)[0],
    );
    const page = await signIn("operator", { viewport: { width: 360, height: 740 }, clock: true });
    await go(page, "/announcements/new", "New announcement");
    await page.getByLabel("Name").fill("New: referrals");
    await page.getByLabel("For", { exact: true }).selectOption("wrote");
    await page.getByLabel("Text", { exact: true }).fill("You can invite friends now.");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByRole("heading", { name: "New: referrals", level: 1 }).waitFor();
    await page.getByText("Would get: 1 the text.").waitFor();
    await isWell(page, "a draft");
    await page.getByRole("button", { name: "Send" }).click();
    await answer(page, "Send");
    await page.getByRole("button", { name: "Stop" }).waitFor();
    await sql`select private.send_announcements(now())`;
    await inTime(page.getByText("1 of 1 queued"));
    await page.getByLabel("Contact ending in 0142").waitFor();
    await go(page, "/announcements", "Announcements");
    await page.getByRole("link", { name: "New: referrals" }).waitFor();
  },
);

panelTest(
  "admin: the flag's page lists for whom it failed, and leads to writing to them; a viewer only reads",
  async (panel) => {
    const { sql, signIn, stack } = panel;
    const nora = await somebody(stack, "Nora Feld", "16505550142");
    await says(stack, nora, "hello");
    const { id } = await until(
      "she is known",
      async () =>
        (await sql`select contact_id as id from public.contact_identities where value = '16505550142'`)[0],
    );
    await sql`insert into private.affected_people (flag_key, subject_id, failures, first_at, last_at)
    values ('deeplinks.enabled', ${id}, 2, now(), now())`;
    const page = await signIn("operator");
    await go(page, "/flags/deeplinks.enabled", "deeplinks.enabled");
    await page.getByText("Failed for 1 person who had it, 1 of them known as contacts.").waitFor();
    await page.getByRole("link", { name: "Notify them" }).click();
    await page.getByRole("heading", { name: "New announcement", level: 1 }).waitFor();
    assertEquals(await page.getByRole("combobox", { name: "Feature" }).inputValue(), "deeplinks.enabled");
    await page.getByLabel("Name").fill("Sorry");
    await page.getByLabel("Text", { exact: true }).fill("The link works again.");
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText("Would get: 1 the text.").waitFor();

    const viewer = await signIn("viewer");
    await go(viewer, "/flags/deeplinks.enabled", "deeplinks.enabled");
    await viewer.getByLabel("Contact ending in 0142").waitFor();
    assertEquals(await viewer.getByRole("link", { name: "Notify them" }).count(), 0);
    await go(viewer, "/announcements/new", "New announcement");
    await viewer.getByText("Only operators can write to people").waitFor();
  },
);
