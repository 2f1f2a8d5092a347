/** The admin panel in Chromium, on a stack of its own. */
import postgres, { type Sql } from "postgres";
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { buildPanel } from "../../local/panel_build.ts";
import { type RunningStack, startStack } from "./stack.ts";
import { browserTest } from "./chromium.ts";
import { seriousFaults, watch } from "./page.ts";

/** Somebody whom the local stack knows, by role. */
export type Who = "admin" | "operator" | "viewer";

/** What a test of the panel works with. */
export interface Panel {
  browser: Browser;
  stack: RunningStack;
  /** The database, as its owner. */
  sql: Sql;
  /** Address of the panel, with a slash at the end. */
  url: string;
  /** A page of a browser of its own, not signed in. */
  open(options?: BrowserContextOptions): Promise<Page>;
  /** A page of a browser of its own on which this person sees the overview. */
  signIn(who: Who, options?: BrowserContextOptions): Promise<Page>;
}

/** Faults of the pages that a test opened, which it must not have: exceptions, and requests to anywhere else. */
interface Watched {
  errors: string[];
  foreign: string[];
}

/**
 * Runs a test on a running panel. Fails when a page threw, or asked anybody but the stack.
 * @param env Put over the environment that the stack is started in.
 */
export function panelTest(
  name: string,
  test: (panel: Panel) => Promise<void>,
  env: Record<string, string> = {},
): void {
  browserTest(name, async (browser) => {
    await buildPanel();
    const stack = await startStack({ env });
    const sql = postgres(stack.stack.dbUrl, { max: 2, onnotice: () => {} });
    const contexts: BrowserContext[] = [];
    const watched: Watched[] = [];
    const url = `${stack.url}/admin/`;
    const open = async (options: BrowserContextOptions = {}): Promise<Page> => {
      const context = await browser.newContext({ reducedMotion: "reduce", ...options });
      contexts.push(context);
      // The machine may be busy with many tests.
      context.setDefaultTimeout(90_000);
      const page = await context.newPage();
      watched.push(watchPanel(page, stack.url));
      await page.goto(url);
      return page;
    };
    const signIn = async (who: Who, options: BrowserContextOptions = {}): Promise<Page> => {
      const page = await open(options);
      await fillSignIn(page, `${who}@example.com`, stack.stack.admin.password);
      await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
      return page;
    };
    try {
      await test({ browser, stack, sql, url, open, signIn });
      for (const { errors, foreign } of watched) {
        if (errors.length + foreign.length > 0) throw new Error([...errors, ...foreign].join("\n"));
      }
    } finally {
      for (const context of contexts) await context.close();
      await sql.end();
      await stack.stop();
    }
  });
}

/** Answers that refuse are for the panel to tell; the browser writes them to the console besides. */
function watchPanel(page: Page, origin: string): Watched {
  const { errors, foreign } = watch(page, origin);
  return {
    get errors() {
      return errors.filter((text) => !/Failed to load resource/.test(text));
    },
    foreign,
  };
}

/** Fills the form of the sign-in and sends it. */
export async function fillSignIn(page: Page, email: string, password: string): Promise<void> {
  await page.getByLabel("Email").fill(email);
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** Goes to an address of the panel, such as `/flags`, and waits for its heading. */
export async function go(page: Page, path: string, heading: string | RegExp): Promise<void> {
  await page.evaluate((path) => location.hash = path, path);
  await page.getByRole("heading", { name: heading, level: 1 }).waitFor();
}

/** Answers the question that is being asked. */
export async function answer(page: Page, action: string, reason?: string): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  if (reason !== undefined) await dialog.getByLabel("Reason").fill(reason);
  await dialog.getByRole("button", { name: action, exact: true }).click();
  await dialog.waitFor({ state: "hidden" });
}

/** Serious faults of a page as it stands, and words wider than the window: a page scrolls down, never sideways. */
export async function faultsOf(page: Page): Promise<string[]> {
  return [...await seriousFaults(page), ...await tooWide(page)];
}

/** Elements that reach beyond the window, once the page has had two seconds to settle. */
async function tooWide(page: Page): Promise<string[]> {
  for (let look = 0;; look++) {
    const wide = await page.evaluate<string[]>(`(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      if (scrollWidth <= clientWidth) return [];
      const beyond = [...document.querySelectorAll("body *")]
        .filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
        .slice(0, 8).map((element) => element.tagName + " " + element.className);
      return [scrollWidth + " px wide in a window of " + clientWidth + " px", ...beyond];
    })()`);
    if (wide.length === 0 || look === 20) return wide;
    await page.waitForTimeout(100);
  }
}
