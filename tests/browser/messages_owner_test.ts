/** The pages at /messages/ as an owner uses them: the manual acceptance of a rollout plan, walked in Chromium. */
import { assertEquals } from "../support/assert.ts";
import {
  CLIENT,
  DESK,
  messagesTest,
  ON,
  openThread,
  POACHING,
  POOL,
  said,
  SITTER,
  STRANGER,
} from "../support/messages_page.ts";
import { answer, faultsOf, fillSignIn } from "../support/panel.ts";
import { until } from "../support/until.ts";

const PHONE = { viewport: { width: 360, height: 740 } };
const notFound = { name: "Page not found", level: 1 } as const;
const conversations = { name: "Conversations", level: 1 } as const;

messagesTest(
  "messages: while off there is nothing at the address; on, its people sign in; off again, an open page is gone",
  async ({ url, set, open, password, stack }) => {
    const status = async (path = "") => {
      const response = await fetch(`${url}${path}`, { redirect: "manual" });
      await response.body?.cancel();
      return response.status;
    };
    assertEquals([await status(), await status("x")], [404, 404]);
    await set(ON);
    assertEquals([await status(), await status("x")], [200, 404]);
    const page = await open();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assertEquals(await faultsOf(page), []);
    await fillSignIn(page, "owner@moss.example", "wrong");
    await page.getByText("The email or password is wrong.").waitFor();
    await fillSignIn(page, "owner@moss.example", password);
    await page.getByRole("heading", conversations).waitFor();
    await page.getByText("Moss Pet Care").waitFor();
    // Somebody of the team is no member of an organisation.
    const team = await open();
    await fillSignIn(team, stack.stack.admin.email, password);
    await team.getByRole("heading", notFound).waitFor();
    await set({ "messaging_v1.enabled": "false" });
    await page.getByRole("heading", notFound).waitFor();
    assertEquals([await status(), await page.title()], [404, "Page not found"]);
    assertEquals(await faultsOf(page), []);
  },
);

messagesTest(
  "messages: a failure before anything has answered does not say what is here",
  async ({ set, open }) => {
    await set(ON);
    const page = await open();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    const me = "**/functions/v1/messages/me*";
    await page.route(me, (route) => route.fulfill({ status: 503, body: "" }));
    await page.reload();
    await page.getByRole("alert").waitFor();
    assertEquals([await page.getByText("Messages").count(), await page.title()], [0, "…"]);
    await page.unroute(me);
    await page.getByRole("button", { name: "Retry" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    // Nor where the page itself cannot begin.
    await page.route("**/config.json*", (route) => route.fulfill({ status: 503, body: "" }));
    await page.reload();
    await page.getByRole("alert").waitFor();
    assertEquals([await page.getByText("Messages").count(), await page.title()], [0, "…"]);
  },
);

messagesTest(
  "owner: a sitter is assigned to a weekly booking, the thread appears by itself with its window, and texts go both ways",
  async ({ set, open, assign, text, sent }) => {
    await set({ ...ON, "proactive_thread_creation.enabled": "true" });
    const page = await open("owner");
    await page.getByText("No conversations").waitFor();
    await assign(-1);
    await openThread(page);
    await page.getByRole("status").getByText(/^Open until .+ GMT\+[12]\.$/).waitFor();
    await page.getByRole("button", { name: "People" }).click();
    await page.getByText("Sam Field (…0144)").waitFor();
    await page.getByText(`${POOL}, masked number`).waitFor();

    const field = page.getByLabel("Your text");
    await field.fill("Your sitter is on the way.");
    await page.getByText("1 segment, 134 left").waitFor();
    // What is typed stays.
    await page.reload();
    await page.getByRole("heading", { name: "Ada Lovelace", level: 2 }).waitFor();
    assertEquals(await field.inputValue(), "Your sitter is on the way.");
    await page.getByRole("button", { name: "Send" }).click();
    await said(page, "Your sitter is on the way.").waitFor();
    await page.getByRole("log").getByText("delivered").waitFor();
    assertEquals(await field.inputValue(), "");
    assertEquals((await sent()).map(({ from, to, body }) => [from, to, body]), [
      [POOL, CLIENT, "Your sitter is on the way."],
    ]);
    await text(CLIENT, POOL, "Thank you!");
    await said(page, "Thank you!").waitFor();
    const relayed = await until(
      "the sitter's phone has it",
      async () => (await sent()).find(({ to }) => to === SITTER),
    );
    assertEquals([relayed.from, relayed.body], [POOL, "Thank you!"]);
    assertEquals(await faultsOf(page), []);
    await page.setViewportSize(PHONE.viewport);
    assertEquals(await faultsOf(page), []);
    await page.getByRole("link", { name: "Back to the conversations" }).click();
    await page.getByRole("link", { name: /Ada Lovelace/ }).waitFor();
    assertEquals(await faultsOf(page), []);
    await page.getByLabel("Search by name or last digits").fill("nobody");
    await page.getByText("No conversation matches.").waitFor();
  },
);

messagesTest(
  "owner: the inbox with what came while off, a held text let pass with a reason, and findings reviewed",
  async ({ sql, set, open, assign, text, sent }) => {
    await set(ON);
    await assign(-1);
    await set({ "messaging_v1.enabled": "false" });
    await text(STRANGER, DESK, "Do you walk cats?");
    const kept = () => sql`select from public.thread_decisions where reason = 'off'`;
    await until("it is kept", async () => (await kept()).length === 1);
    await set({ "messaging_v1.enabled": "true" });
    const page = await open("owner", { ...PHONE, colorScheme: "dark" });
    await text(STRANGER, DESK, "Hello?");
    await text(SITTER, POOL, POACHING);
    await page.getByRole("link", { name: "Inbox 3 waiting" }).click();
    const item = (words: string) => page.getByRole("listitem").filter({ hasText: words });
    await item("Do you walk cats?").getByText("came while off").waitFor();
    await item("Hello?").getByText("to the front desk").waitFor();
    assertEquals(await faultsOf(page), []);
    for (const words of ["Do you walk cats?", "Hello?"]) {
      await item(words).getByRole("button", { name: "Done" }).click();
      await item(words).waitFor({ state: "detached" });
    }
    const held = item(POACHING).first();
    await held.getByText("held: a phone number and an invitation to arrange things elsewhere").waitFor();
    const before = (await sent()).length;
    await held.getByRole("button", { name: "Let it pass" }).click();
    assertEquals(await faultsOf(page), []);
    await answer(page, "Let it pass", "It is the vet's number");
    await page.getByText("Nothing waits for you").waitFor();
    await until(
      "the client has it",
      async () => (await sent()).slice(before).some(({ to, body }) => to === CLIENT && body === POACHING),
    );

    await page.getByRole("link", { name: "Review" }).click();
    await page.getByRole("status").getByText("2 to review.").waitFor();
    assertEquals(await faultsOf(page), []);
    await page.getByRole("button", { name: "False alarm: a phone number" }).click();
    await page.getByText("1 to review; of 1 reviewed, 1 was a false alarm (100 %).").waitFor();
    await page.getByRole("button", { name: "Right: an invitation to arrange things elsewhere" }).click();
    await page.getByText("Nothing to review").waitFor();
    await page.getByText("Reviewed", { exact: true }).click();
    await page.getByRole("button", { name: "False alarm: a phone number", pressed: true }).waitFor();
    await page.getByText("0 to review; of 2 reviewed, 1 was a false alarm (50 %).").waitFor();
    await page.getByRole("link", { name: "Conversations" }).click();
    await openThread(page);
    await page.getByRole("log").getByText("let pass: It is the vet's number").waitFor();
    assertEquals(await faultsOf(page), []);
  },
);
