/** The simulator's page of Telegram's chats in Chromium: as a person sees it, with axe-core. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Browser, Page } from "playwright-core";
import { createSimulator, type Simulator } from "../../local/simulator/mod.ts";
import { OPTIONS } from "../../local/simulator/testing.ts";
import { browserTest, PATIENCE_MS } from "../support/chromium.ts";
import { seriousFaults, watch } from "../support/page.ts";

const TOKEN = "7000000001:token-of-the-page";

/** The page of a simulator of its own. The test is the functions. */
interface Scene {
  simulator: Simulator;
  page: Page;
  /** Calls the Bot API. */
  // deno-lint-ignore no-explicit-any
  call(method: string, body: unknown): Promise<any>;
  /** Updates that were posted to the webhook. */
  updates: Record<string, unknown>[];
}

async function withPage(browser: Browser, test: (scene: Scene) => Promise<void>): Promise<void> {
  const updates: Record<string, unknown>[] = [];
  const webhook: typeof fetch = (_url, init) => {
    const update = JSON.parse(String(init?.body));
    updates.push(update);
    const id = update.callback_query?.id;
    return Promise.resolve(Response.json(
      id === undefined
        ? {}
        : { method: "answerCallbackQuery", callback_query_id: id, text: "You take care of it." },
    ));
  };
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request): Promise<Response> => simulator.fetch(request),
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const simulator: Simulator = createSimulator({
    ...OPTIONS,
    ...{ webhookUrl: `${origin}/hook`, fetch: webhook },
    telegram: { token: TOKEN, secret: "secret", webhookUrl: `${origin}/telegram` },
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, origin);
    await page.goto(`${origin}/simulator/telegram`);
    await page.getByText("Connected", { exact: true }).waitFor();
    await test({
      simulator,
      page,
      updates,
      call: async (method, body) =>
        await (await fetch(`${origin}/simulator/telegram/bot${TOKEN}/${method}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        })).json(),
    });
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  } finally {
    simulator.stop();
    await server.shutdown();
  }
}

browserTest("a group is made, the bot added, a card shown and its button pressed", async (browser) => {
  await withPage(browser, async ({ page, call, updates }) => {
    await page.getByRole("button", { name: "New group" }).click();
    await page.getByLabel("Title").fill("Night shift");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("button", { name: "Add the bot" }).click();
    await page.getByText("with the bot", { exact: true }).waitFor();
    const chat = (updates.at(-1) as { my_chat_member: { chat: { id: number } } }).my_chat_member.chat.id;
    const text = "Disk is full\nmonitor@example.com\n\nIt is at 99 %.\nThe rest.";
    const sent = await call("sendMessage", {
      chat_id: chat,
      text,
      entities: [{ type: "bold", offset: 0, length: 12 }, {
        type: "expandable_blockquote",
        offset: 49,
        length: 9,
      }],
      reply_markup: { inline_keyboard: [[{ text: "Acknowledge", callback_data: "ack:abcdefghijklmnop:1" }]] },
    });
    assertEquals(sent.ok, true);
    await page.getByText("Disk is full", { exact: true }).last().waitFor();
    await page.getByRole("button", { name: "More" }).click();
    assertEquals(await page.getByRole("button", { name: "Less" }).getAttribute("aria-expanded"), "true");
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await page.getByText("You take care of it.").waitFor();
    assertEquals(
      (updates.at(-1) as { callback_query: { data: string } }).callback_query.data,
      "ack:abcdefghijklmnop:1",
    );
    await page.getByLabel("Text").fill("/start");
    await page.getByLabel("Text").press("Enter");
    await page.getByText("Webhooks").first().waitFor();
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      assertEquals(await seriousFaults(page), []);
    }
  });
});

browserTest("on a phone nothing is wider than the screen, and faults are switched", async (browser) => {
  await withPage(browser, async ({ page, simulator, call }) => {
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole("button", { name: "Chats", exact: true }).click();
    await page.getByRole("button", { name: /Ana/ }).click();
    const [chat] = [...simulator.telegram!.chats.values()].filter(({ title }) => title === "Ana");
    await call("sendMessage", { chat_id: chat.id, text: "word".repeat(200) });
    await page.getByRole("log").getByText(/wordword/).waitFor();
    const width = await page.locator("html").evaluate((page) => page.scrollWidth);
    assert(width <= 360, `${width} px`);
    await page.getByRole("button", { name: "Telegram", exact: true }).click();
    await page.getByRole("tab", { name: /Faults/ }).click();
    await page.getByLabel("Answer").selectOption("429");
    await page.getByText("Changed.").waitFor();
    const refused = await call("sendMessage", { chat_id: chat.id, text: "Hello" });
    assertMatch(refused.description, /Too Many Requests/);
    await page.getByRole("button", { name: "Reset" }).click();
    await page.getByText("Nothing fails any more.").waitFor();
    assertEquals(await seriousFaults(page), []);
  });
});
