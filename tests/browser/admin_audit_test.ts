/** The audit page: found by person, thing and time, with the state before and after, undone, exported. And tested alerts. */
import { assert, assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { addDestination } from "../support/service.ts";
import { answer, go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

panelTest("admin: the audit says who changed what, filters, undoes and exports it", async (panel) => {
  const { sql, signIn } = panel;
  await addDestination(sql, "orders", { url: "http://127.0.0.1:9/a" });
  const page = await signIn("admin", { acceptDownloads: true });
  // A person does something in the panel.
  await go(page, "/flags/wa_send.enabled", "wa_send.enabled");
  await page.getByRole("switch", { name: /^wa_send.enabled is on/ }).first().click({ force: true });
  await until(
    "it is off",
    async () =>
      (await sql`select value from public.settings where key = 'wa_send.enabled'`)[0].value === "false" ||
      undefined,
  );
  await sql`select public.set_destination('orders', 1, '{"url": "http://127.0.0.1:9/b"}')`;

  await go(page, "/audit", "Audit");
  const list = page.getByRole("list", { name: "Changes" });
  const entry = (text: string | RegExp) => list.getByRole("listitem").filter({ hasText: text });
  await entry("wa_send.enabled true → false").first().getByText("by you").waitFor();
  await isWell(page, "audit");
  const changed = entry("Destination orders changed");
  await changed.getByRole("button", { name: "Show 1 difference" }).press("Enter");
  await changed.getByText("http://127.0.0.1:9/a").waitFor();
  await changed.getByText("http://127.0.0.1:9/b").waitFor();
  await isWell(page, "a difference");

  // By person, by thing; the address can be shared.
  await page.getByRole("combobox", { name: "Who" }).fill("admin");
  await page.getByRole("option", { name: "admin@example.com" }).click();
  await changed.waitFor({ state: "detached" });
  await entry("wa_send.enabled true → false").first().waitFor();
  await page.getByRole("searchbox", { name: "Name" }).fill("nothing is called so");
  await page.getByText("No changes match").waitFor();
  await page.reload();
  await page.getByText("No changes match").waitFor();
  await go(page, "/audit?name=WA_SEND", "Audit");

  await entry("wa_send.enabled true → false").first().getByRole("button", { name: /^Undo: wa_send/ }).click();
  await answer(page, "Undo");
  await page.getByRole("alert").filter({ hasText: "Undone: wa_send.enabled is on for everybody again." })
    .waitFor();
  await entry("wa_send.enabled false → true").first().waitFor();
  // Since then it has changed: what is undone twice is refused, and says why.
  await entry("wa_send.enabled true → false").first().getByRole("button", { name: /^Undo: wa_send/ }).click();
  await answer(page, "Undo");
  await page.getByRole("alert").filter({ hasText: "Changed by somebody else" }).waitFor();

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Export CSV" }).click(),
  ]);
  const text = await Deno.readTextFile((await download.path())!);
  assert(text.startsWith("\ufefftime,who,who_id,kind,name,change,reason,before,after"), text.slice(0, 200));
  assert(text.includes("wa_send.enabled true → false"));
  assert(!text.includes("orders"), "what the filter leaves out");

  const viewer = await signIn("viewer", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  await go(viewer, "/audit", "Audit");
  await viewer.getByRole("list", { name: "Changes" }).getByRole("listitem").first().waitFor();
  assertEquals(await viewer.getByRole("button", { name: /^Undo/ }).count(), 0);
  await isWell(viewer, "audit on a phone");
});

panelTest("admin: an alert endpoint is tested from its row, which says what became of it", async (panel) => {
  const { sql, signIn } = panel;
  await sql`select public.add_notification_endpoint('ops', 'webhook', 'http://127.0.0.1:9/')`;
  const page = await signIn("operator");
  await go(page, "/settings?tab=notifications", "Settings");
  await page.getByRole("button", { name: "Test ops" }).click();
  await page.getByText(/^Test, .*: (waiting to be sent|being sent|not delivered)/).waitFor();
  await isWell(page, "a test");
  await sql`update public.notifications set state = 'delivered', last_error = null, delivered_at = now()`;
  await page.getByText(/^Test, .*: delivered/).waitFor();
});
