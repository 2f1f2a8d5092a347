/** Messages in the panel: who sees what, why a message went where, a reply that arrives, a contact seen on record. */
import { assert, assertEquals } from "../support/assert.ts";
import { configSeen } from "../support/config_seen.ts";
import { until } from "../support/until.ts";
import { go, inTime, panelTest } from "../support/panel.ts";
import { isWell, says, somebody } from "../support/people.ts";
import { addDestination, addRoute, startService } from "../support/service.ts";

panelTest(
  "admin: a reply within the window is sent, and its story is shown",
  async ({ stack, sql, signIn }) => {
    const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
    const wamid = await says(stack, ada, "Where is my parcel?");
    const page = await signIn("operator", { viewport: { width: 390, height: 844 }, clock: true });
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4711/ }).click();
    await page.getByText("Where is my parcel?", { exact: true }).waitFor();
    await page.getByText(/^The window closes in 23 h/).waitFor();
    await page.getByRole("textbox", { name: "Reply" }).fill("On our way!");
    await page.getByRole("button", { name: "Send" }).click();
    const list = page.getByRole("group", { name: "Conversation" });
    await list.getByText("On our way!", { exact: true }).waitFor();
    await until("Ada got it", async () => {
      const response = await fetch(`${stack.url}/simulator/outbox`);
      const { messages } = await response.json();
      return messages.some(({ payload }: { payload: { text?: { body: string } } }) =>
        payload.text?.body === "On our way!"
      );
    });

    await page.getByRole("button", { name: "Details of Where is my parcel?" }).click();
    const story = page.getByRole("dialog", { name: "Message history" });
    await story.getByText("everything else to the demo service").first().waitFor();
    await story.getByText("Attempt 1: delivered").waitFor();
    assertEquals((await page.content()).includes("wamid."), false);
    await story.getByRole("button", { name: "Show", exact: true }).click();
    const provider = page.getByRole("dialog", { name: "Show the provider's id?" });
    await provider.getByLabel("Reason").fill("A question to Meta");
    await provider.getByRole("button", { name: "Show", exact: true }).click();
    await story.getByText(wamid, { exact: true }).waitFor();
    await isWell(page);
    await story.getByRole("button", { name: "Close" }).click();

    await page.getByRole("button", { name: "Reveal" }).click();
    const question = page.getByRole("dialog", { name: "Show this contact's number and name?" });
    await question.getByLabel("Reason").fill("She asked for a call");
    await question.getByRole("button", { name: "Show", exact: true }).click();
    await page.getByText("+4915100004711").waitFor();
    await page.getByText("Ada Lovelace", { exact: true }).waitFor();
    const acts = await sql`select act, reason from public.contact_acts order by at`;
    assertEquals(acts.map(({ act, reason }) => [act, reason]), [
      ["replied", null],
      ["revealed", "A question to Meta"],
      ["revealed", "She asked for a call"],
    ]);

    // The window closes: it says so, and there is nothing to type into.
    await page.getByRole("button", { name: "Hide", exact: true }).click();
    await page.getByText(/^Viewed by you, .+: She asked for a call$/).waitFor();
    await sql`update public.conversations set last_inbound_at = now() - interval '25 hours'`;
    await inTime(page.getByText("The 24-hour window is closed"));
    assertEquals(await page.getByRole("textbox", { name: "Reply" }).count(), 0);
  },
);

panelTest(
  "admin: a viewer finds a conversation but cannot read its texts",
  async ({ stack, sql, signIn }) => {
    const bob = await somebody(stack, "Bob Stone", "4915100000815");
    const wamid = await says(stack, bob, "My password is swordfish");
    await until("it is routed", async () => (await sql`select from public.routing_decisions`)[0]);
    const page = await signIn("viewer");
    // A whole number is looked for by its end, and does not get into the address.
    await go(page, "/messages", "Messages");
    await page.getByRole("searchbox", { name: "Search conversations" }).fill("+49 151 00000815");
    await page.getByRole("button", { name: /0815/ }).waitFor();
    await until("the address", () => page.url().endsWith("q=0815"));
    await page.getByRole("searchbox", { name: "Search conversations" }).fill("nobody");
    await page.getByText("No matches").waitFor();
    await page.getByRole("searchbox", { name: "Search conversations" }).fill(wamid);
    await page.getByRole("button", { name: /0815.*message/ }).click();
    await page.getByRole("dialog").getByText("Only operators can see the text.").waitFor();
    await page.getByRole("dialog").getByText("Attempt 1: delivered").waitFor();
    assertEquals(
      await page.getByRole("dialog").getByRole("button", { name: "Show", exact: true }).count(),
      0,
    );
    await page.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    await page.getByText("Text, text hidden").first().waitFor();
    assertEquals((await page.content()).includes("swordfish"), false);
    assertEquals(await page.getByRole("button", { name: "Reveal" }).count(), 0);
    assertEquals(await page.getByRole("textbox", { name: "Reply" }).count(), 0);
  },
);

panelTest("admin: of 10,000 messages only the visible ones are rendered", async ({ stack, sql, signIn }) => {
  const ada = await somebody(stack, "Ada Lovelace", "4915100004711");
  await says(stack, ada, "the latest");
  const [{ id }] = await until("it came", async () => {
    const rows = await sql`select id from public.conversations`;
    return rows.length > 0 ? rows : undefined;
  });
  // Before the one that came.
  await sql`
    insert into public.messages (id, seq, conversation_id, direction, type, text, status, created_at) overriding system value
    select gen_random_uuid(), -n, ${id}, 'in', 'text', 'message ' || n, 'received', now() - interval '1 s' * n
    from generate_series(1, 10000) n`;
  const page = await signIn("operator", { clock: true });
  await go(page, `/messages?conversation=${id}`, "Messages");
  const list = page.getByRole("group", { name: "Conversation" });
  /** What of these words is within the list's window. */
  const isSeen = (words: string) =>
    list.evaluate((node, words) => {
      const window = node.getBoundingClientRect();
      return [...node.querySelectorAll("p")].some((one) => {
        const { top, bottom } = one.getBoundingClientRect();
        return one.textContent === words && bottom > window.top && top < window.bottom;
      });
    }, words);
  const seen = (words: string) => until(`${words} is seen`, async () => await isSeen(words));
  // The newest at the bottom, as in a chat, and that is where one begins.
  await seen("the latest");
  await seen("message 1");
  for (let reached = 0; reached < 2000;) {
    await list.evaluate((node) => node.scrollTop = 0);
    reached = await until("older ones are drawn", async () => {
      const shown = await list.getByText(/^message \d+$/).allTextContents();
      assert(shown.length < 100, `${shown.length} rows are drawn`);
      const oldest = Math.max(...shown.map((text) => Number(text.slice(8))), 0);
      return oldest > reached ? oldest : undefined;
    });
  }
  // Whoever reads old ones is not carried off by what comes: above or below.
  await list.evaluate((node) => node.scrollTop = node.scrollHeight / 2);
  const here = await until("a place to stay", () =>
    list.evaluate((node) => {
      const { top, height } = node.getBoundingClientRect();
      return [...node.querySelectorAll("p")].map((one) => ({
        words: one.textContent ?? "",
        at: one.getBoundingClientRect().top,
      })).find(({ words, at }) => /^message \d+$/.test(words) && at > top + height / 3)?.words;
    }));
  await seen(here);
  await says(stack, ada, "one more");
  await inTime(page.getByRole("button", { name: /4711/ }).getByText("one more"));
  assertEquals([await isSeen(here), await isSeen("one more")], [true, false]);
  await page.getByRole("button", { name: "Newest" }).click();
  await seen("one more");
  // And from the bottom what comes is followed.
  await says(stack, ada, "and another one");
  await inTime(list.getByText("and another one", { exact: true }));
  await seen("and another one");
});

panelTest(
  "admin: an operator sees a photo, hears a voice message and saves a document; a viewer does not",
  async ({ stack, sql, signIn }) => {
    await using service = startService();
    await addDestination(sql, "files", service);
    await addRoute(sql, ["files"], { type: "any" }, { priority: 1 });
    await configSeen(stack, sql);
    const ada = await somebody(stack, "Ada Lovelace", "4915100004712");
    const added = await fetch(`${stack.url}/simulator/api/media?type=audio/ogg&name=voice.ogg`, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: new Uint8Array([79, 103, 103, 83]),
    });
    const { id: voice } = await added.json();
    await says(stack, ada, { type: "image", image: { id: "900000000000001", caption: "The harbour" } });
    await says(stack, ada, { type: "audio", audio: { id: voice, voice: true } });
    await says(stack, ada, {
      type: "document",
      document: { id: "900000000000002", filename: "receipt.pdf" },
    });
    await until(
      "they are stored",
      async () =>
        (await sql`select from public.messages where type in ('image', 'audio', 'document')`).length === 3,
    );
    const page = await signIn("operator", { viewport: { width: 390, height: 844 } });
    await go(page, "/messages", "Messages");
    await page.getByRole("button", { name: /4712/ }).click();
    const list = page.getByRole("group", { name: "Conversation" });
    await list.getByText("The harbour").waitFor();
    await list.getByRole("button", { name: "Show photo" }).click();
    const photo = list.getByRole("img", { name: "Photo of the message" });
    await photo.waitFor();
    await until(
      "the photo is drawn",
      () => photo.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth > 0),
    );
    // The service has fetched the same picture, with the address in its event and no key.
    const { event } = await until(
      "the service is told",
      () => service.received.find(({ event }) => event.data.message.type === "image"),
    );
    const fetched = await fetch(event.data.media.url);
    assertEquals(fetched.headers.get("content-type"), "image/jpeg");
    const sample = await Deno.readFile(
      new URL("../../local/simulator/samples/harbour.jpg", import.meta.url),
    );
    assertEquals(new Uint8Array(await fetched.arrayBuffer()), sample);
    await list.getByRole("button", { name: "Play voice message" }).click();
    await list.getByLabel("Voice message").waitFor();
    const saved = page.waitForEvent("download");
    await list.getByRole("button", { name: "Download document" }).click();
    assertEquals((await saved).suggestedFilename(), "receipt.pdf");
    await isWell(page);

    // Meta has it no more: it says so.
    await fetch(`${stack.url}/simulator/api/media/expire`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ id: "900000000000002" }),
    });
    await list.getByRole("button", { name: "Download document" }).click();
    await page.getByText(/Meta has no file under this id/).waitFor();

    const viewer = await signIn("viewer");
    await go(viewer, "/messages", "Messages");
    await viewer.getByRole("button", { name: /4712/ }).click();
    await viewer.getByText(/text hidden/).first().waitFor();
    assertEquals(await viewer.getByRole("button", { name: "Show photo" }).count(), 0);
  },
);
