/** The simulator's page of two phones in Chromium, on a stack: each text goes through the real functions. */
import type { Browser, Page } from "playwright-core";
import { assert, assertEquals } from "../support/assert.ts";
import { browserTest, PATIENCE_MS } from "../support/chromium.ts";
import { seriousFaults, watch } from "../support/page.ts";
import { testDatabase } from "../support/postgres.ts";
import { startStack } from "../support/stack.ts";

/** The page of a stack of its own. */
async function withPage(browser: Browser, test: (page: Page) => Promise<void>): Promise<void> {
  const database = await testDatabase();
  const stack = await startStack({ env: { DATABASE_URL: database.url } });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    const { errors, foreign } = watch(page, stack.url);
    await page.goto(`${stack.url}/simulator/masked`);
    await page.getByText("Connected", { exact: true }).waitFor();
    try {
      await test(page);
    } catch (error) {
      const { decisions } = await (await fetch(`${stack.url}/simulator/api/masked/state`)).json();
      throw new Error(`${error}\n${JSON.stringify(decisions, null, 1)}`, { cause: error });
    }
    assertEquals(errors, []);
    assertEquals(foreign, []);
    await page.close();
  } finally {
    await stack.stop();
    await database.drop();
  }
}

/** One of the phones. */
const phone = (page: Page, role: "client" | "sitter") => ({
  write: async (text: string) => {
    await page.getByLabel(`Text of the ${role}`, { exact: true }).fill(text);
    await page.locator(`[data-role=${role}]`).getByRole("button", { name: "Send", exact: true }).click();
  },
  press: (word: string) => page.locator(`[data-role=${role}]`).getByRole("button", { name: word }).click(),
  /** A text that is on it. */
  has: (text: string) =>
    page.getByRole("log", { name: `Texts of the ${role}` }).locator("li", { hasText: text }).first(),
  all: () => page.getByRole("log", { name: `Texts of the ${role}` }).locator("li .bubble").allInnerTexts(),
});

async function tab(page: Page, name: string): Promise<void> {
  await page.getByRole("tab", { name }).click();
}

browserTest(
  "two phones: one press makes an organisation, and each side hears the other from a number that is nobody's own",
  async (browser) => {
    await withPage(browser, async (page) => {
      const client = phone(page, "client"), sitter = phone(page, "sitter");
      await page.getByRole("button", { name: "Make an organisation" }).click();
      await page.getByText("Ana and Sam").waitFor();
      await client.write("Is Bello well?");
      await sitter.has("Is Bello well?").getByText("delivered").waitFor();
      await sitter.write("He sleeps.");
      await client.has("He sleeps.").getByText("delivered").waitFor();
      for (const [role, other] of [["client", "+12065550151"], ["sitter", "+12065550141"]] as const) {
        assertEquals((await phone(page, role).all()).filter((text) => text.includes(other)), [], role);
      }

      // What leads around the business stays here, and its writer is told.
      await sitter.write("Text me at 202-555-0190 instead, it's cheaper without the app");
      await sitter.has("was not delivered").waitFor();
      await tab(page, "Decisions");
      await page.locator("#decisions li", { hasText: "leads around the business" }).first().waitFor();
      assertEquals((await client.all()).filter((text) => text.includes("0190")), []);

      // A lost webhook is found in the provider's list.
      await tab(page, "Faults");
      await page.getByLabel("Lost for good, percent").fill("100");
      await page.getByLabel("Lost for good, percent").blur();
      await page.getByText("Saved.").waitFor();
      await client.write("Anybody there?");
      await tab(page, "Webhooks");
      await page.locator("#posts li", { hasText: "Anybody there?" }).getByText("lost").waitFor();
      await tab(page, "Faults");
      await page.getByRole("button", { name: "Reset" }).click();
      await page.getByText("Faults are off.").waitFor();
      await tab(page, "Business");
      await page.getByRole("button", { name: "A minute passes" }).click();
      await sitter.has("Anybody there?").waitFor();

      // A carrier's error is shown on the phone that did not get it.
      await tab(page, "Faults");
      await page.getByLabel("Outcome of each text").selectOption("filtered");
      await page.getByText("Saved.").waitFor();
      await client.write("Hello?");
      await sitter.has("Hello?").getByText("undelivered, 30007").waitFor();
      await page.getByRole("button", { name: "Reset" }).click();
      await page.getByText("Faults are off.").waitFor();

      // STOP ends what comes from this number.
      await client.press("STOP");
      await client.has("unsubscribed").waitFor();
      await tab(page, "Decisions");
      await page.locator("#decisions li", { hasText: "a keyword" }).first().waitFor();
      await sitter.write("I am at the door");
      await sitter.has("does not want texts").waitFor();
      assertEquals((await client.all()).filter((text) => text.includes("at the door")), []);
      await client.press("START");
      await client.has("re-subscribed").waitFor();
      await page.locator("#decisions li", { hasText: "a keyword" }).nth(1).waitFor();
      await sitter.write("At the door again");
      await client.has("At the door again").waitFor();

      // Outside of the sitter's time nothing goes through; a second client's number is another one.
      await tab(page, "Business");
      await page.getByRole("button", { name: "Ana and Sam: Tomorrow" }).click();
      await page.getByText("Sam works later").waitFor();
      await sitter.write("Shall I bring food?");
      await sitter.has("The next time begins").waitFor();
      await page.getByRole("button", { name: "Ben and Sam: Assign now" }).click();
      await page.locator("#pairs li", { hasText: "Ben and Sam" }).getByText("Sam works now").waitFor();
      const through = await page.locator("#pairs li", { hasText: /through/ }).locator(".quiet")
        .allInnerTexts();
      const numbers = through.map((text) => /\+\d+/.exec(text)![0]);
      assertEquals([numbers.length, new Set(numbers).size], [2, 2], through.join("; "));
      assertEquals(await seriousFaults(page), []);
    });
  },
);

browserTest(
  "two phones: axe-core finds nothing serious, and nothing is too wide, in light and dark, on a desktop, a tablet and a phone",
  async (browser) => {
    await withPage(browser, async (page) => {
      const faults: string[] = [];
      const check = async (what: string) => {
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          faults.push(...(await seriousFaults(page)).map((fault) => `${what}, ${colorScheme}: ${fault}`));
          const wide = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
          if (wide > 0) faults.push(`${what} is ${wide} px too wide`);
          const shots = Deno.env.get("SHOTS");
          if (shots) await page.screenshot({ path: `${shots}/masked-${what}-${colorScheme}.png` });
        }
      };
      const view = async (name: string) => {
        const button = page.getByRole("navigation").getByRole("button", { name, exact: true });
        if (await button.isVisible()) await button.click();
      };
      await check("empty-desktop");
      await page.getByRole("button", { name: "Make an organisation" }).click();
      await page.getByText("Ana and Sam").waitFor();
      const client = phone(page, "client"), sitter = phone(page, "sitter");
      await client.write("Is Bello well? ".repeat(12));
      await sitter.has("Is Bello well?").getByText("delivered").waitFor();
      await sitter.write("He sleeps.");
      await client.has("He sleeps.").getByText("delivered").waitFor();
      for (
        const [name, viewport] of Object.entries({
          desktop: { width: 1440, height: 900 },
          tablet: { width: 900, height: 1100 },
          phone: { width: 390, height: 844 },
        })
      ) {
        await page.setViewportSize(viewport);
        for (const part of ["Client", "Sitter", "In between"]) {
          if (name === "desktop" && part !== "Client") continue;
          await view(part);
          await check(`${part.replace(" ", "-")}-${name}`.toLowerCase());
        }
        for (const part of ["Decisions", "Webhooks", "Faults", "Business"]) {
          await tab(page, part);
          await check(`${part}-${name}`.toLowerCase());
        }
      }
      assert(faults.length === 0, faults.join("\n"));
    });
  },
);
