/** Chromium for the browser tests, where there is one. */
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

/** Where Chromium is, or undefined; then it has been said that browser tests are not run, and how to have them run. */
export const CHROMIUM: string | undefined = PLACES.find((place) => place !== "" && existsSync(place));

if (!CHROMIUM) {
  console.warn(
    "Chromium was not found, so browser tests are NOT run. Install it (Debian: apt-get install chromium) or give its " +
      "path in CHROMIUM_PATH.",
  );
}

/** Runs a test with a browser of its own, which is closed afterwards. Not run where there is no Chromium. */
export function browserTest(name: string, test: (browser: Browser) => Promise<void>): void {
  Deno.test({
    name: CHROMIUM ? name : `${name} (not run: no Chromium)`,
    ignore: CHROMIUM === undefined,
    async fn() {
      const browser = await chromium.launch({
        executablePath: CHROMIUM,
        args: [
          "--no-sandbox",
          "--disable-gpu",
          "--no-first-run",
          "--disable-background-networking",
          "--disable-component-update",
          "--disable-sync",
        ],
      });
      try {
        await test(browser);
      } finally {
        await browser.close();
      }
    },
  });
}
