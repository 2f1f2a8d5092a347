/** Routes for mails in the panel: the condition written, the channel it needs, and a mail tried. */
import { assertEquals } from "../support/assert.ts";
import { addDestination } from "../support/service.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell } from "../support/people.ts";

panelTest("admin: a route for mails is written with its channel, and a mail is tried", async (panel) => {
  const { sql, signIn } = panel;
  await addDestination(sql, "desk", { url: "http://127.0.0.1:9/" });
  const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
  await go(page, "/routes", "Routes");
  const editor = page.getByRole("dialog");
  const choose = async (field: string, option: string) => {
    await editor.getByRole("combobox", { name: field, exact: true }).click();
    await page.getByRole("option", { name: option, exact: true }).click();
  };
  const add = async (name: string, condition: string, fill: () => Promise<void>) => {
    await page.getByRole("button", { name: "New route" }).click();
    await editor.getByRole("textbox", { name: "Name" }).fill(name);
    await choose("Condition", condition);
    await fill();
    await editor.getByRole("combobox", { name: "Destinations" }).click();
    await page.getByRole("option", { name: "desk" }).click();
    await page.keyboard.press("Escape");
    // A route that takes no mail would never take one.
    await editor.getByText("Only a mail can meet the condition: add email.").waitFor();
    await isWell(page);
    await editor.getByRole("button", { name: "Add route" }).click();
    await editor.getByLabel("Channels").fill("email");
    await page.keyboard.press("Enter");
    await editor.getByRole("button", { name: "Add route" }).click();
    await page.getByRole("button", { name: new RegExp(`^${name}`) }).waitFor();
  };
  await add("alerts", "Address that a mail was sent to", async () => {
    await editor.getByLabel("Domain: first part").fill("Shop");
    await page.keyboard.press("Enter");
    await editor.getByLabel("Type: third part").fill("alert");
    await page.keyboard.press("Enter");
  });
  await add("invoices", "Mail", async () => {
    await choose("Kinds (optional)", "new mail");
    await page.keyboard.press("Escape");
    await choose("Verified author", "required");
    await editor.getByLabel("Words of the subject (optional)").fill("invoice");
    await page.keyboard.press("Enter");
  });
  const stored = await sql`select name, condition, channels from public.routes
    where name in ('alerts', 'invoices') order by name`;
  assertEquals(stored.map((row) => ({ ...row })), [
    {
      name: "alerts",
      condition: { type: "address", domains: ["Shop"], types: ["alert"] },
      channels: ["whatsapp", "email"],
    },
    {
      name: "invoices",
      condition: { type: "email", kinds: ["new_mail"], verified: true, subjects: ["invoice"] },
      channels: ["whatsapp", "email"],
    },
  ]);

  const tried = page.getByRole("region", { name: "Try a message" });
  const says = (words: string) => tried.getByRole("status").getByText(words).waitFor();
  assertEquals(await tried.getByLabel("Subject").count(), 0);
  await tried.getByRole("combobox", { name: "Channel" }).click();
  await page.getByRole("option", { name: "email" }).click();
  await tried.getByLabel("Subject").fill("Your invoice 7");
  await says("invoices: its condition matches → desk");
  await tried.getByRole("combobox", { name: "Author" }).click();
  await page.getByRole("option", { name: "not verified" }).click();
  await says("No route");
  await tried.getByLabel("Written to").fill("shop.payments.alert+7@in.example.com");
  await says("alerts: its condition matches → desk");
  await isWell(page);
});
