/** The simulator's page in Chromium: as a person sees it, with the keyboard, with axe-core. */
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Browser, Page } from "playwright-core";
import type { Json } from "../../local/simulator/model.ts";
import { createSimulator, type Simulator } from "../../local/simulator/mod.ts";
import { callGraph, itemsOf, OPTIONS } from "../../local/simulator/testing.ts";
import { browserTest, PATIENCE_MS } from "../support/chromium.ts";
import { fileStack } from "../support/file_stack.ts";
import { seriousFaults, watch } from "../support/page.ts";
import { until } from "../support/until.ts";

/** The page of a simulator of its own. The test is the business: it decides what the webhook answers. */
interface Scene {
  simulator: Simulator;
  page: Page;
  url: string;
  /** What the webhook got, oldest first. */
  updates: Json[];
  /** What the webhook answers from now on. */
  answerWith(status: number): void;
  /** Sends to the first person. */
  send(body: Json): Promise<string>;
}

async function withPage(browser: Browser, test: (scene: Scene) => Promise<void>): Promise<void> {
  const updates: Json[] = [];
  let status = 200;
  const webhook: typeof fetch = (_url, init) => {
    if (status === 200) updates.push(...itemsOf(JSON.parse(String(init?.body))).map(({ item }) => item));
    return Promise.resolve(new Response(null, { status }));
  };
  const simulator = createSimulator({
    ...OPTIONS,
    ...{
      fetch: webhook,
      retry: { firstMs: 50, maxMs: 50 },
      settings: { statusDelayMs: 20, enforceWindow: false },
    },
  });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, simulator.fetch);
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const url = `${origin}/simulator/`;
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, origin);
    await page.goto(url);
    await page.getByRole("button", { name: /^Amina Diallo/ }).waitFor();
    const send = async (body: Json) => {
      const response = await callGraph(simulator.meta, { to: simulator.meta.contacts[0].phone, ...body });
      return (await response.json()).messages[0].id;
    };
    await test({ simulator, page, url, updates, answerWith: (next) => status = next, send });
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  } finally {
    simulator.stop();
    await server.shutdown();
  }
}

/** The bubble whose text this is. */
const bubble = (page: Page, text: string) => page.locator("#messages li", { hasText: text }).last();
/** Waits for a bubble with the text and the ticks: what was said and an answer that repeats it differ in these. */
const ticks = (page: Page, text: string, label: string) =>
  page.locator("#messages li", { hasText: text }).filter({ has: page.getByRole("img", { name: label }) })
    .last().waitFor();

async function say(page: Page, text: string): Promise<void> {
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.keyboard.press("Enter");
}

const menu = {
  type: "interactive",
  interactive: {
    type: "button",
    body: { text: "What would you like?" },
    action: { buttons: [{ type: "reply", reply: { id: "order-1", title: "Order bread" } }] },
  },
};

const list = {
  type: "interactive",
  interactive: {
    type: "list",
    header: { type: "text", text: "Bread" },
    body: { text: "Which one?" },
    action: {
      button: "Show all",
      sections: [{
        title: "Loaves",
        rows: [{ id: "rye", title: "Rye", description: "1 kg" }, { id: "oat", title: "Oat" }],
      }],
    },
  },
};

const everything: Json[] = [
  { type: "text", text: { body: "*Bold*, _soft_, `code` and https://example.com" } },
  menu,
  list,
  { type: "image", image: { id: "900000000000001", caption: "The harbour" } },
  { type: "sticker", sticker: { id: "900000000000003" } },
  { type: "document", document: { id: "900000000000002", filename: "receipt.pdf" } },
  { type: "audio", audio: { id: "42" } },
  {
    type: "location",
    location: { latitude: 51.5, longitude: -0.12, name: "The bakery", address: "1 Thames Path" },
  },
  {
    type: "contacts",
    contacts: [{ name: { formatted_name: "Front desk" }, phones: [{ phone: "+44 20 7946 0999" }] }],
  },
  {
    type: "template",
    template: {
      name: "order_update",
      language: { code: "en_US" },
      components: [
        { type: "body", parameters: [{ type: "text", text: "Amina" }] },
        {
          type: "button",
          sub_type: "quick_reply",
          index: "0",
          parameters: [{ type: "payload", payload: "TRACK" }],
        },
      ],
    },
  },
  {
    type: "interactive",
    interactive: {
      type: "cta_url",
      body: { text: "On its way" },
      action: { name: "cta_url", parameters: { display_text: "Track it", url: "https://example.com/t" } },
    },
  },
];

browserTest(
  "simulator page: ticks show sent, delivered and read, for a text and for its answer",
  async (browser) => {
    await withPage(browser, async ({ page, simulator, answerWith, send }) => {
      answerWith(503);
      await say(page, "Is anybody there?");
      await ticks(page, "Is anybody there?", "Sent to Meta");
      await page.locator("#posts summary", { hasText: "503" }).waitFor();
      answerWith(200);
      await ticks(page, "Is anybody there?", "Delivered to the webhook");
      const message_id = simulator.meta.messages[0].wamid;
      await callGraph(simulator.meta, { status: "read", message_id, typing_indicator: { type: "text" } });
      await ticks(page, "Is anybody there?", "Read");
      await page.locator("#messages .typing").waitFor();
      await send({ type: "text", text: { body: "We are!" } });
      await ticks(page, "We are!", "Read");
      assertEquals(await page.locator("#messages .typing").count(), 0);
      assertMatch(await page.locator("#posts").innerText(), /text from Amina Diallo · \d+ attempts/);
    });
  },
);

browserTest(
  "simulator page: buttons, lists, media, places, reactions and replies reach the webhook",
  async (browser) => {
    await withPage(browser, async ({ page, updates, send, simulator }) => {
      const asked = await send(menu);
      await page.getByRole("button", { name: "Order bread" }).click();
      await bubble(page, "Order bread").waitFor();
      const offered = await send(list);
      await page.getByRole("button", { name: "Show all" }).click();
      await page.getByRole("radio", { name: /Rye/ }).check();
      await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
      for (const name of ["Photo", "Document", "Sticker", "Location", "Contact card", "Write from an ad"]) {
        await page.getByRole("button", { name: "Attach" }).click();
        await page.getByRole("button", { name, exact: true }).click();
      }
      await page.getByRole("button", { name: "React or reply to: Which one?" }).click();
      await page.getByRole("button", { name: "React 👍" }).click();
      await page.getByRole("img", { name: "This person reacted 👍" }).waitFor();
      await page.getByRole("button", { name: "React or reply to: Which one?" }).click();
      await page.getByRole("button", { name: "Reply", exact: true }).click();
      await say(page, "That one");
      await ticks(page, "That one", "Delivered to the webhook");
      await simulator.meta.settled();

      const messages = updates.filter(({ status }) => !status);
      const context = (id: string) => ({ from: OPTIONS.displayNumber, id });
      const [button, row, photo, document, sticker, place, card, ad, reaction, reply] = messages as Record<
        string,
        Json
      >[];
      assertEquals(button.context, context(asked));
      assertEquals(button.interactive, {
        type: "button_reply",
        button_reply: { id: "order-1", title: "Order bread" },
      });
      assertEquals(row.context, context(offered));
      assertEquals(row.interactive, {
        type: "list_reply",
        list_reply: { id: "rye", title: "Rye", description: "1 kg" },
      });
      assertEquals([photo.image.mime_type, document.document.filename], ["image/jpeg", "receipt.pdf"]);
      assertEquals(sticker.sticker.mime_type, "image/webp");
      assertEquals(typeof place.location.latitude, "number");
      assertEquals(Array.isArray(card.contacts), true);
      assertMatch(String(ad.referral.ctwa_clid), /^ARA\w{32}$/);
      assertEquals(reaction.reaction, { message_id: offered, emoji: "👍" });
      assertEquals([reply.context, reply.text], [context(offered), { body: "That one" }]);
    });
  },
);

browserTest(
  "simulator page: files, an album, a voice message and a video reach the webhook and are shown",
  async (browser) => {
    await withPage(browser, async ({ page, updates, send, simulator }) => {
      const [harbour] = simulator.meta.media.get("900000000000001") ? ["900000000000001"] : [];
      const bytes = Buffer.from(
        await new Response(await simulator.meta.media.get(harbour!)!.open()).arrayBuffer(),
      );
      await page.locator("#files").setInputFiles([
        { name: "one.jpg", mimeType: "image/jpeg", buffer: bytes },
        { name: "two.jpg", mimeType: "image/jpeg", buffer: bytes },
        { name: "plan.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.4") },
      ]);
      await until("they arrived", () => updates.filter(({ status }) => !status).length === 3);
      await page.getByRole("button", { name: "Attach" }).click();
      await page.getByRole("button", { name: "Voice message" }).click();
      await until("it arrived", () => updates.filter(({ status }) => !status).length === 4);
      await page.getByRole("button", { name: "Attach" }).click();
      await page.getByRole("button", { name: "Video", exact: true }).click();
      await until("it arrived", () => updates.filter(({ status }) => !status).length === 5);
      await simulator.meta.settled();
      const messages = updates.filter(({ status }) => !status) as Record<string, Json>[];
      assertEquals(
        messages.map(({ type }) => type),
        ["image", "image", "document", "audio", "video"] as unknown as Json[],
      );
      assertEquals([messages[2].document.filename, messages[3].audio.voice], ["plan.pdf", true]);
      assertEquals(
        [messages[3].audio.mime_type, messages[4].video.mime_type],
        ["audio/ogg; codecs=opus", "video/mp4"],
      );
      // What is sent is what its type says: players and transcribers open it.
      const begins = async (id: unknown, length: number) =>
        new Uint8Array(
          await new Response(await simulator.meta.media.get(String(id))!.open()).arrayBuffer(),
        ).subarray(0, length);
      const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
      assertEquals(text(await begins(messages[3].audio.id, 4)), "OggS");
      assertEquals(text((await begins(messages[4].video.id, 8)).subarray(4)), "ftyp");
      await page.getByRole("img", { name: "Photo" }).nth(1).waitFor();
      await page.getByLabel("Voice message").last().waitFor();
      await page.getByRole("link", { name: "plan.pdf" }).waitFor();
      // What the business uploaded is shown, too.
      const id = await simulator.meta.media.keep(new Uint8Array(bytes), "image/jpeg", "menu.jpg");
      await send({ type: "image", image: { id, caption: "Our menu" } });
      await page.getByRole("img", { name: "Our menu" }).waitFor();
    });
  },
);

browserTest("simulator page: people's texts are shown as text, never as markup", async (browser) => {
  await withPage(browser, async ({ page, send, simulator }) => {
    const nasty = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    await say(page, nasty);
    await send({ type: "text", text: { body: nasty } });
    await send({
      type: "interactive",
      interactive: { ...list.interactive, header: { type: "text", text: nasty.slice(0, 60) } },
    });
    simulator.meta.addContact({ name: nasty, phone: "447700900777" });
    await bubble(page, "Which one?").waitFor();
    assertEquals(await page.locator("#messages img, #people img, #messages script").count(), 0);
    assertEquals(await page.title(), "Gatelink simulator");
  });
});

browserTest(
  "simulator page: the keyboard alone suffices to add a person, write and provoke errors",
  async (browser) => {
    await withPage(browser, async ({ page, simulator }) => {
      const focused = () => page.evaluate<string>("document.activeElement.id");
      const tabTo = async (id: string) => {
        for (let n = 0; n < 60; n++) {
          if (await focused() === id) return;
          await page.keyboard.press("Tab");
        }
        throw new Error(`Tab does not reach ${id}`);
      };
      await tabTo("new-person");
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name: "New person" }).waitFor();
      await page.keyboard.type("Noor");
      await page.keyboard.press("Tab");
      await page.keyboard.type("123");
      await page.keyboard.press("Enter");
      await page.getByRole("alert").filter({ hasText: "7 to 15 digits" }).waitFor();
      await page.keyboard.press("Control+A");
      await page.keyboard.type("+31 6 1234 5678");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "Noor’s phone" }).waitFor();
      assertEquals(await focused(), "text");
      await page.keyboard.type("Hello");
      await page.keyboard.press("Shift+Enter");
      await page.keyboard.type("from two lines");
      await page.keyboard.press("Enter");
      await ticks(page, "from two lines", "Delivered to the webhook");
      const { contact, message } = simulator.meta.messages[0];
      assertEquals(simulator.meta.contacts.find(({ id }) => id === contact)?.phone, "31612345678");
      assertEquals(message.text, { body: "Hello\nfrom two lines" });

      await tabTo("tab-posts");
      await page.keyboard.press("ArrowLeft");
      assertEquals(await focused(), "tab-trouble");
      await tabTo("storm");
      await page.keyboard.press("Enter");
      await page.getByText("Batches, duplicates, reordering and delays are on.").waitFor();
      assertEquals(simulator.meta.settings.batch, 50);
    });
  },
);

browserTest(
  "simulator page: a failed send is marked in the chat and in the list of calls",
  async (browser) => {
    await withPage(browser, async ({ page, send, simulator }) => {
      await page.getByRole("tab", { name: /Faults/ }).click();
      await page.getByLabel("Error for failing sends").selectOption("131026");
      await page.getByLabel("Next sends that fail").fill("1");
      await page.keyboard.press("Tab");
      await page.getByRole("tab", { name: /Faults on/ }).waitFor();
      await send({ type: "text", text: { body: "Lost in the post" } });
      await ticks(page, "Lost in the post", "Failed: 131026 Message undeliverable");
      simulator.meta.configure({ fault: "131056", faultNext: 1 });
      await callGraph(simulator.meta, {
        to: simulator.meta.contacts[0].phone,
        type: "text",
        text: { body: "no" },
      });
      await page.getByRole("tab", { name: "Graph API" }).click();
      await page.locator("#calls .row", { hasText: "131056" }).waitFor();
    });
  },
);

browserTest("simulator page: a reload and a second tab show the same state", async (browser) => {
  await withPage(browser, async ({ page, url, send }) => {
    await say(page, "Remember me");
    await send({ type: "text", text: { body: "We do" } });
    await ticks(page, "We do", "Read");
    await page.reload();
    await ticks(page, "We do", "Read");
    const other = await browser.newPage();
    await other.goto(url);
    await ticks(other, "Remember me", "Delivered to the webhook");
    await say(other, "From the other tab");
    await ticks(page, "From the other tab", "Delivered to the webhook");
    await other.close();
  });
});

browserTest(
  "simulator page: says when the stack does not answer, and recovers when it does",
  async (browser) => {
    await withPage(browser, async ({ page, simulator }) => {
      await page.getByText("Connected", { exact: true }).waitFor();
      await page.route("**/api/events", (route) => route.fulfill({ status: 503 }));
      await page.reload();
      await page.getByText("The stack is not responding").waitFor();
      await page.unroute("**/api/events");
      await page.getByText("Connected", { exact: true }).waitFor();
      simulator.meta.userSends(simulator.meta.contacts[0], "Still here");
      await ticks(page, "Still here", "Delivered to the webhook");
    });
  },
);

fileStack()(
  "simulator page on the stack: what people say comes back from the demo service",
  async ({ browser, stack }) => {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, stack.url);
    await page.goto(`${stack.url}/simulator/`);
    await page.getByRole("button", { name: "Test handshake" }).click();
    await page.getByText("Handshake succeeded.").waitFor();

    await say(page, "Good morning");
    await ticks(page, "Good morning", "Delivered to the webhook");
    await ticks(page, "You said: Good morning", "Read");
    await say(page, "menu");
    await page.getByRole("button", { name: "Opening hours" }).click();
    await ticks(page, "You chose: Opening hours", "Read");
    await say(page, "list");
    await page.getByRole("button", { name: "Show the bread" }).click();
    await page.getByRole("radio", { name: /Brioche/ }).check();
    await page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
    await ticks(page, "You chose: Brioche", "Read");
    await page.getByRole("button", { name: "Attach" }).click();
    await page.getByRole("button", { name: "Photo" }).click();
    await ticks(page, "Nice picture!", "Read");

    // Whoever hides the number is answered just the same.
    await page.getByRole("button", { name: /^Yuki/ }).click();
    await say(page, "hello");
    await ticks(page, "Hello Yuki!", "Read");

    const outbox = await (await fetch(`${stack.url}/simulator/outbox`)).json();
    assertEquals(outbox.messages.map(({ type }: { type: string }) => type), [
      ...["text", "interactive", "text", "interactive", "text", "text", "text"],
    ]);
    assertEquals(errors, []);
    assertEquals(foreign, []);
  },
);

for (const colorScheme of ["light", "dark"] as const) {
  for (
    const [name, viewport] of Object.entries({
      desktop: { width: 1440, height: 900 },
      phone: { width: 390, height: 844 },
    })
  ) {
    browserTest(
      `simulator page: axe-core finds nothing serious, ${colorScheme}, ${name}`,
      async (browser) => {
        await withPage(browser, async ({ page, send, simulator, answerWith }) => {
          await page.setViewportSize(viewport);
          await page.emulateMedia({ colorScheme });
          const faults = new Map<string, string[]>();
          const check = async (what: string) => {
            const found = await seriousFaults(page);
            if (found.length > 0) faults.set(what, found);
            const wide = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
            assert(wide <= 0, `${what} is ${wide} px too wide`);
          };
          const view = async (name: string) => {
            const button = page.getByRole("navigation").getByRole("button", { name, exact: true });
            if (await button.isVisible()) await button.click();
          };
          await check("nothing said yet");
          for (const body of everything) await send(body);
          await say(page, "Hello");
          await simulator.meta.settled();
          simulator.meta.userSends(simulator.meta.contacts[0], {
            ...{ type: "reaction", reaction: { message_id: simulator.meta.messages[0].wamid, emoji: "❤️" } },
          });
          simulator.meta.changeContact(simulator.meta.contacts[0].id, { phone: "447700900456" });
          await bubble(page, "changed from").waitFor();
          await check("a conversation");
          await page.getByRole("button", { name: "Show all" }).click();
          await check("a list");
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: "Attach" }).click();
          await check("the attachments");
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: "React or reply to: Which one?" }).click();
          await check("the reactions");
          await page.keyboard.press("Escape");
          await page.getByRole("button", { name: "Edit person" }).click();
          await check("a person");
          await page.keyboard.press("Escape");
          await view("People");
          await check("people");
          answerWith(503);
          simulator.meta.userSends(simulator.meta.contacts[1], "anybody?");
          simulator.meta.configure({ fault: "131056", faultNext: 1 });
          await callGraph(simulator.meta, {
            to: simulator.meta.contacts[0].phone,
            type: "text",
            text: { body: "no" },
          });
          await view("Meta");
          await page.locator("#posts summary", { hasText: "503" }).click();
          await check("webhooks");
          for (const tab of [/Graph API/, /Faults/]) {
            await page.getByRole("tab", { name: tab }).click();
            await check(String(tab));
          }
          assertEquals(Object.fromEntries(faults), {});
        });
      },
    );
  }
}
