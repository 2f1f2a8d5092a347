/** The simulator's page of inboxes in Chromium: as a person sees it, with the keyboard, with axe-core. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { generateKeyPairSync } from "node:crypto";
import type { Browser, Page } from "playwright-core";
import type { Json } from "../../local/simulator/model.ts";
import { createSimulator, type Simulator } from "../../local/simulator/mod.ts";
import { OPTIONS } from "../../local/simulator/testing.ts";
import { browserTest, PATIENCE_MS } from "../support/chromium.ts";
import { fileStack } from "../support/file_stack.ts";
import { addIdentity, ALEX, mailOn } from "../support/mail_stack.ts";
import { seriousFaults, watch } from "../support/page.ts";
import { until } from "../support/until.ts";

const signingKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
  .export({ format: "der", type: "pkcs8" }).toString("base64");

/** The page of a simulator of its own. The test is the business: it decides what the webhooks answer. */
interface Scene {
  simulator: Simulator;
  page: Page;
  url: string;
  answerWith(status: number): void;
  /** The business sends a mail to Casey. */
  send(more?: Json): Promise<void>;
}

async function withPage(browser: Browser, test: (scene: Scene) => Promise<void>): Promise<void> {
  let status = 200;
  const webhook: typeof fetch = () => Promise.resolve(new Response(null, { status }));
  const server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    (request): Promise<Response> => simulator.fetch(request),
  );
  const origin = `http://127.0.0.1:${server.addr.port}`;
  const simulator: Simulator = createSimulator({
    ...OPTIONS,
    ...{ webhookUrl: `${origin}/hook`, fetch: webhook },
    mail: {
      ...{ apiKey: "SG.key", signingKey, fetch: webhook, retryMs: 20 },
      ...{ inboundUrl: `${origin}/inbound`, eventsUrl: `${origin}/events` },
    },
  });
  const send = async (more: Json = {}) => {
    const response = await fetch(`${origin}/simulator/sendgrid/v3/mail/send`, {
      method: "POST",
      headers: { authorization: "Bearer SG.key" },
      body: JSON.stringify({
        from: { email: "alex@example.com", name: "Alex Morgan" },
        reply_to: { email: "abcdefghijklmnop@reply.example.com", name: "Alex Morgan" },
        subject: "Your order is ready",
        personalizations: [{ to: [{ email: "casey@example.org", name: "Casey Brooks" }] }],
        content: [
          { type: "text/plain", value: "Your order is ready." },
          { type: "text/html", value: "<p>Your <b>order</b> is ready.</p>" },
        ],
        headers: { "Message-ID": "<m1@example.com>" },
        ...more,
      }),
    });
    await response.body?.cancel();
    assertEquals(response.status, 202);
  };
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, origin);
    const url = `${origin}/simulator/mail`;
    await page.goto(url);
    await page.getByText("Connected", { exact: true }).waitFor();
    await test({ simulator, page, url, send, answerWith: (next) => status = next });
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  } finally {
    simulator.stop();
    await server.shutdown();
  }
}

const inbox = (page: Page, name: string | RegExp) => page.locator("#people").getByRole("button", { name });
const mailIn = (page: Page, subject: string) =>
  page.locator("#mails button").filter({ has: page.locator(".subject", { hasText: subject }) }).first();
const saying = (page: Page, text: string) => page.locator("#mails button", { hasText: text }).first();

browserTest("mail page: a mail appears in its inbox, with HTML, headers and files", async (browser) => {
  await withPage(browser, async ({ page, send }) => {
    await page.getByText("No mail here yet.").waitFor();
    await send({
      attachments: [{ filename: "menu.pdf", type: "application/pdf", content: btoa("%PDF-1.7") }],
    });
    await mailIn(page, "Your order is ready").click();
    await page.frameLocator("iframe").getByText("order", { exact: true }).waitFor();
    await page.getByText("Headers and text").click();
    await page.getByText("Message-ID: <m1@example.com>").waitFor();
    const file = page.getByRole("link", { name: "menu.pdf (8 B)" });
    const [download] = await Promise.all([page.waitForEvent("download"), file.click()]);
    assertEquals(download.suggestedFilename(), "menu.pdf");
    await page.getByRole("button", { name: "Back to the inbox" }).click();
    await mailIn(page, "Your order is ready").waitFor();
  });
});

browserTest("mail page: what a mail says is never markup or script of the page", async (browser) => {
  await withPage(browser, async ({ page, send }) => {
    const nasty = '<img src=x onerror="document.title=1"><script>top.document.title=1</script>';
    await send({
      subject: nasty,
      from: { email: "alex@example.com", name: nasty },
      content: [{ type: "text/plain", value: nasty }, { type: "text/html", value: nasty }],
    });
    await mailIn(page, "<img").click();
    await page.locator("iframe").waitFor();
    await page.getByText("Headers and text").click();
    assertEquals(await page.locator("#reader img, #mails img, #reader script").count(), 0);
    assertEquals(await page.title(), "Gatelink simulator: mail");
  });
});

browserTest(
  "mail page: answers, other mails and reports are posted, and refusals are seen",
  async (browser) => {
    await withPage(browser, async ({ page, send, simulator, answerWith }) => {
      await send();
      await mailIn(page, "Your order is ready").click();
      await page.getByLabel(/^As/).selectOption("outlook");
      await page.getByLabel("Language").selectOption("de");
      assertMatch(await page.getByRole("textbox", { name: "Answer" }).inputValue(), /^Ja, Samstag/);
      await page.getByLabel("receipt.pdf").check();
      answerWith(503);
      await page.getByRole("button", { name: "Send answer" }).click();
      await page.getByRole("list", { name: "Replies" }).getByText("waiting").waitFor();
      await page.locator("#posts summary", { hasText: "503" }).waitFor();
      answerWith(200);
      await page.getByRole("list", { name: "Replies" }).getByText("accepted").waitFor();
      const [{ mail, how }] = simulator.mail!.store.written.values();
      assertEquals([how, mail.subject, mail.attachments?.[0].name], [
        "Outlook, Deutsch",
        "AW: Your order is ready",
        "receipt.pdf",
      ]);
      await page.getByLabel(/^Mail/).selectOption("forger");
      await page.getByRole("button", { name: "Send it" }).click();
      await page.getByText("Forger in this name: posted.").waitFor();
      await page.getByLabel("SendGrid reports").selectOption("spamreport");
      await page.getByRole("button", { name: "Report it" }).click();
      await page.locator("#posts summary", { hasText: "spamreport" }).waitFor();
      answerWith(401);
      await page.getByLabel(/^Mail/).selectOption("away");
      await page.getByRole("button", { name: "Send it" }).click();
      await page.getByRole("list", { name: "Replies" }).getByText("lost").waitFor();
    });
  },
);

browserTest("mail page: faults are set in the form and seen in the list of calls", async (browser) => {
  await withPage(browser, async ({ page, simulator, send }) => {
    await page.getByRole("tab", { name: /Faults/ }).click();
    await page.getByLabel(/^Answer/).selectOption("429");
    await page.getByLabel(/^Number of mails/).fill("3");
    await page.keyboard.press("Tab");
    await page.getByLabel("Outcome of each mail").selectOption("bounce");
    await page.getByRole("tab", { name: /Faults on/ }).waitFor();
    await until("the settings", () => simulator.mail!.settings.fate === "bounce");
    const { answer, times } = simulator.mail!.settings;
    assertEquals([answer, times], [429, 3]);
    await fetch(new URL("sendgrid/v3/mail/send", page.url()), {
      method: "POST",
      headers: { authorization: "Bearer SG.key" },
      body: "{}",
    }).then((response) => response.body?.cancel());
    await page.getByRole("tab", { name: "API" }).click();
    await page.locator("#calls .row", { hasText: "429" }).waitFor();
    await page.getByRole("tab", { name: /Faults/ }).click();
    await page.getByLabel("Repetitions of each report").fill("99");
    await page.keyboard.press("Tab");
    assertEquals(simulator.mail!.settings.repeats, 0);
    await page.getByRole("button", { name: "Reset" }).click();
    await page.getByText("Faults are off.").waitFor();
    await send();
    await mailIn(page, "Your order is ready").waitFor();
  });
});

browserTest("mail page: a crowd reacts to campaigns, and what it planted is shown", async (browser) => {
  await withPage(browser, async ({ page, send, simulator }) => {
    await page.getByRole("tab", { name: "Crowd" }).click();
    await page.getByText("No campaign has been sent to the crowd yet.").waitFor();
    await page.getByLabel("A crowd reacts to each campaign").check();
    await page.getByRole("tab", { name: /Crowd on/ }).waitFor();
    for (let n = 0; n < 4; n++) {
      await send({
        personalizations: [{
          to: [{ email: `reader${n}@people.example` }],
          custom_args: { gl_campaign: "0197c000-0000-7000-8000-000000000001" },
        }],
      });
    }
    const planted = page.getByRole("region", { name: "Your order is ready" });
    await planted.getByRole("row", { name: "sent 4" }).waitFor();
    await planted.getByRole("row", { name: "bounced 1" }).waitFor();
    await planted.getByText("Everybody has done their part.").waitFor();
    assertEquals(simulator.mail!.sent.map(({ fate }) => fate), [
      "delivered",
      "delivered",
      "delivered",
      "bounce",
    ]);
    await page.getByLabel("Recipients").fill("12");
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Save as CSV" }).click(),
    ]);
    const lines = (await Deno.readTextFile((await file.path())!)).split("\r\n");
    assertEquals([lines[0], lines[12], lines.length], ["to,name", "reader12@people.example,Reader 12", 14]);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole("button", { name: "SendGrid", exact: true }).click();
    assertEquals(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
    assertEquals(await seriousFaults(page), []);
  });
});

browserTest("mail page: the keyboard alone opens an inbox, writes, reads and comes back", async (browser) => {
  await withPage(browser, async ({ page, simulator, send }) => {
    const tabTo = async (selector: string) => {
      for (let n = 0; n < 60; n++) {
        if (await page.evaluate<boolean>(`document.activeElement.matches(${JSON.stringify(selector)})`)) {
          return;
        }
        await page.keyboard.press("Tab");
      }
      throw new Error(`Tab does not reach ${selector}`);
    };
    await tabTo("#new-inbox");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "New inbox" }).waitFor();
    await page.keyboard.type("Noor@Example.net");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Noor");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Noor’s inbox" }).waitFor();
    await tabTo("#write");
    await page.keyboard.press("Enter");
    await page.keyboard.type("someone@reply.example.com");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Hello");
    await page.keyboard.press("Enter");
    await mailIn(page, "Hello").waitFor();
    const [{ mail }] = simulator.mail!.store.written.values();
    assertEquals([mail.from, mail.to], [
      { address: "noor@example.net", name: "Noor" },
      "someone@reply.example.com",
    ]);
    await send({ personalizations: [{ to: [{ email: "noor@example.net" }] }] });
    await mailIn(page, "Your order is ready").waitFor();
    await tabTo("#mails button");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Back to the inbox" }).waitFor();
    await page.keyboard.press("Enter");
    await page.locator("#mails button:focus").waitFor();
  });
});

for (const colorScheme of ["light", "dark"] as const) {
  for (
    const [name, viewport] of Object.entries({
      desktop: { width: 1440, height: 900 },
      phone: { width: 390, height: 844 },
    })
  ) {
    browserTest(`mail page: axe-core finds nothing serious, ${colorScheme}, ${name}`, async (browser) => {
      await withPage(browser, async ({ page, send, answerWith, simulator }) => {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        const faults = new Map<string, string[]>();
        const check = async (what: string) => {
          const found = await seriousFaults(page);
          if (found.length > 0) faults.set(what, found);
          const wide = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
          assert(wide <= 0, `${what} is ${wide} px too wide`);
          const shots = Deno.env.get("SHOTS");
          if (shots) await page.screenshot({ path: `${shots}/mail-${colorScheme}-${name}-${what}.png` });
        };
        const view = async (name: string) => {
          const button = page.getByRole("navigation").getByRole("button", { name, exact: true });
          if (await button.isVisible()) await button.click();
        };
        await check("empty");
        await send({
          headers: { "Message-ID": "<m1@example.com>", "List-Unsubscribe": "<mailto:t@reply.example.com>" },
          attachments: [{ filename: "menu.pdf", type: "application/pdf", content: btoa("%PDF-1.7") }],
        });
        await send({
          subject: "A subject that is so long that it does not fit into one line of a phone ".repeat(3),
        });
        await check("inbox");
        await mailIn(page, "Your order is ready").click();
        await page.getByRole("button", { name: "Send answer" }).click();
        await page.getByRole("list", { name: "Replies" }).getByText("accepted").waitFor();
        await page.getByText("Headers and text").click();
        await check("mail");
        await page.getByRole("button", { name: "Back to the inbox" }).click();
        await mailIn(page, "Re: Your order is ready").click();
        await check("written");
        await view("Inboxes");
        await check("inboxes");
        await page.getByRole("button", { name: "New inbox" }).click();
        await check("new inbox");
        await page.keyboard.press("Escape");
        answerWith(503);
        simulator.mail!.report([{ event: "delivered", email: "casey@example.org" }]);
        await view("SendGrid");
        await page.locator("#posts summary", { hasText: "503" }).waitFor();
        await page.locator("#posts summary").first().click();
        await check("webhooks");
        await page.getByRole("tab", { name: "API" }).click();
        await check("calls");
        await page.getByRole("tab", { name: /Faults/ }).click();
        await check("faults");
        assertEquals(Object.fromEntries(faults), {});
      });
    });
  }
}

fileStack({ prepare: (_stack, sql) => addIdentity(sql) })(
  "mail page on the stack: an answer comes back to the owner, whose answer reaches the person",
  async ({ browser, stack, sql }) => {
    const mail = mailOn(stack, sql);
    const { status } = await mail.send({
      ...{ user_id: ALEX.user, to: { address: "casey@example.org", name: "Casey Brooks" } },
      ...{ subject: "Your order is ready", html: "<p>Your order <b>1042</b> is ready.</p>" },
    });
    assertEquals(status, 202);
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, stack.url);
    await page.goto(`${stack.url}/simulator/`);
    await page.getByRole("link", { name: "Mail" }).click();
    await inbox(page, /Casey Brooks/).click();
    await mailIn(page, "Your order is ready").click();
    await page.getByLabel(/^As/).selectOption("phone");
    await page.getByLabel("Language").selectOption("fr");
    await page.getByRole("textbox", { name: "Answer" }).fill("Je viens samedi.");
    await page.getByRole("button", { name: "Send answer" }).click();
    await inbox(page, new RegExp(ALEX.inbox)).click();
    await mailIn(page, "Re: Your order is ready").click();
    await page.getByText("Casey Brooks via Gatelink <replies@example.com>").first().waitFor();
    await page.getByRole("textbox", { name: "Answer" }).fill("See you then.");
    await page.getByLabel("Language").selectOption("en");
    await page.getByRole("button", { name: "Send answer" }).click();
    await page.getByRole("list", { name: "Replies" }).getByText("accepted").waitFor();
    const relayed = await mail.mailTo("casey@example.org", 1);
    assertEquals([relayed.from.email, relayed.text], [ALEX.from, "See you then."]);
    await inbox(page, /Casey Brooks/).click();
    await saying(page, "See you then.").waitFor();
    const [row] =
      await sql`select m.text from public.messages m join public.email_replies r on r.message_id = m.id`;
    assertEquals(row.text, "Je viens samedi.");
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  },
);
