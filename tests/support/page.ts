/** What the browser tests ask of any page. */
import axe from "axe-core";
import type { Page } from "playwright-core";

/** What axe-core calls serious or critical on a page as it stands now, each with where it is. */
export async function seriousFaults(page: Page): Promise<string[]> {
  if (!await page.evaluate(() => "axe" in globalThis)) await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: typeof import("axe-core") };
    const { violations } = await axe.run({ resultTypes: ["violations"] });
    return violations.map(({ id, impact, help, nodes }) => ({
      id,
      impact,
      help,
      at: nodes.map(({ target }) => target),
    }));
  });
  return found.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, help, at }) => `${id}: ${help} at ${at.join(", ")}`);
}

/** Remembers the errors of a page, and its requests to anywhere but `origin`. Both lists should stay empty. */
export function watch(page: Page, origin: string): { errors: string[]; foreign: string[] } {
  const errors: string[] = [];
  const foreign: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  // An API that refuses is for the page to tell; the browser writes it to the console besides.
  page.on("console", (message) => {
    if (message.type() === "error" && !message.location().url.includes("/api/")) errors.push(message.text());
  });
  page.on("request", (request) => new URL(request.url()).origin === origin || foreign.push(request.url()));
  return { errors, foreign };
}
