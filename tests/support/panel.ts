/** The admin panel in Chromium, on the stack of the test's file. */
import type { Sql } from "postgres";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { buildPanel } from "../../local/panel/build.ts";
import { PATIENCE_MS } from "./chromium.ts";
import { fileStack, type StackTest } from "./file_stack.ts";
import { seriousFaults, watch } from "./page.ts";
import type { RunningStack } from "./stack.ts";
import { until } from "./until.ts";

/** Somebody whom the local stack knows, by role. */
export type Who = "admin" | "operator" | "viewer";

/** How a page is opened. */
export interface OpenOptions extends BrowserContextOptions {
  /** Whether the test advances the page's clock with {@linkcode inTime}. It also runs by itself. */
  clock?: boolean;
}

/** What a test of the panel works with. */
export interface Panel {
  browser: Browser;
  stack: RunningStack;
  /** The database, as its owner. */
  sql: Sql;
  /** Address of the panel, with a slash at the end. */
  url: string;
  /** A page of a browser of its own, not signed in. */
  open(options?: OpenOptions): Promise<Page>;
  /** A page of a browser of its own on which this person, who signed in some time ago, sees the overview. */
  signIn(who: Who, options?: OpenOptions): Promise<Page>;
}

/** Faults on a test's pages, which must not occur: exceptions, and requests to other origins. */
interface Watched {
  errors: string[];
  foreign: string[];
}

/** The stored sessions of the panel, by person. */
type Sessions = Record<Who, string>;

const panelStack = (env?: Record<string, string>): StackTest<Sessions> =>
  fileStack({
    env,
    async prepare(stack) {
      await buildPanel();
      const session = async (who: Who) => [who, await sessionOf(stack, who)] as const;
      const people: Who[] = ["admin", "operator", "viewer"];
      return Object.fromEntries(await Promise.all(people.map(session))) as Sessions;
    },
  });
const onPlainStack = panelStack();

/**
 * Runs a test on a running panel. Fails if a page threw, or called another origin than the stack.
 * @param env Added to the environment of the stack, which is then the test's own.
 */
export function panelTest(
  name: string,
  test: (panel: Panel) => Promise<void>,
  env?: Record<string, string>,
): void {
  const onStack = env === undefined ? onPlainStack : panelStack(env);
  onStack(name, async ({ browser, stack, sql, prepared: sessions }) => {
    const watched: Watched[] = [];
    const url = `${stack.url}/admin/`;
    const open = async ({ clock, ...options }: OpenOptions = {}): Promise<Page> => {
      const context = await browser.newContext({ reducedMotion: "reduce", ...options });
      context.setDefaultTimeout(PATIENCE_MS);
      if (clock) await context.clock.install();
      const page = await context.newPage();
      watched.push(watchPanel(page, stack.url));
      await page.goto(url);
      return page;
    };
    const signIn = async (who: Who, options: OpenOptions = {}): Promise<Page> => {
      const kept = { name: `gatelink-${new URL(stack.url).host}`, value: sessions[who] };
      const storageState = { cookies: [], origins: [{ origin: stack.url, localStorage: [kept] }] };
      const page = await open({ ...options, storageState });
      await seesOverview(page);
      return page;
    };
    await test({ browser, stack, sql, url, open, signIn });
    for (const { errors, foreign } of watched) {
      if (errors.length + foreign.length > 0) throw new Error([...errors, ...foreign].join("\n"));
    }
  });
}

/** Signs somebody in as the panel does by a password. */
async function sessionOf({ url, stack }: RunningStack, who: Who): Promise<string> {
  const response = await fetch(`${url}/auth/v1/token?grant_type=password`, {
    method: "POST",
    headers: { apikey: stack.publishableKey, "content-type": "application/json" },
    body: JSON.stringify({ email: `${who}@example.com`, password: stack.admin.password }),
  });
  const session = await response.json();
  if (!response.ok) throw new Error(`${who} cannot sign in: ${response.status} ${JSON.stringify(session)}`);
  const expires_at = Math.floor(Date.now() / 1000) + session.expires_in;
  return JSON.stringify({ expires_at, ...session });
}

/** Waits for the first view of a team member. */
export async function seesOverview(page: Page): Promise<void> {
  await page.getByRole("heading", { name: "Overview", level: 1 }).waitFor();
}

/** The panel reports refusals itself; the browser also writes them to the console. */
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

/** The longest internal delay of the panel: until it reloads a list, or hides a message. */
const TURN_MS = 10_000;

/**
 * Waits for a change that depends on the clock of a page opened with `clock`, such as a change by others:
 * advances its clock at once.
 */
export async function inTime(locator: Locator, state: "visible" | "hidden" = "visible"): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    // What it was reading already was asked for before the time passed, and is read once more.
    await locator.page().clock.fastForward(TURN_MS);
    try {
      return await locator.waitFor({ state, timeout: 2_000 });
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

/**
 * Serious faults of a page, and texts wider than the window: a page scrolls down, never sideways. Only faults
 * that remain after all animations should have ended.
 */
export async function faultsOf(page: Page): Promise<string[]> {
  let faults: string[] = [];
  const none = async () => {
    faults = [...await tooWide(page), ...await seriousFaults(page)];
    return faults.length === 0 || undefined;
  };
  await until("no faults", none).catch((error) => {
    // It could not even be looked.
    if (faults.length === 0) throw error;
  });
  return faults;
}

/** Elements that reach beyond the window. */
function tooWide(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    if (scrollWidth <= clientWidth) return [];
    const beyond = [...document.querySelectorAll("body *")]
      .filter((element) => element.getBoundingClientRect().right > clientWidth + 1)
      .slice(0, 8).map((element) => element.tagName + " " + element.className);
    return [scrollWidth + " px wide in a window of " + clientWidth + " px", ...beyond];
  })()`);
}
