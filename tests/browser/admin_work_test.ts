/** Conversations as work: who waits longest, what is unread, and who else is looking. */
import { assertEquals } from "../support/assert.ts";
import { configKnown } from "../support/file_stack.ts";
import { go, inTime, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";
import { until } from "../support/until.ts";

panelTest(
  "admin: who waits for a person is listed, longest first, and two colleagues see each other",
  async ({ stack, sql, signIn }) => {
    // Nobody but a person answers.
    await sql`update public.routes set active = false`;
    await configKnown(stack, sql);
    for (const [name, phone] of [["Ada", "4915100004781"], ["Bob", "4915100004782"]]) {
      await says(stack, await somebody(stack, name, phone), `I am ${name}`);
    }
    const ids = await until("both wrote", async () => {
      const rows = await sql`
        select c.id, i.value from public.conversations c join public.contact_identities i using (contact_id)
        where i.value in ('4915100004781', '4915100004782') order by i.value`;
      return rows.length === 2 ? rows.map(({ id }) => id as string) : undefined;
    });
    for (const id of ids) await sql`select public.take_conversation(${id}, 60, 'app')`;
    await sql`update public.messages set created_at = now() - interval '2 hours' where conversation_id = ${
      ids[1]
    }`;

    const page = await signIn("operator", { clock: true });
    await go(page, "/messages", "Messages");
    await page.getByText("Waiting", { exact: true }).click();
    const rows = page.getByRole("list", { name: "Conversations" }).getByRole("listitem");
    await rows.nth(1).waitFor();
    const shown = await rows.allInnerTexts();
    assertEquals(shown.map((text) => /4782|4781/.exec(text)?.[0]), ["4782", "4781"]);
    await rows.nth(0).getByText(/^waiting 2 h/).waitFor();
    await isWell(page, "waiting");

    await rows.nth(0).getByRole("button").click();
    await page.getByRole("button", { name: "Assigned to nobody" }).waitFor();
    const other = await signIn("viewer", { clock: true });
    await go(other, `/messages?conversation=${ids[1]}`, "Messages");
    await inTime(other.getByText(/^Also looking: operator/));
    await inTime(page.getByText(/^Also looking: viewer/));
    await isWell(page, "two");
    await go(other, "/links", "Links");
    await sql`update private.conversation_presence set at = at - interval '1 minute'`;
    await inTime(page.getByText(/^Also looking/), "hidden");
  },
);
