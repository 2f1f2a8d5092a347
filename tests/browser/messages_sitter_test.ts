/** The pages at /messages/ as a sitter uses them: the manual acceptance of a rollout plan, walked in Chromium. */
import type { Page } from "playwright-core";
import { assert, assertEquals } from "../support/assert.ts";
import { CLIENT, messagesTest, ON, openThread, POACHING, POOL, said } from "../support/messages_page.ts";
import { faultsOf } from "../support/panel.ts";
import { until } from "../support/until.ts";

const PHONE = { viewport: { width: 360, height: 740 } };

/** Everything that the functions answered a page. */
function heard(page: Page): string[] {
  const bodies: string[] = [];
  page.on("response", async (response) => {
    if (!response.url().includes("/functions/v1/")) return;
    bodies.push(`${response.url()} ${await response.text().catch(() => "")}`);
  });
  return bodies;
}

messagesTest(
  "sitter: inside the window a text is delivered; contact details are answered with a friendly word before they are sent",
  async ({ set, open, assign, text, sent }) => {
    await set(ON);
    await assign(-1);
    await text(CLIENT, POOL, "Is Bello fine?");
    const page = await open("sitter", PHONE);
    const bodies = heard(page);
    await page.getByRole("heading", { name: "Conversations", level: 1 }).waitFor();
    await page.reload();
    await openThread(page);
    // Conversations are all that there is.
    assertEquals(await page.getByRole("navigation").count(), 0);
    for (const name of ["Inbox", "Review", "People"]) {
      assertEquals(await page.getByText(name).count(), 0, name);
    }
    await said(page, "Is Bello fine?").waitFor();
    await page.getByText(/^Open until /).waitFor();
    assertEquals(await faultsOf(page), []);

    const field = page.getByLabel("Your text"),
      send = page.getByRole("button", { name: "Send", exact: true });
    await field.fill("He is asleep in the sun.");
    await send.click();
    await said(page, "He is asleep in the sun.").waitFor();
    await page.getByRole("log").getByText("delivered").nth(1).waitFor();
    const toClient = async () => (await sent()).filter(({ to }) => to === CLIENT).map(({ body }) => body);
    await until("the client has it", async () => (await toClient()).includes("He is asleep in the sun."));

    await field.fill(POACHING);
    await send.click();
    await page.getByText("This would not be delivered").waitFor();
    await page.getByText("a phone number and an invitation to arrange things elsewhere").waitFor();
    assertEquals(await faultsOf(page), []);
    await page.getByRole("button", { name: "Change it" }).click();
    assertEquals(await field.inputValue(), POACHING);
    await send.click();
    await page.getByRole("button", { name: "Send to the office" }).click();
    await page.getByText("The office has it. It is sent when the office lets it pass.").waitFor();
    await page.getByRole("log").getByText(/^held for the office/).waitFor();
    assertEquals((await toClient()).includes(POACHING), false);

    const told = bodies.join("\n");
    assert(told.includes("Is Bello fine?"), "nothing was heard");
    for (const secret of [CLIENT.slice(1), CLIENT.slice(-4), "price", "billing", "/inbox", "/findings"]) {
      assert(!told.includes(secret), `${secret} in ${told}`);
    }
  },
);

messagesTest(
  "sitter: outside of the window the composer is shut and names the next one; other people's threads are not there",
  async ({ set, open, assign, sent }) => {
    await set(ON);
    await assign(30);
    const page = await open("sitter", { ...PHONE, colorScheme: "dark" });
    await openThread(page);
    await page.getByText(
      /You can write to Ada Lovelace around your visits. The next time begins .+ GMT\+[12]\.$/,
    ).waitFor();
    assertEquals(await page.getByLabel("Your text").isDisabled(), true);
    assertEquals(await page.getByRole("button", { name: "Send", exact: true }).isDisabled(), true);
    assertEquals(await faultsOf(page), []);
    const other = await open("colleague");
    await other.getByText("No conversations").waitFor();
    await other.goto(page.url());
    await other.getByText("This conversation is not there any more.").waitFor();
    assertEquals(await sent(), []);
  },
);

messagesTest(
  "sitter: with sitters' messaging off the page is not there, while the owner goes on",
  async ({ set, open, assign }) => {
    await set({ ...ON, "sitter_messages_v1.enabled": "false" });
    await assign(-1);
    const page = await open("sitter");
    await page.getByRole("heading", { name: "Page not found", level: 1 }).waitFor();
    assertEquals(await page.getByText("Moss Pet Care").count(), 0);
    const owner = await open("owner");
    await openThread(owner);
    await set({ "sitter_messages_v1.enabled": "true" });
    await page.getByRole("heading", { name: "Conversations", level: 1 }).waitFor();
    await openThread(page);
    await set({ "sitter_messages_v1.enabled": "false" });
    await page.getByRole("heading", { name: "Page not found", level: 1 }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  },
);
