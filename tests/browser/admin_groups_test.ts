/** Groups: made and written in on the simulator's page, seen and answered in the panel, asked for by a route. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell, somebody } from "../support/people.ts";

panelTest(
  "admin: a group is one conversation, in which one sees who wrote and replies to all",
  async ({ stack, sql, open, signIn }) => {
    await somebody(stack, "Ada Lovelace", "4915100004711");
    const phone = await open();
    await phone.goto(`${stack.url}/simulator/`);
    await phone.getByRole("button", { name: /Ada Lovelace/ }).click();
    await phone.getByRole("button", { name: "New group" }).click();
    await phone.getByRole("heading", { name: "Ada Lovelace’s group" }).waitFor();
    await phone.getByLabel("Message", { exact: true }).fill("who comes on Sunday?");
    await phone.getByRole("button", { name: "Send", exact: true }).click();
    await until("it is stored", async () => (await sql`select from public.message_authors`)[0]);

    const page = await signIn("operator");
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /Ada Lovelace’s group/ }).click();
    const conversation = page.getByRole("group", { name: "Conversation" });
    await conversation.getByText("who comes on Sunday?").first().waitFor();
    await conversation.getByLabel("Contact ending in 4711").first().waitFor();
    await isWell(page);
    await page.getByRole("textbox", { name: "Reply" }).fill("All of us");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await phone.getByRole("log", { name: "Conversation" }).getByText("All of us").waitFor();
    const [{ recipient }] =
      await sql`select recipient from public.outbound_messages order by id desc limit 1`;
    assertEquals(/^[A-Z0-9]{20}$/.test(recipient), true, recipient);

    const small = await signIn("admin", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await go(small, "/routes", "Routes");
    await small.getByRole("button", { name: "New route" }).click();
    await small.getByRole("combobox", { name: "Condition" }).click();
    await small.getByRole("option", { name: "Answers of a Flow" }).click();
    await small.getByLabel("Field (optional)").waitFor();
    await isWell(small);
    await small.getByRole("combobox", { name: "Condition" }).click();
    await small.getByRole("option", { name: "Written in a group" }).click();
    await small.getByRole("combobox", { name: "Ids of groups (optional)" }).waitFor();
    await isWell(small);
  },
);
