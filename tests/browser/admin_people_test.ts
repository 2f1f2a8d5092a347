/** Contacts that are one person, merged and split in the panel. */
import { assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest(
  "admin: two contacts are merged, seen as one person, and split again",
  async ({ stack, sql, signIn }) => {
    await says(stack, await somebody(stack, "Ada Lovelace", "4915100004711"), "hello");
    await says(stack, await somebody(stack, "Ada at work", "4915100004822"), "stop");
    await until("both are stored", async () => (await sql`select from public.conversations`).length === 2);
    const optedOut = async () =>
      (await sql`select from public.conversations where opted_out_at is not null`).length;
    await until("one opted out", async () => await optedOut() === 1);

    const page = await signIn("operator");
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByRole("button", { name: "Merge" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Last four digits of the other number").fill("4822");
    await dialog.getByRole("combobox", { name: "Contact" }).click();
    await page.getByRole("option", { name: /4822/ }).click();
    await dialog.getByLabel("How do you know?").fill("wrote so in both");
    await isWell(page);
    await dialog.getByRole("button", { name: "Merge" }).click();
    const person = page.getByRole("group", { name: "Same person" });
    await person.getByText(/Same person: ···· 4822/).waitFor();
    await person.getByText(/wrote so in both/).waitFor();
    assertEquals(await optedOut(), 2);
    await isWell(page);

    const small = await signIn("viewer", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await go(small, "/messages", "Messages");
    await small.getByRole("button", { name: /4822/ }).click();
    await small.getByText(/Same person: ···· 4711/).waitFor();
    assertEquals(await small.getByRole("button", { name: "Undo" }).count(), 0);
    await isWell(small);

    await person.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Split" }).click();
    await person.waitFor({ state: "detached" });
    assertEquals(await optedOut(), 1);
  },
);
