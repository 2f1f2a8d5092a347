/** Links in Chromium, with the user agents of phones and desktops: every kind of target ends where it should. */
import { assertEquals, assertMatch, assertStringIncludes } from "../support/assert.ts";
import { type Browser, type BrowserContextOptions, devices } from "playwright-core";
import { readQr } from "../support/qr.ts";
import { until } from "../support/until.ts";
import { PATIENCE_MS } from "../support/chromium.ts";
import { APP_STORE, endOf, EXAMPLE, link, linkTest, on, PLAY } from "../support/link_browser.ts";
import { seriousFaults } from "../support/page.ts";

const IPHONE = devices["iPhone 15"];
const PIXEL = devices["Pixel 7"];
const WINDOWS = devices["Desktop Edge"];
const MAC = devices["Desktop Safari"];
const FIREFOX_ANDROID = {
  ...PIXEL,
  userAgent: "Mozilla/5.0 (Android 15; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0",
};
const WHATSAPP = { userAgent: "WhatsApp/2.24.20.78 A" };

/** The address that a link hands to the system instead of the browser: Chromium on a desktop follows no intent. */
async function handedOn(
  browser: Browser,
  device: BrowserContextOptions,
  url: string,
): Promise<string | undefined> {
  let location: string | undefined;
  await on(browser, device, async (page) => {
    page.on("response", (response) => location ??= response.headers().location);
    await page.goto(url).catch(() => {});
  });
  return location;
}

linkTest(
  "links: pages, stores, apps and chats open according to the visitor's device",
  async ({ browser, stack }) => {
    const app = { url: `${EXAMPLE}/product/7`, package: "com.example.app", fallback: PLAY };
    const everywhere = await link(stack, {
      default_url: `${EXAMPLE}/`,
      utm: { campaign: "spring" },
      targets: [
        { when: { platform: "ios" }, store: APP_STORE },
        { when: { platform: "android" }, app },
        { when: { platform: "windows" }, url: `${EXAMPLE}/windows` },
      ],
    });
    assertEquals(await endOf(browser, IPHONE, everywhere), `${APP_STORE}?utm_campaign=spring`);
    assertEquals(await endOf(browser, WINDOWS, everywhere), `${EXAMPLE}/windows?utm_campaign=spring`);
    assertEquals(await endOf(browser, MAC, everywhere), `${EXAMPLE}/?utm_campaign=spring`);

    const intent = (await handedOn(browser, PIXEL, everywhere))!;
    const [, path, extras] = /^intent:\/\/(.*)#Intent;(.*);end$/.exec(intent)!;
    const parts = Object.fromEntries(extras.split(";").map((part) => part.split("=", 2)));
    assertMatch(path, /^www\.example\.com\/product\/7\?gl_token=[a-z2-7]{16}$/);
    assertEquals([parts.scheme, parts.package], ["https", "com.example.app"]);
    // Without the app the token goes through the store: Play hands it to the app that is installed from there.
    const token = path.slice(-16);
    assertEquals(
      decodeURIComponent(parts["S.browser_fallback_url"]),
      `${PLAY}&referrer=gl_token%3D${token}`,
    );
    // Firefox does not know what to do with the fallback of an intent: it gets both ways, the app by its universal link.
    await on(browser, FIREFOX_ANDROID, async (page) => {
      await page.goto(everywhere);
      const way = await page.getByRole("link", { name: "Open the app" }).getAttribute("href");
      assertMatch(way!, /^https:\/\/www\.example\.com\/product\/7\?gl_token=/);
      await page.getByRole("link", { name: "Continue without the app" }).waitFor();
    });

    const chat = await link(stack, {
      default_url: `${EXAMPLE}/`,
      whatsapp: { phone_number_id: stack.stack.whatsapp.phoneNumberId, text: "Grüße & {ref} 🍞" },
    });
    for (const device of [IPHONE, PIXEL, WINDOWS]) {
      const end = new URL(await endOf(browser, device, chat));
      assertEquals(end.host, "wa.me");
      assertMatch(end.searchParams.get("text")!, /^Grüße & \[ref:[a-z2-7]{16}\] 🍞$/);
    }

    const flagged = await link(stack, {
      default_url: `${EXAMPLE}/before`,
      targets: [{ url: `${EXAMPLE}/after` }],
      flag_key: "spring.enabled",
    });
    assertEquals(await endOf(browser, IPHONE, flagged), `${EXAMPLE}/before`);

    const late = { default_url: `${EXAMPLE}/`, expires_at: "2026-01-01T00:00:00Z" };
    const expired = await link(stack, { ...late, expired_url: `${EXAMPLE}/late` });
    assertEquals(await endOf(browser, IPHONE, expired), `${EXAMPLE}/late`);
    const gone = await link(stack, late);
    await on(browser, IPHONE, async (page) => {
      const response = await page.goto(gone);
      assertEquals(response!.status(), 410);
      await page.getByRole("heading", { name: "This link has expired" }).waitFor();
      assertEquals(await seriousFaults(page), []);
    });
  },
);

linkTest(
  "links: a custom-scheme app is tried first, and the fallback opens if the app is missing",
  async ({ browser, stack }) => {
    const url = await link(stack, {
      default_url: `${EXAMPLE}/`,
      targets: [{
        when: { platform: ["ios", "macos"] },
        app: { url: "exapp://product/7", fallback: APP_STORE },
      }],
    });
    await on(browser, IPHONE, async (page) => {
      const tried: string[] = [];
      page.on("request", (request) => tried.push(request.url()));
      await page.goto(url, { waitUntil: "commit" });
      // The try to open the app is a navigation that fails, at which waitForURL would give up.
      await until("the fallback", () => page.url() === APP_STORE);
      const app = /^exapp:\/\/product\/7\?gl_token=[a-z2-7]{16}$/;
      assertEquals(tried.filter((address) => app.test(address)).length, 1, tried.join(" "));
    });
    // The app came up, so the page is hidden: whoever comes back later finds both ways, and is sent nowhere.
    await on(browser, IPHONE, async (page) => {
      // First, so that what the script below does every 100 ms is on the same clock as the page's own wait.
      await page.clock.install();
      await page.addInitScript({
        content: `Object.defineProperty(document, "hidden", { get: () => true });
            setInterval(() => document.dispatchEvent(new Event("visibilitychange")), 100);`,
      });
      await page.goto(url, { waitUntil: "commit" });
      await page.getByRole("heading", { name: "Opening the app…" }).waitFor();
      await page.clock.runFor(10_000);
      assertEquals([page.url(), await seriousFaults(page)], [url, []]);
      assertMatch(
        (await page.getByRole("link", { name: "Open the app" }).getAttribute("href"))!,
        /^exapp:\/\/product\/7\?gl_token=/,
      );
      await page.getByRole("link", { name: "Continue without the app" }).click();
      await page.waitForURL(APP_STORE);
    });
  },
);

linkTest(
  "links: a password is requested, and never appears in a URL",
  async ({ browser, stack }) => {
    const url = await link(stack, { default_url: `${EXAMPLE}/secret`, password: "open sesame" });
    await on(browser, IPHONE, async (page) => {
      const addresses: string[] = [];
      page.on("request", (request) => addresses.push(request.url()));
      assertEquals((await page.goto(url))!.status(), 401);
      assertEquals(await seriousFaults(page), []);
      await page.getByLabel("This link is protected.").fill("open barley");
      await page.getByRole("button", { name: "Open" }).click();
      await page.getByRole("alert").waitFor();
      assertEquals([page.url(), await seriousFaults(page)], [url, []]);
      await page.getByLabel("This link is protected.").fill("open sesame");
      await page.keyboard.press("Enter");
      await page.waitForURL(`${EXAMPLE}/secret`);
      assertEquals(addresses.filter((address) => /barley|sesame/.test(address)), []);
    });
  },
);

linkTest(
  "links: a messenger gets the link's preview and no redirect",
  async ({ browser, stack }) => {
    const preview = { title: "Bread & <butter>", description: "Fresh", image: `${EXAMPLE}/bread.png` };
    const url = await link(stack, { default_url: `${EXAMPLE}/`, preview, max_uses: 1 });
    await on(browser, WHATSAPP, async (page) => {
      await page.goto(url);
      assertEquals(page.url(), url);
      const said = await page.locator('meta[property^="og:"]').evaluateAll((tags) =>
        Object.fromEntries(tags.map((tag) => [tag.getAttribute("property"), tag.getAttribute("content")]))
      );
      assertEquals(said, {
        "og:type": "website",
        "og:url": url,
        "og:title": preview.title,
        "og:description": preview.description,
        "og:image": preview.image,
      });
      assertEquals(await page.getByRole("heading").textContent(), preview.title);
    });
    // It used nothing up.
    assertEquals(await endOf(browser, IPHONE, url), `${EXAMPLE}/`);
  },
);

linkTest(
  "links: the QR code is scanned from the screen, the link tapped and the message sent in the simulator",
  async ({ browser, stack }) => {
    const url = await link(stack, {
      code: "counter-7",
      whatsapp: { phone_number_id: stack.stack.whatsapp.phoneNumberId, text: "A table for two" },
      tags: ["counter"],
    });
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(`${stack.url}/simulator/`);
    const { pixels, width, height } = await page.evaluate<{ pixels: string; width: number; height: number }>(
      `(async () => {
        const bitmap = await createImageBitmap(await (await fetch("/functions/v1/deeplinks/counter-7/qr.png")).blob());
        const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
        context.drawImage(bitmap, 0, 0);
        const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
        // A list of a million numbers would take seconds on its way.
        let pixels = "";
        for (const byte of data) pixels += String.fromCharCode(byte);
        return { pixels: btoa(pixels), width, height };
      })()`,
    );
    const bytes = Uint8ClampedArray.from(atob(pixels), (char) => char.charCodeAt(0));
    assertEquals(readQr(bytes, width, height), url);

    const chat = new URL(await endOf(browser, PIXEL, url));
    const text = chat.searchParams.get("text")!;
    assertMatch(text, /^A table for two\n\n\[ref:[a-z2-7]{16}\]$/);
    await page.getByRole("button", { name: /^Amina Diallo/ }).click();
    await page.getByRole("textbox", { name: "Message" }).fill(text);
    await page.keyboard.press("Enter");
    // The demo service answers with the words that it got: those of the person, without the token.
    const answer = page.locator("#messages li", { hasText: "You said" }).last();
    await answer.waitFor();
    assertStringIncludes((await answer.textContent())!, "You said: A table for two");
    assertEquals((await answer.textContent())!.includes("[ref:"), false);
    const figures = await until("the figures", async () => {
      const response = await fetch(`${stack.url}/functions/v1/deeplinks/counter-7/stats`, {
        headers: { apikey: stack.stack.secretKey },
      });
      const { clicks, attributions } = await response.json();
      return attributions.total === 1 ? { clicks, attributions } : undefined;
    });
    assertEquals(figures.clicks.human, 1);
    assertEquals(figures.attributions, { total: 1, first_touch: 1, by_confidence: { exact: 1 } });
  },
);
