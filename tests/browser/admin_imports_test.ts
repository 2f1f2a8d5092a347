/** Chats of the WhatsApp Business app in the panel: imported with the simulator's page, marked, and how far it is. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest(
  "admin: the app's chats stand before the others, marked as imported",
  async ({ stack, sql, open, signIn }) => {
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "hello");
    await until("it is routed", async () => (await sql`select from public.routing_decisions`)[0]);
    const phone = await open();
    await phone.goto(`${stack.url}/simulator/`);
    await phone.getByRole("tab", { name: "Accounts" }).click();
    await phone.getByRole("button", { name: /^Import chats: Your business/ }).click();
    await phone.getByRole("button", { name: /^Sync contacts: Your business/ }).click();
    await until(
      "the import is complete",
      async () => (await sql`select from public.imports where state = 'complete'`)[0],
    );

    const page = await signIn("operator");
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByText("Lovely, see you on Sunday!").waitFor();
    await page.getByText("imported", { exact: true }).first().waitFor();
    const said = await page.getByRole("group", { name: "Conversation" }).getByRole("listitem")
      .allTextContents();
    // The demo service answers what came in by itself, and nothing else.
    assertEquals(said.map((text) => text.includes("imported")), said.map((_, index) => index < 5));
    assertEquals(said.length >= 6, true);
    await isWell(page);
    await page.getByRole("button", { name: "Details of Do you open on Sundays?" }).click();
    await page.getByText(/was imported. It is routed to nobody/).waitFor();
    await isWell(page);

    const small = await signIn("viewer", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await go(small, "/settings?tab=numbers", "Settings");
    await small.getByText(/^Chats of the app: imported, \d+ messages/).waitFor();
    await isWell(small);
  },
);
