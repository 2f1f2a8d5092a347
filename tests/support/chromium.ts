/** Chromium for the browser tests, if there is one. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = [
  Deno.env.get("CHROMIUM_PATH") ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

/** Path of Chromium, or undefined; then it is printed that browser tests are skipped, and how to run them. */
export const CHROMIUM: string | undefined = PLACES.find((place) => place !== "" && existsSync(place));

/** Longest wait for something on a page, in milliseconds: the machine may be busy with many tests. */
export const PATIENCE_MS = 90_000;

if (!CHROMIUM) {
  console.warn(
    "Chromium was not found, so browser tests are NOT run. Install it (Debian: apt-get install chromium) or give its " +
      "path in CHROMIUM_PATH.",
  );
}

/** The browser of the file, from its first test on. */
let launched: Promise<Browser> | undefined;
let isClosedAfterwards = false;

async function launch(): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    timeout: PATIENCE_MS,
    // It ends with the pipe to it; listeners of its own would outlive the test that is the first.
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  // The next test gets another one.
  browser.on("disconnected", () => launched = undefined);
  return browser;
}

/**
 * Runs a test in the browser of its file, where nothing is open yet; everything that it opens is closed
 * afterwards. Skipped without Chromium.
 */
export function browserTest(name: string, test: (browser: Browser) => Promise<void>): void {
  if (!isClosedAfterwards) {
    isClosedAfterwards = true;
    Deno.test.afterAll(async () => await (await launched)?.close());
  }
  Deno.test({
    name: CHROMIUM ? name : `${name} (NOT run: no Chromium)`,
    ignore: CHROMIUM === undefined,
    async fn() {
      const browser = await (launched ??= launch());
      try {
        await test(browser);
      } finally {
        for (const context of browser.contexts()) await context.close();
      }
    },
  });
}
