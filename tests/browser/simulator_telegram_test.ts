/** The simulator's page of Telegram's chats in Chromium: as a person sees it, with axe-core. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Browser, Page } from "playwright-core";
import { createSimulator, type Simulator } from "../../local/simulator/mod.ts";
import { OPTIONS } from "../../local/simulator/testing.ts";
import { browserTest, PATIENCE_MS } from "../support/chromium.ts";
import { configSeen } from "../support/config_seen.ts";
import { fileStack } from "../support/file_stack.ts";
import { addIdentity, ALEX, mailOn } from "../support/mail_stack.ts";
import { seriousFaults, watch } from "../support/page.ts";
import { until } from "../support/until.ts";

const TOKEN = "7000000001:token-of-the-page";

const MODEL_KEY = "key-of-the-model";
const ROUTING_KEY = "routing-key-of-the-page";

/** The page of a simulator of its own. The test is the functions. */
interface Scene {
  simulator: Simulator;
  page: Page;
  /** Calls the Bot API. */
  // deno-lint-ignore no-explicit-any
  call(method: string, body: unknown): Promise<any>;
  /** Updates that were posted to the webhook, and events of PagerDuty. */
  updates: Record<string, unknown>[];
  /** Posts to another part of the simulator; the status. */
  post(path: string, body: unknown, key?: string): Promise<number>;
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
    ai: { key: MODEL_KEY },
    pagerDuty: {
      ...{ token: "token", routingKey: ROUTING_KEY, secret: "secret", opsgenieKey: "key" },
      webhookUrl: `${origin}/pagerduty`,
    },
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
      post: async (path, body, key) => {
        const response = await fetch(`${origin}/simulator/${path}`, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          },
          body: JSON.stringify(body),
        });
        await response.body?.cancel();
        return response.status;
      },
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
    await page.locator("#trouble").getByLabel("Answer").selectOption("429");
    await page.locator("#trouble").getByText("Changed.").waitFor();
    const refused = await call("sendMessage", { chat_id: chat.id, text: "Hello" });
    assertMatch(refused.description, /Too Many Requests/);
    await page.getByRole("button", { name: "Reset" }).click();
    await page.getByText("Nothing fails any more.").waitFor();
    assertEquals(await seriousFaults(page), []);
  });
});

browserTest(
  "what is pressed counts, and keeps the focus, though the chat changes meanwhile",
  async (browser) => {
    await withPage(browser, async ({ page, simulator, call, updates }) => {
      const people = page.locator("#people");
      const [ana, ben] = ["Ana", "Ben"].map((name) =>
        [...simulator.telegram!.chats.values()].find(({ title }) => title === name)!
      );
      const say = async (text: string, chat = ana) => {
        await call("sendMessage", { chat_id: chat.id, text });
        await people.getByText(text).waitFor();
      };
      await people.getByRole("button", { name: /Ana/ }).click();
      await call("sendMessage", {
        ...{ chat_id: ana.id, text: "A card" },
        reply_markup: {
          inline_keyboard: [[{ text: "Resolve", callback_data: "resolve:abcdefghijklmnop:1" }]],
        },
      });
      await page.getByRole("button", { name: "Resolve" }).hover();
      await page.mouse.down();
      await say("Another message");
      await page.mouse.up();
      await page.getByText("You take care of it.").waitFor();
      assertEquals(updates.length, 1);
      await page.getByRole("button", { name: "Resolve" }).and(page.locator(":focus")).waitFor();

      // The list of chats shows the last text of each.
      await people.getByRole("button", { name: /Ben/ }).hover();
      await page.mouse.down();
      await say("Hello Ben", ben);
      await page.mouse.up();
      await page.getByRole("log").getByText("Hello Ben").waitFor();
      await people.getByRole("button", { name: /Ben/ }).and(page.locator(":focus")).waitFor();
    });
  },
);

browserTest("the model's questions are shown, and it fails as chosen", async (browser) => {
  await withPage(browser, async ({ page, post }) => {
    const ask = (text: string) =>
      post("ai/v1/chat/completions", { messages: [{ role: "user", content: text }] }, MODEL_KEY);
    await page.getByRole("tab", { name: "Model" }).click();
    await page.getByText("Nothing has been asked yet.").waitFor();
    assertEquals(await ask("Subject: The shop is down"), 200);
    const questions = page.locator("#questions > li");
    await questions.first().getByText("200", { exact: true }).waitFor();
    await questions.first().locator("summary").click();
    await page.getByText("Subject: The shop is down").waitFor();
    await page.locator("#model").getByLabel("Answer").selectOption("500");
    await page.locator("#model").getByText("Changed.").waitFor();
    await page.getByRole("tab", { name: "Model on" }).waitFor();
    assertEquals(await ask("Once more"), 500);
    await questions.first().getByText("500", { exact: true }).waitFor();
    assertEquals(await questions.count(), 2);
    for (const scheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      assertEquals(await seriousFaults(page), []);
    }
  });
});

browserTest(
  "incidents of PagerDuty are acted on by a person, who is on call is set, and it fails as chosen",
  async (browser) => {
    await withPage(browser, async ({ page, simulator, post, updates }) => {
      const trigger = (key: string, summary: string) =>
        post("pagerduty/v2/enqueue", {
          ...{ routing_key: ROUTING_KEY, event_action: "trigger", dedup_key: key },
          payload: { summary },
        });
      const told = () => {
        const { event } = updates.at(-1) as {
          event: { event_type: string; agent: { summary: string }; data: { incident_key: string } };
        };
        return [event.event_type, event.agent.summary, event.data.incident_key];
      };
      await page.getByRole("tab", { name: "PagerDuty" }).click();
      await page.getByText("No card has opened an incident yet.").waitFor();
      assertEquals(await trigger("gatelink:one", "Disk is full"), 202);
      assertEquals(await trigger("gatelink:two", "The shop is <b>down</b>"), 202);
      const incident = page.locator(".incident", { hasText: "The shop is <b>down</b>" });
      await page.getByLabel("You are").selectOption({ label: "Ben" });
      await incident.getByRole("button", { name: "Acknowledge" }).click();
      await incident.getByText("acknowledged", { exact: true }).waitFor();
      assertEquals(told(), ["incident.acknowledged", "Ben", "gatelink:two"]);
      // The focus stays at the incident when its buttons change.
      await incident.locator(":focus").waitFor();
      await incident.getByRole("button", { name: "Resolve" }).click();
      await incident.getByText("resolved", { exact: true }).waitFor();
      assertEquals(told(), ["incident.resolved", "Ben", "gatelink:two"]);
      await page.locator(".incident", { hasText: "Disk is full" }).getByText("triggered", { exact: true })
        .waitFor();

      await page.getByLabel("Schedule id").fill("S1");
      await page.getByLabel("Name").fill("Ana");
      await page.getByLabel("Address").fill("ana@team.example");
      await page.getByRole("button", { name: "Put on call" }).click();
      await page.getByText("S1: Ana (ana@team.example)").waitFor();
      assertEquals(simulator.pagerDuty!.schedules.get("S1"), [{ name: "Ana", email: "ana@team.example" }]);
      for (const scheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        assertEquals(await seriousFaults(page), []);
      }
      await page.getByRole("button", { name: "Nobody is on call in S1" }).click();
      await page.getByText("S1: nobody").waitFor();

      await page.locator("#oncall").getByLabel("Answer").selectOption("500");
      await page.getByRole("tab", { name: "PagerDuty on" }).waitFor();
      assertEquals(await trigger("gatelink:three", "Lost"), 502);
      await page.setViewportSize({ width: 360, height: 740 });
      await page.getByRole("button", { name: "Telegram", exact: true }).click();
      const width = await page.locator("html").evaluate((page) => page.scrollWidth);
      assert(width <= 360, `${width} px`);
      assertEquals(await post("api/reset", {}), 200);
      await page.getByText("No card has opened an incident yet.").waitFor();
      assertEquals(simulator.pagerDuty!.fault, "none");
    });
  },
);

fileStack({ prepare: (_stack, sql) => addIdentity(sql) })(
  "on the stack: a mail in, its card, a press, an answer, and the mail that goes out in the thread",
  async ({ browser, stack, sql }) => {
    const mail = mailOn(stack, sql);
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, stack.url);
    await page.goto(`${stack.url}/simulator/telegram`);
    await page.getByText("Connected", { exact: true }).waitFor();
    await page.locator("#people").getByRole("button", { name: /Operations/ }).click();
    await page.getByRole("button", { name: "Add the bot" }).click();
    const [chat] = await until(
      "the chat is known",
      async () => {
        const chats = await sql`select id::float8 as id from public.telegram_chats where state = 'member'`;
        return chats.length > 0 && chats;
      },
    );
    await sql.begin(async (sql) => {
      await sql`select public.add_telegram_destination('on-call', ${chat.id})`;
      await sql`select public.add_route('{on-call}', '{"type": "address", "types": ["alert"]}', 1, ${
        sql.json({ name: "alerts", channels: ["email"] })
      })`;
    });
    await configSeen({ url: stack.url, stack: stack.stack }, sql);
    const [{ link }] = await sql`select public.link_telegram(u.email) as link from public.team_members m
      join auth.users u on u.id = m.user_id where m.role = 'admin' limit 1`;
    await page.locator("#people").getByRole("button", { name: /Ana/ }).click();
    await page.getByLabel("Text").fill(`/start ${link.token}`);
    await page.getByLabel("Text").press("Enter");
    const log = page.getByRole("log");
    await log.getByText("You are linked.").waitFor();

    await mail.receive({
      from: { address: "casey@example.org", name: "Casey Brooks" },
      to: "shop.db.alert@reply.example.com",
      subject: "The shop is down",
      text: "Nobody can pay.",
      messageId: "down@example.org",
    });
    await page.locator("#people").getByRole("button", { name: /Operations/ }).click();
    await log.getByText("The shop is down", { exact: true }).last().waitFor();
    await page.getByRole("button", { name: "Acknowledge" }).click();
    await log.getByText(/Acknowledged by Ana/).waitFor();
    const card = page.locator("#messages > li", { hasText: "The shop is down" });
    // A slow browser may press Undo more than ten seconds after the answer was written: this one waits for an hour.
    await sql`create function private.wait_an_hour() returns trigger language plpgsql as
      $$ begin new.due_at := new.due_at + interval '1 hour'; return new; end $$`;
    await sql`create trigger wait_an_hour before insert on public.chat_replies
      for each row execute function private.wait_an_hour()`;
    await card.getByRole("button", { name: "Answer" }).click();
    await page.getByLabel("Text").fill("Not this one");
    await page.getByLabel("Text").press("Enter");
    // The card has an Undo of its own.
    const note = page.locator("#messages > li", { hasText: "Leaves in 10 s" });
    await note.getByRole("button", { name: "Undo" }).click();
    await log.getByText("Not sent: undone by Ana.").waitFor();
    await sql`drop function private.wait_an_hour() cascade`;
    await card.getByRole("button", { name: "Answer" }).click();
    await page.getByLabel("Text").fill("We are on it.");
    await page.getByLabel("Text").press("Enter");
    await log.getByText(/Leaves in 10 s to casey@example\.org/).waitFor();
    await log.getByText(/Delivered to casey@example\.org/).waitFor();
    assertEquals(await seriousFaults(page), []);

    await page.getByRole("link", { name: "Mail" }).click();
    await page.locator("#people").getByRole("button", { name: /Casey|casey@example\.org/ }).click();
    await page.locator("#mails button").filter({
      has: page.locator(".subject", { hasText: "Re: The shop is down" }),
    }).first().click();
    await page.getByText("We are on it.").last().waitFor();
    const sent = await mail.mailTo("casey@example.org");
    assertEquals([sent.from.email, sent.headers["In-Reply-To"]], [ALEX.from, "<down@example.org>"]);
    assertEquals((await mail.mails()).sent.filter(({ to }) => to[0].email === "casey@example.org").length, 1);
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  },
);
