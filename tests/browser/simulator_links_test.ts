/** The closed loop of links as a person plays it in the simulator: scan, send, and see it counted. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { until } from "../support/until.ts";
import { PATIENCE_MS } from "../support/chromium.ts";
import { fileStack } from "../support/file_stack.ts";
import { seriousFaults, watch } from "../support/page.ts";

fileStack()(
  "simulator page: a link is scanned, its words are sent, and come back as its attribution",
  async ({ browser, stack }) => {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, stack.url);
    await page.goto(`${stack.url}/simulator/`);
    await page.getByRole("button", { name: /^Daniel Costa/ }).click();
    await page.getByRole("button", { name: "Scan a link" }).click();
    const dialog = page.getByRole("dialog", { name: "Scan a link" });
    const link = dialog.getByRole("combobox", { name: "Link or code" });
    await dialog.locator("#scan-links option[value=demo]").waitFor({ state: "attached" });
    assertEquals(await seriousFaults(page), []);

    await link.fill("nobodys-link");
    await dialog.getByRole("button", { name: "Open" }).click();
    await dialog.getByText("This link does not exist.").waitFor();
    await link.fill("https://www.example.com/");
    await dialog.getByRole("button", { name: "Open" }).click();
    await dialog.getByText(/not a link of this stack/).waitFor();
    await link.fill(`${stack.url}/l/demo`);
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "hidden" });

    const message = page.getByRole("textbox", { name: "Message" });
    // The dialog is hidden before its `close` event hands the words on.
    const words = await until("the words of the link", async () => await message.inputValue() || undefined);
    assertMatch(words, /^Hello! I come from the demo link\.\s+\[ref:[a-z2-7]{16}\]$/);
    await page.getByRole("button", { name: "Send" }).click();
    const bubble = page.locator("#messages li.user", { hasText: "I come from the demo link." });
    await bubble.getByRole("img", { name: "Delivered to the webhook" }).waitFor();

    const figures = await until("the figures of the link", async () => {
      const response = await fetch(`${stack.url}/functions/v1/deeplinks/demo/stats`, {
        headers: { apikey: stack.stack.secretKey },
      });
      const { clicks, attributions } = await response.json();
      return clicks.human === 1 && attributions.total === 1 ? attributions : undefined;
    });
    assertEquals(figures, { total: 1, first_touch: 1, by_confidence: { exact: 1 } });
    assertEquals(errors, []);
    assertEquals(foreign, []);
  },
);
