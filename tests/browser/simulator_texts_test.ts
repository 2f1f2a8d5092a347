/** The simulator's page of phones in Chromium: as a person sees it, with axe-core. */
import { assertEquals } from "../support/assert.ts";
import type { Browser, Page } from "playwright-core";
import { createSimulator, type Simulator } from "../../local/simulator/mod.ts";
import { OPTIONS } from "../../local/simulator/testing.ts";
import { browserTest, PATIENCE_MS } from "../support/chromium.ts";
import { seriousFaults, watch } from "../support/page.ts";

const OURS = "+12025550160";
const ACCOUNT = `AC${"0".repeat(32)}`;

/** The page of a simulator of its own. The test is the business. */
interface Scene {
  simulator: Simulator;
  page: Page;
  answerWith(status: number): void;
  /** The business sends a text. */
  send(to: string, body: string): Promise<number>;
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
    texts: {
      ...{ accountSid: ACCOUNT, authToken: "token", numbers: [OURS], fetch: webhook },
      webhookUrl: `${origin}/texts`,
    },
  });
  const send = async (To: string, Body: string) => {
    const response = await fetch(
      `${origin}/simulator/twilio/2010-04-01/Accounts/${ACCOUNT}/Messages.json`,
      {
        method: "POST",
        headers: { authorization: `Basic ${btoa(`${ACCOUNT}:token`)}` },
        body: new URLSearchParams({ To, From: OURS, Body, StatusCallback: `${origin}/status` }),
      },
    );
    await response.body?.cancel();
    return response.status;
  };
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, origin);
    await page.goto(`${origin}/simulator/texts`);
    await page.getByText("Connected", { exact: true }).waitFor();
    await test({ simulator, page, send, answerWith: (next) => status = next });
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  } finally {
    simulator.stop();
    await server.shutdown();
  }
}

const said = (page: Page, text: string) => page.locator("#messages li", { hasText: text }).first();

browserTest("texts page: a phone writes, gets answers with their status, and stops", async (browser) => {
  await withPage(browser, async ({ page, send, answerWith }) => {
    answerWith(503);
    await page.getByLabel("Text", { exact: true }).fill("Are you open?");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await said(page, "Are you open?").waitFor();
    await page.locator("#posts .badge", { hasText: "503" }).waitFor();
    answerWith(200);
    assertEquals(await send("+12025550143", "Until <b>six</b>."), 201);
    await said(page, "Until <b>six</b>.").getByText("delivered").waitFor();
    await page.getByRole("button", { name: "STOP" }).click();
    await said(page, "unsubscribed").waitFor();
    assertEquals(await send("+12025550143", "Hello?"), 400);
    await page.getByRole("button", { name: "START" }).click();
    await said(page, "re-subscribed").waitFor();
    assertEquals(await send("+12025550143", "Hello!"), 201);
    assertEquals(await seriousFaults(page), []);
  });
});

browserTest("texts page: another phone, and faults of Twilio", async (browser) => {
  await withPage(browser, async ({ page, send, simulator }) => {
    await page.getByRole("button", { name: "New phone" }).click();
    await page.getByLabel("Number", { exact: true }).fill("nobody");
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByText("a number as +12025550143").waitFor();
    await page.getByLabel("Number", { exact: true }).fill("+12025550170");
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByRole("heading", { name: "The phone +12025550170" }).waitFor();
    await page.getByRole("tab", { name: "Faults" }).click();
    await page.getByLabel("Outcome of each text").selectOption("off");
    await page.getByText("Saved.").waitFor();
    assertEquals(simulator.texts!.settings.fate, "off");
    assertEquals(await send("+12025550170", "Hello"), 201);
    await said(page, "Hello").getByText("undelivered, 30003").waitFor();
    await page.getByRole("button", { name: "Reset" }).click();
    await page.getByText("Faults are off.").waitFor();
    assertEquals(await seriousFaults(page), []);
  });
});
