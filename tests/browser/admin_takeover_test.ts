/** Takeover in the panel: an answer in the app, back to the services, notes, assignment, canned replies. */
import { assert, assertEquals } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { go, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";

panelTest("admin: a person takes a conversation over, and gives it back", async ({ stack, sql, signIn }) => {
  const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
  await says(stack, ada, "hello");
  await until("it is routed", async () => (await sql`select from public.routing_decisions`)[0]);
  const page = await signIn("operator");
  await go(page, "/messages", "Messages");
  await page.getByRole("button", { name: /4711/ }).click();
  await page.getByRole("button", { name: "Take over" }).click();
  await page.getByRole("menuitem", { name: "For 4 hours" }).click();
  await page.getByText(/^taken over by you, 3 h 5\d min left$|^taken over by you, 4 h left$/i).waitFor();
  await says(stack, ada, "are you there?");
  const decided = await until("it is decided", async () => {
    const rows = await sql`
      select d.reason, d.destination_ids from public.routing_decisions d join public.messages m on m.id = d.message_id
      where m.text = 'are you there?'`;
    return rows[0];
  });
  assertEquals([decided.reason, decided.destination_ids], ["taken_over", []]);
  await isWell(page);
  await page.getByText("Taken over", { exact: true }).first().click();
  await page.getByRole("button", { name: /4711/ }).waitFor();
  await page.getByText("Mine", { exact: true }).click();
  await page.getByText("No conversations assigned to you").waitFor();
  await isWell(page);
  await page.getByRole("button", { name: "Release" }).click();
  await page.getByRole("button", { name: "Take over" }).waitFor();

  // Somebody answers on the phone.
  await fetch(`${stack.url}/simulator/api/answer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ contact: ada, text: "I take over" }),
  });
  await until(
    "it is taken over",
    async () => (await sql`select from public.conversations where taken_by = 'app'`)[0],
  );
  await page.reload();
  await page.getByText(/^taken over in the WhatsApp app/i).waitFor();
});

panelTest(
  "admin: a conversation is assigned, noted, marked as unread and answered from a canned reply",
  async (
    { stack, sql, signIn },
  ) => {
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    await says(stack, ada, "hello");
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByRole("button", { name: "Assigned to nobody" }).click();
    await page.getByRole("menuitem", { name: "Assign to me" }).click();
    await page.getByRole("button", { name: "Assigned to you" }).waitFor();
    await page.getByRole("button", { name: "Mark as read" }).click();
    await page.getByRole("button", { name: "Mark as unread" }).waitFor();

    await page.getByRole("button", { name: "Add a note" }).first().click();
    await page.getByRole("textbox", { name: "Note" }).fill("Prefers calls");
    await page.getByRole("button", { name: "Add the note" }).click();
    await page.getByText("Prefers calls", { exact: true }).waitFor();
    await page.getByRole("button", { name: "1 note" }).waitFor();
    await isWell(page);
    await page.getByRole("button", { name: "1 note" }).click();

    await page.getByRole("button", { name: "Canned replies" }).click();
    await page.getByRole("menuitem", { name: "New canned reply" }).click();
    const form = page.getByRole("dialog", { name: "Canned reply" });
    await form.getByLabel("Name").fill("thanks");
    await form.getByLabel("Text").fill("Thank you, {{name}}.");
    await isWell(page);
    await form.getByRole("button", { name: "Save" }).click();
    await form.waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Canned replies" }).click();
    await page.getByRole("menuitem", { name: /^thanks/ }).click();
    assertEquals(await page.getByRole("textbox", { name: "Reply" }).inputValue(), "Thank you, Ada Lovelace.");
    await page.getByRole("button", { name: "Send" }).click();
    await page.getByText(/^taken over by you/i).waitFor();
    const [{ by }] = await sql`select taken_by as by from public.conversations`;
    assert(by !== "app");
  },
);

panelTest(
  "admin: a destination is added with its events, in Meta's form, and changed",
  async ({ sql, signIn }) => {
    const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
    await go(page, "/deliveries", "Deliveries");
    await page.getByRole("button", { name: "Add destination" }).click();
    const form = page.getByRole("dialog", { name: "Add destination" });
    await form.getByLabel("Name").fill("inbox");
    await form.getByLabel("URL").fill("http://127.0.0.1:9/webhook");
    await form.getByLabel("Events").fill("template.*");
    await page.getByRole("option", { name: "template.*" }).click();
    await form.getByLabel("Events").press("Tab");
    await form.getByLabel("Body format").selectOption("meta");
    await form.getByLabel(/marked/).check();
    await isWell(page);
    await form.getByRole("button", { name: "Add", exact: true }).click();
    await page.getByText(/where the tool asks for Meta's app secret/).waitFor();
    const shown = async () =>
      (await sql`select events, format, when_taken from public.destinations where name = 'inbox'`)[0];
    assertEquals({ ...await shown() }, {
      events: ["message.received", "template.*"],
      format: "meta",
      when_taken: "mark",
    });
    await page.getByRole("button", { name: "Done" }).click();
    await page.getByText(/Events: message\.received, template\.\*\. Gets Meta's own webhooks\./).waitFor();
    await page.getByRole("button", { name: "Change inbox" }).click();
    const change = page.getByRole("dialog", { name: "Change inbox" });
    await change.getByLabel("Body format").selectOption("gatelink");
    await change.getByRole("button", { name: "Save" }).click();
    await change.waitFor({ state: "detached" });
    assertEquals((await shown()).format, "gatelink");
  },
);
