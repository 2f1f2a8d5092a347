/** Links in Chromium: a stack on which they may lead somewhere, and a web beyond it that says hello. */
import { assertEquals } from "./assert.ts";
import type { Browser, BrowserContextOptions, devices, Page } from "playwright-core";
import { PATIENCE_MS } from "./chromium.ts";
import { fileStack } from "./file_stack.ts";
import type { RunningStack } from "./stack.ts";
import { until } from "./until.ts";

/** Where links of these tests may lead. */
export const EXAMPLE = "https://www.example.com";
export const APP_STORE = "https://apps.apple.com/app/id1234567890";
export const PLAY = "https://play.google.com/store/apps/details?id=com.example.app";

/** The team's page, for whoever comes to an address that leads nowhere. */
export const HOME = `${EXAMPLE}/start`;

/** A test on a stack on which links may lead to these places. */
export const linkTest = fileStack({
  async prepare(stack, sql) {
    for (const url of [EXAMPLE, APP_STORE, PLAY]) {
      await sql`select public.allow_host(${new URL(url).host}, 'redirect')`;
    }
    const apps = {
      android: [{ package: "com.example.app", sha256: [Array(32).fill("AB").join(":")] }],
    };
    await sql`insert into public.settings (key, value) values
      ('deeplinks.app_schemes', 'exapp'), ('deeplinks.apps', ${JSON.stringify(apps)}),
      ('deeplinks.home_url', ${HOME}), ('spring.enabled', 'false')`;
    // All of it is known once the last of it is.
    await until("the settings are known", async () => {
      const file = await fetch(`${stack.url}/.well-known/assetlinks.json`);
      return (await file.json()).length === 1;
    });
  },
});

/** Makes a link and gives its address. */
export async function link(stack: RunningStack, body: object): Promise<string> {
  const response = await fetch(`${stack.url}/functions/v1/deeplinks`, {
    method: "POST",
    headers: { apikey: stack.stack.secretKey },
    body: JSON.stringify(body),
  });
  const made = await response.json();
  assertEquals(response.status, 201, JSON.stringify(made));
  return made.url;
}

/**
 * A page on a device, for which the web beyond this machine is one page that says hello. Below Playwright, whose own
 * interception does not see where a redirect leads.
 */
export async function on(
  browser: Browser,
  device: BrowserContextOptions,
  test: (page: Page) => Promise<void>,
): Promise<void> {
  const { defaultBrowserType: _, ...options } = device as (typeof devices)[string];
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  network.on("Fetch.requestPaused", ({ requestId }) => {
    const responseHeaders = [{ name: "content-type", value: "text/html" }];
    network.send("Fetch.fulfillRequest", {
      requestId,
      responseCode: 200,
      responseHeaders,
      body: btoa("<h1>hello</h1>"),
    })
      .catch(() => {});
  });
  await network.send("Fetch.enable", { patterns: [{ urlPattern: "https://*" }] });
  try {
    await test(page);
  } finally {
    await context.close();
  }
}

/** Where a visit ends. */
export async function endOf(browser: Browser, device: BrowserContextOptions, url: string): Promise<string> {
  let end = "";
  await on(browser, device, async (page) => {
    await page.goto(url);
    end = page.url();
  });
  return end;
}
